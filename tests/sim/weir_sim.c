/* weir_sim: the whole gateway in a simulated world, seed after seed.
 *
 *     weir_sim --seeds FIRST COUNT     runs that many
 *     weir_sim --seed N [-v]           replays one, and tells what happens */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/sim/sim.h"

static struct sim sim;

static void drop_line(void *arg, enum log_level level, struct str line)
{
}

static void print_line(void *arg, enum log_level level, struct str line)
{
    printf("%10.6f " STR_FMT "\n", (double)weir_now() / 1e9, STR_ARG(line));
}

static void add(struct sim_counts *sum, const struct sim_counts *c)
{
    sum->requests += c->requests;
    sum->answered += c->answered;
    sum->own += c->own;
    sum->cut += c->cut;
    sum->aborted += c->aborted;
    sum->faults += c->faults;
    sum->config_changes += c->config_changes;
    sum->virtual_ns += c->virtual_ns;
}

static void report(const char *program, uint64_t seed)
{
    printf("seed %llu FAILED: %s\n", (unsigned long long)seed, sim.failure);
    printf("replay: %s --seed %llu -v\n", program, (unsigned long long)seed);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 50, failures = 0;
    struct sim_counts sum = {0};
    bool verbose = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 2 < argc) {
            first = strtoull(argv[i + 1], NULL, 10);
            count = strtoull(argv[i + 2], NULL, 10);
            i += 2;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 10);
            count = 1;
        } else if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        } else {
            fprintf(stderr, "usage: %s [--seeds FIRST COUNT | --seed N] [-v]\n", argv[0]);
            return 2;
        }
    }
    log_setup(verbose ? print_line : drop_line, NULL, NULL, LOG_DEBUG, true);
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!sim_run_seed(&sim, seed, verbose)) {
            report(argv[0], seed);
            failures++;
        }
        add(&sum, &sim.counts);
    }
    printf("%llu seeds, %llu failed: %llu requests (%llu answered, %llu of them by the gateway, "
           "%llu cut, %llu given up by clients), %llu faults, %llu configuration changes, "
           "%.1f virtual hours\n",
           (unsigned long long)count, (unsigned long long)failures,
           (unsigned long long)sum.requests, (unsigned long long)sum.answered,
           (unsigned long long)sum.own, (unsigned long long)sum.cut,
           (unsigned long long)sum.aborted, (unsigned long long)sum.faults,
           (unsigned long long)sum.config_changes, (double)sum.virtual_ns / 3.6e12);
    return failures != 0;
}
