/* The tests of the runtime benchmark on libweir. Each does `count` operations (../README.md says
 * what one is), so divided that `workers` processors have work. */
#ifndef WEIR_BENCH_RUNTIME_TESTS_H
#define WEIR_BENCH_RUNTIME_TESTS_H

#include <stdint.h>

/* talk.c */
void test_switch(uint64_t count, unsigned workers);
void test_spawn(uint64_t count, unsigned workers);
void test_pingpong(uint64_t count, unsigned workers);
void test_chan11(uint64_t count, unsigned workers);
void test_chan88(uint64_t count, unsigned workers);
void test_select(uint64_t count, unsigned workers);

/* share.c */
void test_mutex(uint64_t count, unsigned workers);
void test_rwmutex(uint64_t count, unsigned workers);

/* tree.c */
void test_skynet(uint64_t count, unsigned workers);
void test_fib(uint64_t count, unsigned workers);

/* mass.c */
void test_timers(uint64_t count, unsigned workers);
void test_sleepers(uint64_t count, unsigned workers);
void test_memory(uint64_t count, unsigned workers);
void test_tasks(uint64_t count, unsigned workers);
void test_pool(uint64_t count, unsigned workers);

/* echo.c; count is the port, and it serves until it is killed */
void test_echo(uint64_t port, unsigned workers);

#endif
