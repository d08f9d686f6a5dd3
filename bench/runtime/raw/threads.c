/* What the tests cost with POSIX threads, which programs in C have without a library. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

#include "runtime/meter.h"
#include "runtime/raw/tests.h"

enum { BUFFER = 128, CROWD = 8, WRITE_EVERY = 20 };

/* Runs fn(arg + i * size) on n threads and waits for them. */
static void together(unsigned n, void *(*fn)(void *arg), void *arg, size_t size)
{
    pthread_t threads[64];

    meter_expect(n <= 64, "at most 64 threads");
    for (unsigned i = 0; i < n; i++)
        meter_expect(pthread_create(&threads[i], NULL, fn, (char *)arg + i * size) == 0, "thread");
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

/* ---- switch ---- */

static void *yield_many(void *arg)
{
    for (uint64_t n = *(uint64_t *)arg; n > 0; n--)
        sched_yield();
    return NULL;
}

void test_switch(uint64_t count, unsigned workers)
{
    uint64_t each = count / (2 * workers);
    struct meter m = meter_begin();

    together(2 * workers, yield_many, &each, 0);
    meter_print(meter_end(m), each * 2 * workers, "");
}

/* ---- spawn and join ---- */

static void *nothing(void *arg)
{
    return NULL;
}

static void *spawn_many(void *arg)
{
    for (uint64_t n = *(uint64_t *)arg; n > 0; n--)
        together(1, nothing, NULL, 0);
    return NULL;
}

void test_spawn(uint64_t count, unsigned workers)
{
    uint64_t each = count / workers;
    struct meter m = meter_begin();

    together(workers, spawn_many, &each, 0);
    meter_print(meter_end(m), each * workers, "");
}

/* ---- ping-pong: a pair of semaphores ---- */

struct table {
    sem_t there, back;
    uint64_t count;
    int64_t ball;
};

static void *return_balls(void *arg)
{
    struct table *t = arg;

    for (uint64_t n = t->count; n > 0; n--) {
        sem_wait(&t->there);
        sem_post(&t->back);
    }
    return NULL;
}

static void *play(void *arg)
{
    struct table t = {.count = *(uint64_t *)arg};
    pthread_t other;

    sem_init(&t.there, 0, 0);
    sem_init(&t.back, 0, 0);
    meter_expect(pthread_create(&other, NULL, return_balls, &t) == 0, "thread");
    for (int64_t i = 0; i < (int64_t)t.count; i++) {
        t.ball = i;
        sem_post(&t.there);
        sem_wait(&t.back);
        meter_expect(t.ball == i, "the ball that came back");
    }
    pthread_join(other, NULL);
    return NULL;
}

void test_pingpong(uint64_t count, unsigned workers)
{
    uint64_t each = count / workers;
    struct meter m = meter_begin();

    together(workers, play, &each, 0);
    meter_print(meter_end(m), each * workers, "");
}

/* ---- buffered channel: a ring, a mutex, two conditions ---- */

struct ring {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    unsigned head, len;
    unsigned pairs;
    uint64_t each, sum;
    int64_t slots[BUFFER];
};

static void ring_init(struct ring *r, uint64_t each, unsigned pairs)
{
    *r = (struct ring){.each = each, .pairs = pairs};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->filled, NULL);
    pthread_cond_init(&r->emptied, NULL);
}

static void *produce(void *arg)
{
    struct ring *r = arg;

    for (int64_t i = 0; i < (int64_t)r->each; i++) {
        pthread_mutex_lock(&r->lock);
        while (r->len == BUFFER)
            pthread_cond_wait(&r->emptied, &r->lock);
        r->slots[(r->head + r->len++) % BUFFER] = i;
        pthread_mutex_unlock(&r->lock);
        pthread_cond_signal(&r->filled);
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct ring *r = arg;
    uint64_t sum = 0;

    for (uint64_t n = r->each; n > 0; n--) {
        pthread_mutex_lock(&r->lock);
        while (r->len == 0)
            pthread_cond_wait(&r->filled, &r->lock);
        sum += (uint64_t)r->slots[r->head];
        r->head = (r->head + 1) % BUFFER;
        r->len--;
        pthread_mutex_unlock(&r->lock);
        pthread_cond_signal(&r->emptied);
    }
    pthread_mutex_lock(&r->lock);
    r->sum += sum;
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void *produce_all(void *arg)
{
    together(((struct ring *)arg)->pairs, produce, arg, 0);
    return NULL;
}

static void pass_through(struct ring *r)
{
    pthread_t producers;

    meter_expect(pthread_create(&producers, NULL, produce_all, r) == 0, "thread");
    together(r->pairs, consume, r, 0);
    pthread_join(producers, NULL);
    meter_expect(r->sum == r->pairs * (r->each * (r->each - 1) / 2), "the sum received");
}

static void *pass_one_to_one(void *arg)
{
    struct ring r;

    ring_init(&r, *(uint64_t *)arg, 1);
    pass_through(&r);
    return NULL;
}

void test_chan11(uint64_t count, unsigned workers)
{
    uint64_t each = count / workers;
    struct meter m = meter_begin();

    together(workers, pass_one_to_one, &each, 0);
    meter_print(meter_end(m), each * workers, "");
}

void test_chan88(uint64_t count, unsigned workers)
{
    struct meter m = meter_begin();
    struct ring r;

    ring_init(&r, count / CROWD, CROWD);
    pass_through(&r);
    meter_print(meter_end(m), count / CROWD * CROWD, "");
}

/* ---- locks ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static uint64_t counter;

static void *increment(void *arg)
{
    for (uint64_t n = *(uint64_t *)arg; n > 0; n--) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

void test_mutex(uint64_t count, unsigned workers)
{
    uint64_t each = count / CROWD;
    struct meter m = meter_begin();

    together(CROWD, increment, &each, 0);
    m = meter_end(m);
    meter_expect(counter == each * CROWD, "the counter under the mutex");
    meter_print(m, counter, "");
}

static void *read_mostly(void *arg)
{
    uint64_t seen = 0;

    for (uint64_t n = *(uint64_t *)arg; n > 0; n--) {
        if (n % WRITE_EVERY == 0) {
            pthread_rwlock_wrlock(&rwlock);
            counter++;
        } else {
            pthread_rwlock_rdlock(&rwlock);
            meter_expect(counter >= seen, "the counter read");
            seen = counter;
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return NULL;
}

void test_rwmutex(uint64_t count, unsigned workers)
{
    uint64_t each = count / CROWD;
    struct meter m = meter_begin();

    together(CROWD, read_mostly, &each, 0);
    m = meter_end(m);
    meter_expect(counter == each / WRITE_EVERY * CROWD, "the counter under the rwlock");
    meter_print(m, each * CROWD, "");
}
