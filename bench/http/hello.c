/* The smallest server: what bench_http measures beside hello.go. */
#include <weir/http.h>

static int hello(struct weir_http_request *q, struct weir_http_response *r)
{
    return weir_http_puts(r, "Hello, world\n");
}

static int serve(void *address)
{
    return weir_http_serve(address, hello, NULL);
}

int main(int argc, char **argv)
{
    return weir_main(serve, argv[argc - 1], NULL);
}
