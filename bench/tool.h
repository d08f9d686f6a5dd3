/* What the benchmark's three tools share: addresses, TCP sockets, options, the clock, and the one
 * header field they look for. */
#ifndef WEIR_BENCH_TOOL_H
#define WEIR_BENCH_TOOL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Prints "TOOL: message" and ends the process with status 2. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Monotonic time. */
int64_t clock_ns(void);

/* Lets the process open as many files as the system allows; 10,000 connections need it. */
void raise_file_limit(void);

/* "127.0.0.1:80" (numeric IPv4). Dies when the text is something else. */
struct sockaddr_in parse_endpoint(const char *text);

/* A non-negative decimal number with nothing behind it. Dies otherwise, naming the option. */
uint64_t parse_count(const char *option, const char *text);

/* A listening, non-blocking socket with a long backlog. Dies when it cannot be had. */
int listen_on(const struct sockaddr_in *address);

/* A connected (or, non-blocking, connecting) socket with Nagle's delay off; -errno on failure. */
int connect_to(const struct sockaddr_in *address);

/* Accepts one connection, non-blocking, Nagle's delay off; -errno when there is none. */
int accept_from(int listener);

/* The value of Content-Length in a message head that ends with an empty line; false without one. */
bool find_content_length(const char *head, size_t len, uint64_t *ret_value);

#endif
