/* Token buckets, with every atomic operation a scheduling point: whatever the schedule, admitted is
 * at most burst + rate * time over every span, though takers add first and take back afterwards,
 * their clocks differ, and the rate changes under them. */
#include "tests/explore/explorer.h"

#include "policy/atomic.h"

static uint64_t explored_load(const uint64_t *word)
{
    explorer_step("load", word);
    return acquire_load(word);
}

static uint64_t explored_add(uint64_t *word, uint64_t n)
{
    explorer_step("add", word);
    return fetch_add(word, n);
}

static bool explored_cas(uint64_t *word, uint64_t *expected, uint64_t desired)
{
    explorer_step("compare and exchange", word);
    return cas(word, expected, desired);
}

#undef acquire_load
#define acquire_load explored_load
#define fetch_add    explored_add
#define cas          explored_cas
#define spin_pause   explorer_yield
#include "policy/bucket.c"

enum { ADMITTED_MAX = 32 };

static struct weir_bucket bucket;
static struct weir_rate now_rate;
static int64_t admitted_ns[ADMITTED_MAX];
static unsigned admitted;

static void begin(struct weir_rate rate, int64_t now_ns)
{
    now_rate = rate;
    admitted = 0;
    EXPECT(weir_bucket_init(&bucket, &rate, now_ns) == 0);
}

static void take_at(int64_t now_ns)
{
    if (weir_bucket_take(&bucket, 1, now_ns, NULL) == 0)
        admitted_ns[admitted++] = now_ns;
}

/* Of a bucket whose rate stays. */
static void check_every_span(void)
{
    EXPECT(admitted >= now_rate.burst);
    for (unsigned i = 0; i < admitted; i++) {
        for (unsigned j = 0; j < admitted; j++) {
            int64_t from = admitted_ns[i], to = admitted_ns[j], n = 0;

            for (unsigned k = 0; k < admitted; k++)
                n += admitted_ns[k] >= from && admitted_ns[k] <= to;
            EXPECT(to < from ||
                   (n - now_rate.burst) * now_rate.per_ns <= (to - from) * (int64_t)now_rate.count);
        }
    }
}

/* ---- one token is left at 100, and the excess of who came second is the arrival time at 129 ----
 */

static void begin_one_left(void)
{
    begin((struct weir_rate){.count = 1, .per_ns = 10, .burst = 2}, 0);
    take_at(100);
}

static void take_early(void)
{
    take_at(100);
}

static void take_early_and_late(void)
{
    take_at(100);
    take_at(129);
    take_at(130);
}

static void take_late(void)
{
    take_at(129);
    take_at(129);
    take_at(130);
}

/* ---- the rate changes under those who take ---- */

enum { CHANGE_NS = 1000000 };

static void begin_to_change(void)
{
    begin((struct weir_rate){.count = 1, .per_ns = 1000, .burst = 3}, 0);
    take_at(CHANGE_NS);
}

static void take_twice(void)
{
    take_at(CHANGE_NS);
    take_at(CHANGE_NS);
}

static void stop_refill(void)
{
    EXPECT(weir_bucket_set(&bucket, &(struct weir_rate){.count = 0, .per_ns = 1, .burst = 3},
                           CHANGE_NS) == 0);
}

static void refill_faster(void)
{
    EXPECT(weir_bucket_set(&bucket, &(struct weir_rate){.count = 1, .per_ns = 50, .burst = 3},
                           CHANGE_NS) == 0);
}

/* All at one instant: no rate and no change of it adds to the burst. */
static void check_burst(void)
{
    EXPECT(admitted >= 1 && admitted <= 3);
}

static const struct explorer_case cases[] = {
    {"excess_is_no_arrival_time",
     begin_one_left,
     {take_early, take_early_and_late, take_late},
     check_every_span,
     false,
     2},
    {"last_token",
     begin_one_left,
     {take_early, take_early, take_early},
     check_every_span,
     false,
     3},
    {"refill_ends", begin_to_change, {take_twice, take_twice, stop_refill}, check_burst, false, 3},
    {"refill_is_faster",
     begin_to_change,
     {take_twice, take_twice, refill_faster},
     check_burst,
     false,
     3},
};

int main(int argc, char **argv)
{
    return explorer_main(argc, argv, cases, ARRAY_LEN(cases));
}
