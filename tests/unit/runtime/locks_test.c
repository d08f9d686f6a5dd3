/* Readers and writers, condition, semaphore. */
#include <stdatomic.h>

#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

#define LOOPS(n) ((n) / SLOWER + 2)

/* ---- readers and writers ---- */

struct shelf {
    struct weir_rwmutex m;
    long a, b; /* equal whenever nobody writes */
    atomic_int readers, entered;
    atomic_bool writing;
    bool parks; /* inside, too */
};

static void read_and_write(void *arg)
{
    struct shelf *s = arg;

    for (int i = 0; i < LOOPS(2000); i++) {
        if (runtime_random() % 8 == 0) {
            weir_rwmutex_lock(&s->m);
            CHECK(!atomic_exchange(&s->writing, true));
            CHECK_EQ(s->readers, 0);
            s->a++;
            if (s->parks && i % 16 == 0)
                weir_yield();
            s->b++;
            atomic_store(&s->writing, false);
            weir_rwmutex_unlock(&s->m);
        } else {
            weir_rwmutex_read_lock(&s->m);
            atomic_fetch_add(&s->readers, 1);
            CHECK(!s->writing);
            CHECK_EQ(s->a, s->b);
            if (s->parks && i % 16 == 0)
                weir_yield();
            CHECK_EQ(s->a, s->b);
            atomic_fetch_sub(&s->readers, 1);
            weir_rwmutex_read_unlock(&s->m);
        }
        if (i % 8 == 0)
            weir_yield();
    }
}

static int use_shelf(void *arg)
{
    struct shelf shelf = {.parks = *(bool *)arg};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            weir_scope_go(s, "user", read_and_write, &shelf);
    }
    CHECK(weir_rwmutex_try_lock(&shelf.m)); /* all have left */
    CHECK(!weir_rwmutex_try_lock(&shelf.m));
    CHECK(!weir_rwmutex_try_read_lock(&shelf.m));
    weir_rwmutex_unlock(&shelf.m);
    CHECK(weir_rwmutex_try_read_lock(&shelf.m));
    CHECK(weir_rwmutex_try_read_lock(&shelf.m));
    CHECK(!weir_rwmutex_try_lock(&shelf.m));
    weir_rwmutex_read_unlock(&shelf.m);
    weir_rwmutex_read_unlock(&shelf.m);
    CHECK(weir_rwmutex_try_lock(&shelf.m));
    weir_rwmutex_unlock(&shelf.m);
    return 0;
}

static void writers_exclude_everybody(void)
{
    run_on_all(use_shelf, &(bool){false});
    run_on_all(use_shelf, &(bool){true});
}

enum { READERS = 5 };

static void read_together(void *arg)
{
    struct shelf *s = arg;

    weir_rwmutex_read_lock(&s->m);
    atomic_fetch_add(&s->entered, 1);
    WAIT_UNTIL(s->entered == READERS); /* nobody leaves before */
    weir_rwmutex_read_unlock(&s->m);
}

static void write_once(void *arg)
{
    struct shelf *s = arg;

    weir_rwmutex_lock(&s->m);
    s->a = ++s->b;
    weir_rwmutex_unlock(&s->m);
}

static int order_of_entry(void *arg)
{
    struct shelf shelf = {.a = 0};

    WEIR_SCOPE (s) {
        weir_rwmutex_read_lock(&shelf.m);
        weir_scope_go(s, "writer", write_once, &shelf);
        settle();
        CHECK(!weir_rwmutex_try_read_lock(&shelf.m)); /* a writer waits */
        for (int i = 0; i < READERS; i++)
            weir_scope_go(s, "reader", read_together, &shelf);
        settle();
        CHECK_EQ(shelf.entered, 0);
        CHECK_EQ(shelf.b, 0);
        weir_rwmutex_read_unlock(&shelf.m); /* the writer, then all readers at once */
        weir_scope_go(s, "writer", write_once, &shelf);
    }
    CHECK_EQ(shelf.entered, READERS);
    CHECK_EQ(shelf.b, 2);
    return 0;
}

static void waiting_writer_holds_up_new_readers_who_then_enter_together(void)
{
    run_on_all(order_of_entry, NULL);
}

/* ---- condition ---- */

struct box {
    struct weir_mutex m;
    struct weir_cond filled, emptied;
    bool full;
    long value, sum;
    int producers;
};

static void put_values(void *arg)
{
    struct box *b = arg;

    for (int i = 1; i <= LOOPS(1000); i++) {
        weir_mutex_lock(&b->m);
        while (b->full)
            CHECK_EQ(weir_cond_wait(&b->emptied, &b->m), 0);
        b->full = true;
        b->value = i;
        weir_mutex_unlock(&b->m);
        weir_cond_signal(&b->filled);
    }
    weir_mutex_lock(&b->m);
    b->producers--;
    weir_cond_broadcast(&b->filled);
    weir_mutex_unlock(&b->m);
}

static void take_values(void *arg)
{
    struct box *b = arg;

    weir_mutex_lock(&b->m);
    for (;;) {
        while (!b->full && b->producers > 0)
            CHECK_EQ(weir_cond_wait(&b->filled, &b->m), 0);
        if (!b->full)
            break;
        b->full = false;
        b->sum += b->value;
        weir_cond_signal(&b->emptied);
    }
    weir_mutex_unlock(&b->m);
}

static int use_box(void *arg)
{
    struct box b = {.producers = 3};
    long n = LOOPS(1000);

    WEIR_SCOPE (s) {
        for (int i = 0; i < 3; i++) {
            weir_scope_go(s, "producer", put_values, &b);
            weir_scope_go(s, "consumer", take_values, &b);
        }
    }
    CHECK_EQ(b.sum, 3 * n * (n + 1) / 2);
    return 0;
}

static void no_signal_is_lost(void)
{
    run_on_all(use_box, NULL);
}

struct gate {
    struct weir_mutex m;
    struct weir_cond c;
    bool open;
    atomic_int waiting, through, late;
};

static void wait_at_gate(void *arg)
{
    struct gate *g = arg;
    int r = 0;

    WEIR_DEADLINE (weir_now() + (int64_t)(runtime_random() % 400) * WEIR_US) {
        weir_mutex_lock(&g->m);
        while (!g->open && r == 0)
            r = weir_cond_wait(&g->c, &g->m);
        if (r == 0)
            g->open = false; /* one passes for each opening */
        CHECK(!weir_mutex_try_lock(&g->m));
        weir_mutex_unlock(&g->m);
    }
    CHECK(r == 0 || r == -ETIMEDOUT);
    atomic_fetch_add(r == 0 ? &g->through : &g->late, 1);
}

/* A signal never goes to one that gives up while another waits: who opens the gate after all but
 * the patient one have left, or while they leave, lets somebody through. */
static int signal_among_leavers(void *arg)
{
    for (int round = 0; round < LOOPS(100); round++) {
        struct gate g = {.open = false};

        WEIR_SCOPE (s) {
            for (int i = 0; i < 6; i++)
                weir_scope_go(s, "hasty", wait_at_gate, &g);
            weir_sleep(round % 8 * 50 * WEIR_US);
            weir_mutex_lock(&g.m);
            g.open = true;
            weir_cond_signal(&g.c);
            weir_mutex_unlock(&g.m);
        }
        CHECK_EQ(g.through + g.late, 6);
        CHECK_EQ(g.through, !g.open);
    }
    return 0;
}

static void wait_forever(void *arg)
{
    struct gate *g = arg;

    weir_mutex_lock(&g->m);
    g->waiting++;
    while (!g->open)
        CHECK_EQ(weir_cond_wait(&g->c, &g->m), 0);
    g->through++;
    weir_mutex_unlock(&g->m);
}

static int signal_past_leavers(void *arg)
{
    struct gate g = {.open = false};

    WEIR_SCOPE (s) {
        WEIR_SCOPE (hasty) {
            for (int i = 0; i < 5; i++)
                weir_scope_go(hasty, "cancelled", wait_at_gate, &g);
            weir_scope_go(s, "patient", wait_forever, &g);
            settle();
        }
        weir_mutex_lock(&g.m);
        g.open = true;
        weir_mutex_unlock(&g.m);
        weir_cond_signal(&g.c);
    }
    CHECK_EQ(g.through, 1);
    return 0;
}

static void signals_go_to_those_who_still_wait(void)
{
    run_on_all(signal_among_leavers, NULL);
    run_on_all(signal_past_leavers, NULL);
}

/* ---- semaphore ---- */

struct lot {
    struct weir_semaphore free;
    atomic_long inside;
    atomic_int entered, gave_up;
};

enum { PLACES = 5 };

static void park_cars(void *arg)
{
    struct lot *l = arg;

    for (int i = 0; i < LOOPS(1000); i++) {
        uint32_t n = 1 + (uint32_t)(runtime_random() % 3);
        int r = 0;

        WEIR_DEADLINE (i % 4 != 0 ? INT64_MAX : weir_now() + 30 * WEIR_US) {
            r = weir_semaphore_acquire(&l->free, n);
        }
        if (r == 0) {
            CHECK(atomic_fetch_add(&l->inside, n) + n <= PLACES);
            atomic_fetch_add(&l->entered, 1);
            if (i % 4 == 0)
                weir_yield();
            atomic_fetch_sub(&l->inside, n);
            weir_semaphore_release(&l->free, n);
        } else {
            CHECK_EQ(r, -ETIMEDOUT);
            atomic_fetch_add(&l->gave_up, 1);
        }
    }
}

static int use_lot(void *arg)
{
    struct lot l = {.free = WEIR_SEMAPHORE(PLACES)};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            weir_scope_go(s, "driver", park_cars, &l);
    }
    CHECK_EQ(l.entered + l.gave_up, 8 * LOOPS(1000));
    CHECK_EQ(weir_semaphore_available(&l.free), PLACES);
    CHECK(weir_semaphore_try_acquire(&l.free, PLACES));
    CHECK(!weir_semaphore_try_acquire(&l.free, 1));
    return 0;
}

static void units_are_neither_lost_nor_made(void)
{
    run_on_all(use_lot, NULL);
}

struct request {
    struct weir_semaphore *s;
    uint32_t n;
    int result;
    atomic_int *order;
    int place;
};

static void take_units(void *arg)
{
    struct request *q = arg;

    q->result = weir_semaphore_acquire(q->s, q->n);
    q->place = atomic_fetch_add(q->order, 1);
}

static int large_before_small(void *arg)
{
    struct weir_semaphore sem = {0};
    atomic_int order = 0;
    struct request large = {&sem, 4, 1, &order, -1}, small = {&sem, 1, 1, &order, -1};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "large", take_units, &large);
        settle();
        weir_scope_go(s, "small", take_units, &small);
        settle();
        weir_semaphore_release(&sem, 3);
        settle();
        CHECK_EQ(order, 0);                          /* the small one could, but does not */
        CHECK(!weir_semaphore_try_acquire(&sem, 1)); /* nor does anybody else */
        weir_semaphore_release(&sem, 1);
        settle();
        CHECK_EQ(large.place, 0);
        CHECK_EQ(order, 1);
        weir_semaphore_release(&sem, 1);
    }
    CHECK(large.result == 0 && small.result == 0);
    CHECK_EQ(weir_semaphore_available(&sem), 0);
    return 0;
}

static int cancelled_makes_way(void *arg)
{
    struct weir_semaphore sem = WEIR_SEMAPHORE(1);
    atomic_int order = 0;
    struct request large = {&sem, 4, 1, &order, -1}, small = {&sem, 1, 1, &order, -1};

    WEIR_SCOPE (s) {
        WEIR_SCOPE (inner) {
            weir_scope_go(inner, "large", take_units, &large);
            settle();
            weir_scope_go(s, "small", take_units, &small);
            settle();
            CHECK_EQ(order, 0);
            weir_scope_cancel(inner);
        }
        CHECK_EQ(large.result, -ECANCELED);
    }
    CHECK_EQ(small.result, 0);
    return 0;
}

static void semaphore_serves_in_order(void)
{
    run_on_all(large_before_small, NULL);
    run_on_all(cancelled_makes_way, NULL);
}

static const struct test tests[] = {
    TEST(writers_exclude_everybody),
    TEST(waiting_writer_holds_up_new_readers_who_then_enter_together),
    TEST(no_signal_is_lost),
    TEST(signals_go_to_those_who_still_wait),
    TEST(units_are_neither_lost_nor_made),
    TEST(semaphore_serves_in_order),
};
RUN_TESTS(tests)
