/* Eight coroutines and one lock. */
#include <weir/scope.h>
#include <weir/sync.h>

#include "runtime/meter.h"
#include "runtime/weir/tests.h"

enum { CROWD = 8, WRITE_EVERY = 20 };

static struct weir_mutex mutex;
static struct weir_rwmutex rwmutex;
static uint64_t counter;

static void increment(void *arg)
{
    for (uint64_t n = *(uint64_t *)arg; n > 0; n--) {
        weir_mutex_lock(&mutex);
        counter++;
        weir_mutex_unlock(&mutex);
    }
}

void test_mutex(uint64_t count, unsigned workers)
{
    uint64_t each = count / CROWD;
    struct meter m = meter_begin();

    WEIR_SCOPE (s) {
        for (int i = 0; i < CROWD; i++)
            weir_scope_go(s, "contender", increment, &each);
    }
    m = meter_end(m);
    meter_expect(counter == each * CROWD, "the counter under the mutex");
    meter_print(m, counter, "");
}

static void read_mostly(void *arg)
{
    uint64_t seen = 0;

    for (uint64_t n = *(uint64_t *)arg; n > 0; n--) {
        if (n % WRITE_EVERY == 0) {
            weir_rwmutex_lock(&rwmutex);
            counter++;
            weir_rwmutex_unlock(&rwmutex);
        } else {
            weir_rwmutex_read_lock(&rwmutex);
            meter_expect(counter >= seen, "the counter read");
            seen = counter;
            weir_rwmutex_read_unlock(&rwmutex);
        }
    }
}

void test_rwmutex(uint64_t count, unsigned workers)
{
    uint64_t each = count / CROWD;
    struct meter m = meter_begin();

    WEIR_SCOPE (s) {
        for (int i = 0; i < CROWD; i++)
            weir_scope_go(s, "contender", read_mostly, &each);
    }
    m = meter_end(m);
    meter_expect(counter == each / WRITE_EVERY * CROWD, "the counter under the rwmutex");
    meter_print(m, each * CROWD, "");
}
