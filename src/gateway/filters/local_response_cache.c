/* LocalResponseCache: answers from what is stored, stores what may be stored (RFC 9111), and
 * answers with what is past its time while it is fetched anew, or when that fails (RFC 5861). What
 * it did stands in Cache-Status (RFC 9211). */
#include "base/duration.h"
#include "gateway/again.h"
#include "gateway/attempt.h"
#include "gateway/cache_refresh.h"
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
#include "gateway/response_cache.h"
#include "runtime/here.h"

/* Who waits for another one's answer waits no longer than half of the time it has, or so long. */
#define WAIT_MAX_NS (5 * NS_PER_SEC)

int local_response_cache_make(const struct filter_maker *m, struct filter_settings *s,
                              const char **ret_why)
{
    struct response_cache_settings *own = arena_zalloc(m->arena, sizeof(*own));

    if (own == NULL)
        return -ENOMEM;
    own->config = s->config->response_cache;
    own->route = m->route->id;
    return policy_use(m->uses, &response_cache_class, filter_policy_id(m, s->config), 0, own,
                      &s->policy);
}

static void tell(struct exchange *x, const char *status)
{
    (void)http_head_add(&x->response, STR("Cache-Status"), str_of(status));
}

static void count(struct cache_use *use, enum cache_result result)
{
    if (!use->background)
        metric_inc(use->store->requests[result]);
}

/* -- the key: host, port, path and query, whatever the method -- */

static struct str make_key(struct exchange *x)
{
    size_t cap = x->host.len + x->path.len + x->query.len + 16;
    char *mem = arena_alloc(&x->arena, cap);
    struct buf out = buf_on(mem, mem != NULL ? cap : 0);

    buf_puts(&out, x->host);
    buf_putc(&out, ':');
    buf_put_u64(&out, x->port);
    buf_puts(&out, x->path);
    if (x->query.ptr != NULL) {
        buf_putc(&out, '?');
        buf_puts(&out, x->query);
    }
    return out.overflow ? STR_NULL : buf_str(&out);
}

static struct cache_use *begin_use(struct exchange *x, const struct filter_settings *s)
{
    struct cache_use *use = arena_zalloc(&x->arena, sizeof(*use));

    if (use == NULL)
        return NULL;
    use->store = (struct response_cache *)s->policy;
    use->config = s->config->response_cache;
    use->key = make_key(x);
    if (use->key.ptr == NULL)
        return NULL;
    use->hash = cache_hash(&use->store->cache, use->key);
    x->cache = use;
    return use;
}

/* -- answering from the store -- */

/* "weir; hit; ttl=12", "weir; fwd=stale; fwd-status=304; ttl=60" */
static const char *status_text(struct exchange *x, const char *what, int64_t ttl_sec)
{
    char *text = arena_printf(&x->arena, "weir; %s; ttl=%lld", what, (long long)ttl_sec);

    return text != NULL ? text : "weir; hit";
}

static void add_age(struct exchange *x, int64_t age_sec)
{
    char *text = arena_printf(&x->arena, "%lld", (long long)age_sec);

    if (text != NULL)
        (void)http_head_add(&x->response, STR("Age"), str_of(text));
}

/* The entry's reference stays with the exchange, whose response points into it. */
static void answer(struct exchange *x, const char *what, bool not_modified)
{
    const struct cache_entry *e = x->cache->entry;
    int64_t age_sec = cache_entry_age_sec(e, here_now_ns());

    x->cause = CAUSE_NONE;
    x->fallback_due = false; /* what is stored goes before another route */
    exchange_answer(x, e->status, str_n(e->body->data, e->body->len));
    memcpy(x->response.fields, e->fields, e->field_count * sizeof(*e->fields));
    x->response.field_count = e->field_count;
    x->response.seen = e->seen;
    if (not_modified) {
        x->response.status = 304;
        x->own_body = STR("");
    }
    add_age(x, age_sec);
    tell(x, status_text(x, what, e->freshness.lifetime_sec - age_sec));
}

static bool has_it(struct exchange *x, const struct http_caching *request)
{
    const struct cache_entry *e = x->cache->entry;

    return request->conditional && e->status == 200 &&
           http_not_modified(&x->request, e->etag, e->last_modified,
                             world_wall_ns(runtime_world()) / NS_PER_SEC);
}

/* -- asking -- */

struct asking {
    struct http_caching request;
    bool not_modified; /* the client has what is stored */
    bool validating;   /* with our conditions in place of the client's */
    bool key_known;
    bool joined; /* has waited for somebody else's answer */
    int64_t asked_sec;
};

static int64_t wall_sec(void)
{
    return world_wall_ns(runtime_world()) / NS_PER_SEC;
}

/* Asks whether what is stored is still good. */
static void add_conditions(struct exchange *x, struct asking *a)
{
    const struct cache_entry *e = x->cache->entry;

    if (e == NULL || x->request.method != HTTP_GET ||
        (e->etag.len == 0 && e->last_modified.len == 0))
        return;
    a->validating = true;
    (void)http_head_drop(&x->request, STR("If-None-Match"));
    (void)http_head_drop(&x->request, STR("If-Modified-Since"));
    if (e->etag.len != 0)
        (void)http_head_add(&x->request, STR("If-None-Match"), arena_str(&x->arena, e->etag));
    if (e->last_modified.len != 0)
        (void)http_head_add(&x->request, STR("If-Modified-Since"),
                            arena_str(&x->arena, e->last_modified));
}

static enum http_store_verdict judge(struct exchange *x, const struct asking *a,
                                     struct http_freshness *ret)
{
    int64_t default_ns = x->cache->config->ttl_ns;
    struct http_caching response;
    struct http_store_query q = {
        .method = x->request.method,
        .request = &a->request,
        .response = &response,
        .status = x->response.status,
        .asked_sec = a->asked_sec,
        .answered_sec = wall_sec(),
        .default_sec = default_ns > 0 ? default_ns / NS_PER_SEC : HTTP_NO_SECONDS,
        .limit_sec = default_ns > 0 ? default_ns / NS_PER_SEC : HTTP_NO_SECONDS,
    };

    http_caching_read(&x->response, &response);
    return http_may_store(&q, ret);
}

/* The stored head with what the 304 says newly (RFC 9111 section 3.2), in x->response. What
 * describes the stored body stays. */
static void merge_stored(struct exchange *x, const struct cache_entry *e)
{
    struct http_head *h = &x->response;
    uint32_t newer = h->field_count;

    http_head_drop_ids(h, HTTP_F_BIT(HTTP_F_CONTENT_TYPE));
    (void)http_head_drop(h, STR("Content-Encoding"));
    (void)http_head_drop(h, STR("Content-Range"));
    for (uint32_t i = 0; i < e->field_count; i++) {
        struct str name = http_field_name(&e->fields[i]);
        bool replaced = false;

        for (uint32_t j = 0; j < newer && !replaced; j++)
            replaced = !h->fields[j].dropped && str_eq_nocase(http_field_name(&h->fields[j]), name);
        if (!replaced)
            (void)http_head_add(h, name, http_field_value(&e->fields[i]));
    }
    h->status = e->status;
}

/* The origin has said 304: what is stored is good for another while. If it is not to be stored any
 * more, it answers this once. */
static int use_validated(struct exchange *x, struct asking *a)
{
    struct cache_use *use = x->cache;
    struct cache_entry *old = use->entry, *e = NULL;
    struct http_freshness f;
    bool stored = false;

    merge_stored(x, old);
    if (judge(x, a, &f) == HTTP_STORE)
        e = cache_entry_new(use->hash, use->key, &x->request, &x->response, &f, here_now_ns(),
                            cache_body_ref(old->body));
    else
        (void)cache_remove(&use->store->cache, use->hash, use->key);
    attempt_end(x);
    exchange_drop_upstream(x, true);
    if (e != NULL) {
        stored = response_cache_put(use->store, e);
        use->entry = e;
    }
    response_cache_land(use, stored);
    count(use, CACHE_REVALIDATED);
    answer(x, "fwd=stale; fwd-status=304", a->not_modified);
    if (e != NULL)
        cache_entry_unref(old); /* its texts have served: the fields are the new one's */
    return 0;
}

static const char *fwd_text(const struct exchange *x, const struct asking *a, bool stored)
{
    static const char *const texts[4][2] = {
        {"weir; fwd=uri-miss", "weir; fwd=uri-miss; stored"},
        {"weir; fwd=vary-miss", "weir; fwd=vary-miss; stored"},
        {"weir; fwd=stale", "weir; fwd=stale; stored"},
        {"weir; fwd=request", "weir; fwd=request; stored"},
    };
    int why = a->key_known ? 1 : 0;

    if (x->cache->entry != NULL)
        why = a->request.control.no_cache || a->request.control.max_age != HTTP_NO_SECONDS ? 3 : 2;
    return texts[why][stored];
}

/* An answer of the upstream that is not an error: begins to store it, or tells those who wait that
 * there is nothing to wait for. A body that ends with its connection may have been cut short. */
static int take_answer(struct exchange *x, struct asking *a)
{
    struct cache_use *use = x->cache;
    size_t max = atomic_load_explicit(&use->store->cache.entry_bytes_max, memory_order_relaxed);
    uint64_t length = x->response.body == HTTP_BODY_LENGTH ? x->response.content_length : 0;
    struct http_freshness f;

    if (judge(x, a, &f) == HTTP_STORE && x->response.body != HTTP_BODY_CLOSE && length <= max) {
        use->body = cache_body_new((size_t)length);
        use->filling = use->body == NULL ? NULL
                                         : cache_entry_new(use->hash, use->key, &x->request,
                                                           &x->response, &f, here_now_ns(), NULL);
    } else if (x->request.method == HTTP_GET && x->response.status < 500) {
        cache_pass(&use->store->cache, use->hash, here_now_ns());
    }
    if (use->filling == NULL)
        response_cache_land(use, false);
    tell(x, fwd_text(x, a, use->filling != NULL));
    count(use, CACHE_MISS);
    return 0;
}

/* Nobody could answer, or only with an error of the server (RFC 5861 section 4). */
static bool failed(const struct exchange *x)
{
    if (x->source == RESPONSE_OWN)
        return x->cause != CAUSE_NONE && x->response.status >= 500;
    return x->source == RESPONSE_UPSTREAM &&
           (x->response.status == 500 || (x->response.status >= 502 && x->response.status <= 504));
}

static bool stale_will_do(const struct exchange *x)
{
    const struct cache_use *use = x->cache;
    const struct http_freshness *f;

    if (use->entry == NULL)
        return false;
    f = &use->entry->freshness;
    return http_may_use_stale(
        f, cache_entry_age_sec(use->entry, here_now_ns()), f->stale_if_error_sec,
        use->config->stale_if_error_ns > 0 ? use->config->stale_if_error_ns / NS_PER_SEC
                                           : HTTP_NO_SECONDS);
}

void cache_answer_stale(struct exchange *x, bool not_modified)
{
    enum cause cause = x->source == RESPONSE_OWN ? x->cause : CAUSE_UPSTREAM_ERROR_STATUS;
    char *detail = arena_printf(&x->arena, "stale: " STR_FMT, STR_ARG(cause_name(cause)));

    exchange_discard(x);
    count(x->cache, CACHE_STALE);
    answer(x, "hit", not_modified);
    x->detail = detail != NULL ? str_of(detail) : STR_NULL;
}

/* One request to the upstream, and what its answer means for the store. */
static int ask(struct exchange *x, const struct chain *next, struct asking *a)
{
    int rc;

    a->asked_sec = wall_sec();
    add_conditions(x, a);
    rc = chain_next(next, x);
    if (rc < 0)
        return rc;
    if (failed(x)) {
        response_cache_land(x->cache, false);
        if (stale_will_do(x)) {
            cache_answer_stale(x, a->not_modified);
            return 0;
        }
        tell(x, fwd_text(x, a, false));
        count(x->cache, CACHE_MISS);
        return 0;
    }
    if (x->source == RESPONSE_UPSTREAM && x->response.status == 304 && a->validating)
        return use_validated(x, a);
    if (x->source == RESPONSE_UPSTREAM)
        return take_answer(x, a);
    response_cache_land(x->cache, false); /* an answer of the gateway's own, or a tunnel */
    return 0;
}

int cache_ask(struct exchange *x, const struct chain *next)
{
    struct asking a = {0};

    http_caching_read(&x->request, &a.request);
    return ask(x, next, &a);
}

static int64_t wait_until(struct exchange *x)
{
    int64_t total_ns = x->route->config->timeouts.total_ns;

    return ns_add(here_now_ns(), MIN(total_ns / 2, WAIT_MAX_NS));
}

static bool stale_while_refreshing(struct exchange *x, const struct asking *a)
{
    const struct cache_use *use = x->cache;
    const struct http_freshness *f = &use->entry->freshness;
    const struct http_cache_control *c = &a->request.control;
    int64_t granted_ns = use->config->stale_while_revalidate_ns;

    return !c->no_cache && c->max_age == HTTP_NO_SECONDS && c->min_fresh == HTTP_NO_SECONDS &&
           http_may_use_stale(f, cache_entry_age_sec(use->entry, here_now_ns()),
                              f->stale_while_revalidate_sec,
                              granted_ns > 0 ? granted_ns / NS_PER_SEC : HTTP_NO_SECONDS);
}

/* Looks the request up. True: it has its answer. */
static bool look_up(struct exchange *x, struct asking *a)
{
    struct cache_use *use = x->cache;

    cache_entry_unref(TAKE(use->entry));
    use->entry = cache_find(&use->store->cache, use->hash, use->key, &x->request, &a->key_known);
    if (use->entry == NULL)
        return false;
    a->not_modified = has_it(x, &a->request);
    if (http_may_use(&use->entry->freshness, cache_entry_age_sec(use->entry, here_now_ns()),
                     &a->request.control)) {
        count(use, CACHE_HIT);
        answer(x, a->joined ? "hit; collapsed" : "hit", a->not_modified);
        return true;
    }
    if (x->request.method == HTTP_GET && stale_while_refreshing(x, a)) {
        cache_refresh(x);
        count(use, CACHE_STALE);
        answer(x, "hit", a->not_modified);
        return true;
    }
    return false;
}

static int serve_through(struct exchange *x, const struct chain *next, struct asking *a)
{
    struct cache_use *use = x->cache;

    if (look_up(x, a))
        return 0;
    if (a->request.control.only_if_cached)
        return exchange_refuse(x, CAUSE_NOT_CACHED, NULL);
    if (x->request.method == HTTP_GET && !a->request.conditional) {
        enum cache_turn turn = CACHE_ALONE;

        if (client_attend(x))
            turn = cache_join(&use->store->cache, use->hash, use->key, wait_until(x), here_now_ns(),
                              &use->flight);
        client_unattend(x);
        if (turn == CACHE_STORED) {
            a->joined = true;
            if (look_up(x, a))
                return 0;
        }
    }
    return ask(x, next, a);
}

/* Past the cache. What a request that changes something has changed is not known any more
 * (RFC 9111 section 4.4). */
static int pass_by(struct exchange *x, const struct chain *next, const char *status)
{
    struct cache_use *use = x->cache;
    bool unsafe = !http_method_safe(x->request.method);
    int rc = chain_next(next, x);

    count(use, CACHE_BYPASS);
    if (rc < 0 || x->source == RESPONSE_TUNNEL)
        return rc;
    if (unsafe && x->source == RESPONSE_UPSTREAM && x->response.status < 400)
        (void)cache_remove(&use->store->cache, use->hash, use->key);
    tell(x, status);
    return rc;
}

int local_response_cache(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct asking a = {0};

    if (policy_disabled(s->policy) || begin_use(x, s) == NULL)
        return chain_next(next, x);
    if (x->request.method != HTTP_GET && x->request.method != HTTP_HEAD)
        return pass_by(x, next, "weir; fwd=method");
    http_caching_read(&x->request, &a.request);
    if (x->request.body != HTTP_BODY_NONE || x->upgrade.ptr != NULL ||
        a.request.conditional_other || a.request.control.no_store)
        return pass_by(x, next, "weir; fwd=bypass");
    return serve_through(x, next, &a);
}
