/* Sockets, options and the clock for the benchmark's tools. They stand apart from the layers so
 * that nothing they measure is measured with itself. */
#include "tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 16384 };

void die(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    /* Root may go above its hard limit; anybody else gets as much as that allows. */
    struct rlimit wanted = {.rlim_cur = 65536, .rlim_max = 65536};
    if (limit.rlim_max < wanted.rlim_max && setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct sockaddr_in parse_endpoint(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strrchr(text, ':');
    char host[INET_ADDRSTRLEN];

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        die("%s: expected ADDRESS:PORT with a numeric IPv4 address", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    uint64_t port = parse_count("port", colon + 1);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || port == 0 || port > 65535)
        die("%s: expected ADDRESS:PORT with a numeric IPv4 address", text);
    address.sin_port = htons((uint16_t)port);
    return address;
}

uint64_t parse_count(const char *option, const char *text)
{
    char *end;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        die("%s: expected a number, got '%s'", option, text);
    return value;
}

static void send_at_once(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

int listen_on(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        die("cannot bind port %u: %s", ntohs(address->sin_port), strerror(errno));
    if (listen(fd, LISTEN_BACKLOG) != 0)
        die("cannot listen on port %u: %s", ntohs(address->sin_port), strerror(errno));
    return fd;
}

int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    send_at_once(fd);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int accept_from(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return -errno;
    send_at_once(fd);
    return fd;
}

bool find_content_length(const char *head, size_t len, uint64_t *ret_value)
{
    static const char name[] = "content-length:";
    const size_t name_len = sizeof(name) - 1;
    const char *end = head + len;
    const char *line = memchr(head, '\n', len);

    while (line != NULL && ++line + name_len < end && strncasecmp(line, name, name_len) != 0)
        line = memchr(line, '\n', (size_t)(end - line));
    if (line == NULL || line + name_len >= end)
        return false;
    const char *digit = line + name_len;
    while (digit < end && (*digit == ' ' || *digit == '\t'))
        digit++;
    uint64_t value = 0;
    for (; digit < end && *digit >= '0' && *digit <= '9'; digit++)
        value = value * 10 + (uint64_t)(*digit - '0');
    *ret_value = value;
    return true;
}
