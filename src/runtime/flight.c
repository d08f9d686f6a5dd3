/* Single flight: a table of the calls under way; each runs on a coroutine of its own, so that no
 * caller's end is the end of the call for the others.
 *
 * Only callers touch the table. Whoever leaves a call first after it is done, or last before that,
 * takes it out; so a call that is left alone uses nothing of its flight, which may be gone. */
#include <weir/flight.h>
#include <weir/panic.h>

#include <stdlib.h>

#include "base/map.h"
#include "runtime/explore.h"
#include "runtime/waitq.h"

struct call {
    struct co *co; /* constant, as all up to ret_bytes; runs fn, and has not ended before done */
    uint64_t co_id;
    weir_flight_fn *fn;
    void *arg;
    size_t ret_bytes;

    /* Under the flight's mutex. */
    bool listed;      /* newcomers find it */
    uint32_t callers; /* that wait or are about to */

    struct spinlock lock; /* what follows; result and value are constant once it is done */
    bool done;
    struct waitq queue;
    int result;
    atomic_uint refs;                          /* callers, and the coroutine */
    char value[] __attribute__((aligned(16))); /* ret_bytes, and behind them the key */
};

static const char *key_of(const struct call *c)
{
    return c->value + c->ret_bytes;
}

static void call_unref(struct call *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        free(c);
}

/* ---- the table; under the flight's mutex ---- */

static struct map *table_of(struct weir_flight *f)
{
    struct map *m = f->calls_;
    uint64_t key[2];

    if (m != NULL)
        return m;
    m = malloc(sizeof(*m));
    if (m == NULL)
        return NULL;
    key[0] = runtime_random();
    key[1] = runtime_random();
    map_init(m, key, 0); /* bounded by the number of coroutines */
    f->calls_ = m;
    return m;
}

static void drop_empty_table(struct weir_flight *f)
{
    struct map *m = f->calls_;

    if (m == NULL || m->count > 0)
        return;
    map_done(m);
    free(m);
    f->calls_ = NULL;
}

static void unlist(struct weir_flight *f, struct call *c)
{
    if (!c->listed)
        return;
    c->listed = false;
    map_remove(f->calls_, str_of(key_of(c)));
    drop_empty_table(f);
}

/* ---- the coroutine of a call ---- */

/* Deferred, so that it also runs when fn panics; the result then is what it was set to before. */
static void finish(void *arg)
{
    struct call *c = arg;
    WAKE_LIST(wakes);

    explore_point("flight ends", c);
    spin_lock(&c->lock);
    c->done = true;
    waitq_claim_all(&c->queue, &wakes);
    spin_unlock(&c->lock);
    wake_list_run(&wakes);
    call_unref(c);
}

static void run(void *arg)
{
    struct call *c = arg;

    c->result = -ENOTRECOVERABLE;
    WEIR_DEFER(finish, c);
    c->result = c->fn(c->arg, key_of(c), c->value);
}

/* ---- callers ---- */

static int start(struct weir_flight *f, struct call *c)
{
    struct map *table = table_of(f);
    struct co *self = co_self();
    int r = table != NULL ? map_put(table, str_of(key_of(c)), c) : -ENOMEM;

    if (r < 0)
        return r;
    c->listed = true;
    c->co = spawn(self->m, "flight", (union co_fn){.plain = run}, c, CO_PLAIN);
    if (c->co == NULL) {
        unlist(f, c);
        return -EAGAIN;
    }
    c->co_id = co_id(c->co);
    atomic_store_explicit(&c->refs, 2, memory_order_relaxed); /* it may end before we go on */
    sched_ready_next(self->m, c->co);
    return 0;
}

static bool is_done(struct call *c)
{
    bool done;

    spin_lock(&c->lock);
    done = c->done;
    spin_unlock(&c->lock);
    return done;
}

/* The call for key that is under way, or a new one; one reference more. */
static int join(struct weir_flight *f, const char *key, weir_flight_fn *fn, void *arg,
                size_t ret_bytes, struct call **ret)
{
    size_t key_bytes = strlen(key) + 1;
    struct call *c = f->calls_ != NULL ? map_get(f->calls_, str_of(key)) : NULL;
    int r;

    if (c != NULL && is_done(c)) { /* its callers are about to leave: it is of the past */
        unlist(f, c);
        c = NULL;
    }
    if (c == NULL) {
        c = calloc(1, sizeof(*c) + ret_bytes + key_bytes);
        if (c == NULL)
            return -ENOMEM;
        c->fn = fn;
        c->arg = arg;
        c->ret_bytes = ret_bytes;
        memcpy(c->value + ret_bytes, key, key_bytes);
        r = start(f, c);
        if (r < 0) {
            free(c);
            drop_empty_table(f);
            return r;
        }
    } else if (c->ret_bytes != ret_bytes) {
        return -EINVAL;
    } else {
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    }
    c->callers++;
    *ret = c;
    return 0;
}

static int wait_for(struct weir_flight *f, struct call *c, struct co *co)
{
    struct waiter w;

    spin_lock(&c->lock);
    if (c->done) {
        spin_unlock(&c->lock);
        return 0;
    }
    w.ticket = park_prepare(co, WAIT_FLIGHT, f, 0);
    co->wait_for_id = c->co_id;
    return waitq_wait(&c->queue, &w, co, &c->lock);
}

static void leave(struct weir_flight *f, struct call *c)
{
    bool alone, done;

    weir_mutex_lock(&f->mutex_);
    alone = --c->callers == 0;
    spin_lock(&c->lock);
    done = c->done;
    if (alone && !done)
        scope_doom(c->co);
    spin_unlock(&c->lock);
    if (alone || done)
        unlist(f, c);
    weir_mutex_unlock(&f->mutex_);
}

int weir_flight_do(struct weir_flight *f, const char *key, weir_flight_fn *fn, void *arg, void *ret,
                   size_t ret_bytes)
{
    struct co *co = co_self();
    struct call *c;
    int r;

    ASSERT(co != NULL);
    explore_point("flight", f);
    r = co_check(co);
    if (r < 0)
        return r;
    weir_mutex_lock(&f->mutex_);
    r = join(f, key, fn, arg, ret_bytes, &c);
    weir_mutex_unlock(&f->mutex_);
    if (r < 0)
        return r;
    r = wait_for(f, c, co);
    leave(f, c);
    if (r == 0) {
        r = c->result;
        if (r >= 0 && ret_bytes > 0)
            memcpy(ret, c->value, ret_bytes);
    }
    call_unref(c);
    return r;
}
