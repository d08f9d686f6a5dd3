/* Limits by key: each key alone, all keys at once, more keys than there is room for. */
#include "unit/policy/setup.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <weir/keyed.h>

#include "base/base.h"

#define MS  NS_PER_MS
#define SEC NS_PER_SEC

static const uint64_t secret[2] = {1, 2};
static const struct weir_rate ten_per_second = {.count = 10, .per_ns = SEC, .burst = 10};

static struct weir_keyed *begin(uint32_t keys, const struct weir_rate *rate, void **ret_memory)
{
    size_t bytes = (weir_keyed_bytes(keys) + 63) / 64 * 64;
    struct weir_keyed *k;

    *ret_memory = aligned_alloc(64, bytes);
    assert_non_null(*ret_memory);
    assert_int_equal(weir_keyed_init(*ret_memory, keys, rate, secret, 0, &k), 0);
    return k;
}

static int take(struct weir_keyed *k, uint32_t key, int64_t t)
{
    return weir_keyed_take(k, &key, sizeof(key), 1, t, NULL);
}

static void each_key_has_a_bucket_of_its_own(void **state)
{
    void *memory;
    struct weir_keyed *k = begin(100, &ten_per_second, &memory);
    int64_t retry_after;

    for (int i = 0; i < 10; i++)
        for (uint32_t key = 0; key < 100; key++)
            assert_int_equal(take(k, key, 0), 0);
    for (uint32_t key = 0; key < 100; key++) {
        assert_int_equal(weir_keyed_take(k, &key, sizeof(key), 1, 0, &retry_after), -EAGAIN);
        assert_int_equal(retry_after, 100 * MS);
        assert_int_equal(take(k, key, 100 * MS), 0);
        assert_int_equal(take(k, key, 100 * MS), -EAGAIN);
    }
    free(memory);
}

/* A million keys, all with a bucket that is not full, in 24 MiB: none is forgotten. */
static void a_million_keys_are_exact_in_24_mib(void **state)
{
    struct weir_rate slow = {.count = 1, .per_ns = 3600 * SEC, .burst = 2};
    void *memory;
    struct weir_keyed *k = begin(1000000, &slow, &memory);

    assert_true(weir_keyed_bytes(1000000) <= 24 * 1024 * 1024);
    for (int i = 0; i < 3; i++)
        for (uint32_t key = 0; key < 1000000; key++)
            assert_int_equal(take(k, key, i), i < 2 ? 0 : -EAGAIN);
    assert_int_equal(weir_keyed_evicted(k), 0);
    free(memory);
}

static void keys_whose_buckets_are_full_again_take_no_room(void **state)
{
    void *memory;
    struct weir_keyed *k = begin(1000, &ten_per_second, &memory);

    for (uint32_t key = 0; key < 1000000; key++)
        assert_int_equal(take(k, key, key * MS), 0); /* full again after 100 ms */
    assert_int_equal(weir_keyed_evicted(k), 0);
    free(memory);
}

static void a_flood_of_keys_is_bounded_and_counted(void **state)
{
    void *memory;
    struct weir_keyed *k = begin(1000, &ten_per_second, &memory);

    for (uint32_t key = 0; key < 100000; key++)
        assert_int_equal(take(k, key, 0), 0);
    assert_true(weir_keyed_evicted(k) > 90000);
    free(memory);
}

static void a_new_rate_holds_for_old_keys(void **state)
{
    struct weir_rate twice = {.count = 20, .per_ns = SEC, .burst = 20};
    void *memory;
    struct weir_keyed *k = begin(100, &ten_per_second, &memory);

    for (int i = 0; i < 10; i++)
        assert_int_equal(take(k, 7, 0), 0);
    assert_int_equal(weir_keyed_set(k, &twice), 0);
    assert_int_equal(take(k, 7, 0), -EAGAIN); /* what was used stays used */
    for (int i = 0; i < 20; i++)
        assert_int_equal(take(k, 7, SEC), 0);
    assert_int_equal(take(k, 7, SEC), -EAGAIN);
    free(memory);
}

static void *hammer(void *arg)
{
    uint64_t admitted = 0;

    for (uint32_t i = 0; i < 200000; i++)
        admitted += take(arg, i % 100, 0) == 0;
    return (void *)admitted;
}

static void threads_share_a_key_exactly(void **state)
{
    void *memory, *admitted;
    struct weir_keyed *k = begin(100, &ten_per_second, &memory);
    uint64_t sum = 0;
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, k), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &admitted);
        sum += (uint64_t)admitted;
    }
    assert_int_equal(sum, 1000);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_has_a_bucket_of_its_own),
        cmocka_unit_test(a_million_keys_are_exact_in_24_mib),
        cmocka_unit_test(keys_whose_buckets_are_full_again_take_no_room),
        cmocka_unit_test(a_flood_of_keys_is_bounded_and_counted),
        cmocka_unit_test(a_new_rate_holds_for_old_keys),
        cmocka_unit_test(threads_share_a_key_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
