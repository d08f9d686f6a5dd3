/* Sums kept on a cache line per processor. */
#include <weir/counter.h>

#include "runtime/here.h"

void weir_tally_add(struct weir_tally *t, int64_t n)
{
    unsigned shard = here_processor() % WEIR_TALLY_SHARDS;

    __atomic_fetch_add(&t->shards_[shard].value_, n, __ATOMIC_RELAXED);
}

int64_t weir_tally_sum(const struct weir_tally *t)
{
    int64_t sum = 0;

    for (int i = 0; i < WEIR_TALLY_SHARDS; i++)
        sum += __atomic_load_n(&t->shards_[i].value_, __ATOMIC_RELAXED);
    return sum;
}
