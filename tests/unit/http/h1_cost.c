/* What parsing costs: run under `valgrind --tool=callgrind --toggle-collect=measured_*` and divide
 * by the count, which is printed. Not a test. */
#include <stdio.h>
#include <stdlib.h>

#include "http/h1.h"

static const char request[] = "GET /api/v1/orders/1234567?expand=items HTTP/1.1\r\n"
                              "Host: shop.example.com\r\n"
                              "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n"
                              "Accept: application/json, text/plain, */*\r\n"
                              "Accept-Encoding: gzip, deflate, br\r\n"
                              "X-Request-Id: 7b0f6d5e-88c1-4f1e\r\n"
                              "Cookie: session=0123456789abcdef\r\n"
                              "Connection: keep-alive\r\n"
                              "\r\n";

static const char response[] = "HTTP/1.1 200 OK\r\n"
                               "Server: origin\r\n"
                               "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                               "Content-Type: application/json\r\n"
                               "Content-Length: 1024\r\n"
                               "Connection: keep-alive\r\n"
                               "\r\n";

static struct http_head head;

NOINLINE void measured_request(void);
NOINLINE void measured_response(void);

NOINLINE void measured_request(void)
{
    struct h1_refusal refusal;
    uint32_t scanned = 0;

    if (h1_parse_request(str_n(request, sizeof(request) - 1), &scanned, &h1_limits_default, &head,
                         &refusal) != (ssize_t)sizeof(request) - 1)
        abort();
}

NOINLINE void measured_response(void)
{
    struct h1_refusal refusal;
    uint32_t scanned = 0;

    if (h1_parse_response(str_n(response, sizeof(response) - 1), &scanned, &h1_limits_default,
                          HTTP_GET, &head, &refusal) != (ssize_t)sizeof(response) - 1)
        abort();
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000;

    for (long i = 0; i < count; i++) {
        measured_request();
        measured_response();
    }
    printf("%ld heads of each: request %zu bytes, response %zu bytes\n", count, sizeof(request) - 1,
           sizeof(response) - 1);
    return 0;
}
