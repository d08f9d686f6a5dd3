/* The floor of the runtime benchmark: what there is in C without a library. */
#ifndef WEIR_BENCH_RAW_TESTS_H
#define WEIR_BENCH_RAW_TESTS_H

#include <stdint.h>

/* threads.c */
void test_switch(uint64_t count, unsigned workers);
void test_spawn(uint64_t count, unsigned workers);
void test_pingpong(uint64_t count, unsigned workers);
void test_chan11(uint64_t count, unsigned workers);
void test_chan88(uint64_t count, unsigned workers);
void test_mutex(uint64_t count, unsigned workers);
void test_rwmutex(uint64_t count, unsigned workers);

/* echo.c; count is the port, and it serves until it is killed */
void test_echo(uint64_t port, unsigned workers);

#endif
