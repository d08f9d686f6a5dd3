/* The response cache of a route: see response_cache.h. */
#include "gateway/response_cache.h"

#include "gateway/exchange.h"
#include "gateway/gateway_impl.h"

/* -- the policy -- */

static struct cache_limits limits_of(const struct response_cache_settings *s)
{
    size_t size = (size_t)s->config->size_bytes;

    return (struct cache_limits){size, MIN((size_t)s->config->entry_bytes, size)};
}

static void get_metrics(struct response_cache *r, struct str route)
{
    static const struct str results[CACHE_RESULT_MAX] = {
        {"hit", 3}, {"miss", 4}, {"stale", 5}, {"revalidated", 11}, {"bypass", 6}};

    for (int i = 0; i < CACHE_RESULT_MAX; i++)
        r->requests[i] = metric_get2(METRIC_CACHE_REQUESTS, route, results[i]);
    r->stored = metric_get1(METRIC_CACHE_STORED, route);
    r->evicted = metric_get1(METRIC_CACHE_EVICTED, route);
    r->bytes = metric_get1(METRIC_CACHE_BYTES, route);
    r->entries = metric_get1(METRIC_CACHE_ENTRIES, route);
}

static int init(struct policy *p, const void *settings)
{
    struct response_cache *r = (struct response_cache *)p;
    const struct response_cache_settings *s = settings;
    const struct cache_limits limits = limits_of(s);
    const uint64_t key[2] = {(uint64_t)runtime_random(), (uint64_t)runtime_random()};
    int rc = cache_init(&r->cache, key, &limits);

    if (rc == 0)
        get_metrics(r, s->route);
    return rc;
}

static void done(struct policy *p)
{
    struct response_cache *r = (struct response_cache *)p;

    cache_done(&r->cache);
    for (int i = 0; i < CACHE_RESULT_MAX; i++)
        metric_put(r->requests[i]);
    metric_put(r->stored);
    metric_put(r->evicted);
    metric_put(r->bytes);
    metric_put(r->entries);
}

static void configure(struct policy *p, const void *settings)
{
    struct response_cache *r = (struct response_cache *)p;
    const struct cache_limits limits = limits_of(settings);

    cache_set_limits(&r->cache, &limits);
}

static void tell_size(struct response_cache *r)
{
    metric_set(r->bytes, (int64_t)atomic_load_explicit(&r->cache.bytes, memory_order_relaxed));
    metric_set(r->entries, (int64_t)atomic_load_explicit(&r->cache.count, memory_order_relaxed));
    metric_set(r->evicted,
               (int64_t)atomic_load_explicit(&r->cache.evicted_total, memory_order_relaxed));
}

static void write_state(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    struct response_cache *r = (struct response_cache *)p;

    policy_put_count(w, "entries", atomic_load_explicit(&r->cache.count, memory_order_relaxed));
    policy_put_count(w, "bytes", atomic_load_explicit(&r->cache.bytes, memory_order_relaxed));
    policy_put_count(w, "hits", (uint64_t)metric_value(r->requests[CACHE_HIT]));
    policy_put_count(w, "misses", (uint64_t)metric_value(r->requests[CACHE_MISS]));
    policy_put_count(w, "stale", (uint64_t)metric_value(r->requests[CACHE_STALE]));
    policy_put_count(w, "revalidated", (uint64_t)metric_value(r->requests[CACHE_REVALIDATED]));
    policy_put_count(w, "bypassed", (uint64_t)metric_value(r->requests[CACHE_BYPASS]));
    policy_put_count(w, "stored", (uint64_t)metric_value(r->stored));
    policy_put_count(w, "evicted",
                     atomic_load_explicit(&r->cache.evicted_total, memory_order_relaxed));
}

/* Reset forgets all answers; disabled, every request passes by. */
static void operate(struct policy *p, enum policy_action action, int64_t now_ns)
{
    struct response_cache *r = (struct response_cache *)p;

    if (action == POLICY_RESET) {
        cache_clear(&r->cache);
        tell_size(r);
    }
}

const struct policy_class response_cache_class = {
    .kind = "response_cache",
    .size = sizeof(struct response_cache),
    .init = init,
    .done = done,
    .configure = configure,
    .write_state = write_state,
    .operate = operate,
    .actions = 1u << POLICY_RESET | 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

/* -- one exchange -- */

bool response_cache_put(struct response_cache *r, struct cache_entry *e)
{
    bool stored = cache_put(&r->cache, e);

    if (stored)
        metric_inc(r->stored);
    tell_size(r);
    return stored;
}

void response_cache_land(struct cache_use *use, bool stored)
{
    struct cache_flight *f = TAKE(use->flight);

    if (f != NULL)
        cache_land(&use->store->cache, f, stored);
}

void response_cache_forget(struct cache_use *use)
{
    cache_entry_unref(TAKE(use->filling));
    cache_body_unref(TAKE(use->body));
}

/* Stored as soon as it is here, before its last piece is with a client that may be slow. */
void response_cache_take(struct exchange *x, struct str piece, bool last)
{
    struct cache_use *use = x->cache;
    size_t max;

    if (use->filling == NULL)
        return;
    max = atomic_load_explicit(&use->store->cache.entry_bytes_max, memory_order_relaxed);
    if (!cache_body_add(&use->body, piece, max)) {
        response_cache_forget(use);
        cache_pass(&use->store->cache, use->hash, weir_now());
        response_cache_land(use, false);
    } else if (last) {
        bool stored;

        cache_entry_complete(use->filling, TAKE(use->body));
        stored = response_cache_put(use->store, use->filling);
        response_cache_forget(use);
        response_cache_land(use, stored);
    }
}

void response_cache_leave(struct exchange *x)
{
    struct cache_use *use = TAKE(x->cache);

    if (use == NULL)
        return;
    response_cache_forget(use);
    response_cache_land(use, false);
    cache_entry_unref(TAKE(use->entry));
}
