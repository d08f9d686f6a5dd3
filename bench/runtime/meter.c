#include "runtime/meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t meter_now_ns(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

/* The sum of the given lines of /proc/self/status, in bytes. */
static int64_t status_bytes(const char *first, const char *second)
{
    char line[256];
    int64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    meter_expect(f != NULL, "/proc/self/status");
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, first, strlen(first)) == 0)
            kib += atoll(line + strlen(first));
        else if (strncmp(line, second, strlen(second)) == 0)
            kib += atoll(line + strlen(second));
    }
    fclose(f);
    return kib * 1024;
}

int64_t meter_memory(void)
{
    return status_bytes("VmRSS:", "VmPTE:");
}

int64_t meter_memory_peak(void)
{
    return status_bytes("VmHWM:", "VmPTE:");
}

struct meter meter_begin(void)
{
    struct meter m = {.memory = meter_memory()};

    m.cpu_ns = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    m.wall_ns = meter_now_ns();
    return m;
}

struct meter meter_end(struct meter begun)
{
    struct meter used;

    used.wall_ns = meter_now_ns() - begun.wall_ns;
    used.cpu_ns = clock_of(CLOCK_PROCESS_CPUTIME_ID) - begun.cpu_ns;
    used.memory = meter_memory() - begun.memory;
    return used;
}

void meter_print(struct meter used, uint64_t ops, const char *more)
{
    printf("{\"ops\": %" PRIu64 ", \"wall_ns\": %" PRId64 ", \"cpu_ns\": %" PRId64 "%s}\n", ops,
           used.wall_ns, used.cpu_ns, more);
    fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

void meter_quantiles(int64_t *delays_ns, uint64_t count, char *out)
{
    qsort(delays_ns, count, sizeof(*delays_ns), by_value);
    snprintf(out, 80, ", \"p50_ns\": %" PRId64 ", \"p99_ns\": %" PRId64, delays_ns[count / 2],
             delays_ns[count - 1 - count / 100]);
}

void meter_expect(int right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

uint64_t meter_task(uint64_t seed)
{
    for (int i = 0; i < 300; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
    return seed;
}
