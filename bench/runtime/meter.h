/* What the C and C++ programs of the runtime benchmark share: measuring a stretch of work and
 * printing it as one line of JSON, and the little that all tests are made of. */
#ifndef WEIR_BENCH_METER_H
#define WEIR_BENCH_METER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was used since meter_begin(): time, processor time of the whole process, memory. */
struct meter {
    int64_t wall_ns;
    int64_t cpu_ns;
    int64_t memory; /* resident bytes and page tables */
};

int64_t meter_now_ns(void);
int64_t meter_memory(void);

struct meter meter_begin(void);
/* Stops; the clock is read first. */
struct meter meter_end(struct meter begun);
/* Prints {"ops", "wall_ns", "cpu_ns"} and the other pairs, which are JSON beginning with a comma
 * or "". */
void meter_print(struct meter used, uint64_t ops, const char *more);

/* The most memory there was, from the kernel's high-water mark. */
int64_t meter_memory_peak(void);

/* Sorts the delays and writes `, "p50_ns": ..., "p99_ns": ...` to out, at least 80 bytes. */
void meter_quantiles(int64_t *delays_ns, uint64_t count, char *out);

/* Ends the process with status 1 when what a test has computed is wrong. */
void meter_expect(int right, const char *what);

/* A little work that compilers cannot leave out; about a microsecond. */
uint64_t meter_task(uint64_t seed);

#ifdef __cplusplus
}
#endif

#endif
