/* RequestRateLimiter: a bucket of tokens for each key (policy/keyed.c), or one line for the whole
 * route, whose requests go one by one (policy/pacer.c). */
#include <stdlib.h>

#include <weir/keyed.h>

#include "base/duration.h"
#include "base/hash.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
#include "gateway/request_key.h"
#include "runtime/here.h"

struct limiter {
    struct policy policy;
    uint64_t secret[2];
    struct weir_keyed *keyed; /* in memory of its own; NULL: paced */
    struct weir_pacer pacer;
    atomic_uint waiting;
};

/* What refusals say, made once. */
struct limiter_texts {
    struct str replenish_rate, burst_capacity, requested_tokens;
    struct str name, policy; /* of RateLimit and RateLimit-Policy; ptr NULL: not wanted */
};

static struct limiter *limiter_of(const struct policy *p)
{
    return container_of(p, struct limiter, policy);
}

static struct weir_rate rate_of(const struct config_rate_limit *c)
{
    return (struct weir_rate){
        .count = (uint64_t)c->replenish_rate,
        .per_ns = NS_PER_SEC,
        .burst = (uint32_t)c->burst_capacity,
    };
}

/* -- the policy -- */

static int init(struct policy *p, const void *settings)
{
    const struct config_rate_limit *c = settings;
    struct limiter *l = limiter_of(p);
    struct weir_rate rate = rate_of(c);
    size_t bytes;
    void *memory;
    int rc;

    l->secret[0] = runtime_random();
    l->secret[1] = runtime_random();
    if (c->mode == RATE_PACE)
        return weir_pacer_init(&l->pacer, NS_PER_SEC * c->requested_tokens / c->replenish_rate,
                               (uint32_t)c->queue_max);
    bytes = (weir_keyed_bytes((uint32_t)c->keys_max) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    memory = aligned_alloc(CACHE_LINE, bytes);
    if (memory == NULL)
        return -ENOMEM;
    rc = weir_keyed_init(memory, (uint32_t)c->keys_max, &rate, l->secret, weir_now(), &l->keyed);
    if (rc < 0)
        free(memory);
    return rc;
}

static void done(struct policy *p)
{
    free(limiter_of(p)->keyed);
}

static void configure(struct policy *p, const void *settings)
{
    struct weir_rate rate = rate_of(settings);

    if (limiter_of(p)->keyed != NULL)
        (void)weir_keyed_set(limiter_of(p)->keyed, &rate); /* init or make has checked it */
}

static void write_state(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    struct limiter *l = limiter_of(p);

    policy_put_text(w, "mode", l->keyed != NULL ? STR("bucket") : STR("pace"));
    if (l->keyed != NULL)
        policy_put_count(w, "keys_forgotten", weir_keyed_evicted(l->keyed));
    else
        policy_put_count(w, "waiting", atomic_load_explicit(&l->waiting, memory_order_relaxed));
}

static void operate(struct policy *p, enum policy_action action, int64_t now_ns)
{
    if (action == POLICY_RESET && limiter_of(p)->keyed != NULL)
        weir_keyed_clear(limiter_of(p)->keyed);
}

static const struct policy_class limiter_class = {
    .kind = "rate_limiter",
    .size = sizeof(struct limiter),
    .init = init,
    .done = done,
    .configure = configure,
    .write_state = write_state,
    .operate = operate,
    .actions = 1u << POLICY_RESET | 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

/* What cannot be changed in place. */
static uint64_t shape_of(const struct config_rate_limit *c)
{
    if (c->mode != RATE_PACE)
        return (uint64_t)c->keys_max;
    return mix64(mix64((uint64_t)c->replenish_rate << 32 ^ (uint64_t)c->requested_tokens) ^
                 (uint64_t)c->queue_max);
}

/* A string of structured fields (RFC 9651 section 3.3.3), which has no way to say what is not
 * ASCII. */
static struct str quote(struct arena *a, struct str s)
{
    char *text = arena_alloc(a, 2 * s.len + 2);
    struct buf b = buf_on(text, text != NULL ? 2 * s.len + 2 : 0);

    buf_lit(&b, "\"");
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '"' || c == '\\')
            buf_lit(&b, "\\");
        buf_puts(&b, c >= ' ' && c <= '~' ? str_n(&s.ptr[i], 1) : STR("?"));
    }
    buf_lit(&b, "\"");
    return b.overflow ? STR_NULL : buf_str(&b);
}

/* So many requests in the time that a bucket takes to fill. */
static int make_fields(const struct filter_maker *m, const struct config_rate_limit *c,
                       struct limiter_texts *t)
{
    int64_t window_s = (c->burst_capacity + c->replenish_rate - 1) / c->replenish_rate;
    char *text;

    t->name = quote(m->arena, m->route->id);
    if (t->name.ptr == NULL)
        return -ENOMEM;
    text = arena_printf(m->arena, STR_FMT ";q=%lld;w=%lld", STR_ARG(t->name),
                        (long long)(c->burst_capacity / c->requested_tokens), (long long)window_s);
    t->policy = text != NULL ? str_of(text) : STR_NULL;
    return text != NULL ? 0 : -ENOMEM;
}

int rate_limit_make(const struct filter_maker *m, struct filter_settings *s, const char **ret_why)
{
    const struct config_rate_limit *c = s->config->own;
    struct limiter_texts *t = arena_zalloc(m->arena, sizeof(*t));
    char *text = arena_printf(m->arena, "%lld %lld %lld", (long long)c->replenish_rate,
                              (long long)c->burst_capacity, (long long)c->requested_tokens);
    struct str rest;
    int rc;

    if (t == NULL || text == NULL)
        return -ENOMEM;
    rest = str_of(text);
    str_split(&rest, ' ', &t->replenish_rate);
    str_split(&rest, ' ', &t->burst_capacity);
    t->requested_tokens = rest;
    s->own = t;
    *ret_why = "requestedTokens is more than burstCapacity: nothing could ever pass";
    if (c->mode == RATE_BUCKET && c->requested_tokens > c->burst_capacity)
        return -EINVAL;
    if (c->standard_fields && c->mode == RATE_BUCKET && make_fields(m, c, t) < 0)
        return -ENOMEM;
    *ret_why = "burstCapacity takes more than a year to refill";
    rc = policy_use(m->uses, &limiter_class, filter_policy_id(m, s->config), shape_of(c), c,
                    &s->policy);
    return rc;
}

/* -- the filter -- */

/* X-RateLimit-Remaining follows from the time until there are enough. */
static int refuse(struct exchange *x, const struct filter_settings *s, int64_t retry_after_ns)
{
    const struct config_rate_limit *c = s->config->own;
    const struct limiter_texts *t = s->own;
    double missing = (double)retry_after_ns / NS_PER_SEC * (double)c->replenish_rate;
    double remaining = (double)c->requested_tokens - missing;
    char *text = arena_printf(&x->arena, "%.0f", remaining >= 1 ? remaining - 0.5 : 0.0);

    metric_inc(s->policy->refused);
    exchange_refuse(x, CAUSE_RATE_LIMITED, STR_FMT, STR_ARG(s->policy->id));
    exchange_refusal_retry_after(x, retry_after_ns);
    http_head_add(&x->response, STR("X-RateLimit-Remaining"), str_of(text != NULL ? text : "0"));
    http_head_add(&x->response, STR("X-RateLimit-Requested-Tokens"), t->requested_tokens);
    http_head_add(&x->response, STR("X-RateLimit-Burst-Capacity"), t->burst_capacity);
    return http_head_add(&x->response, STR("X-RateLimit-Replenish-Rate"), t->replenish_rate), 0;
}

/* Until the turn has come. Whoever does not stay gives it back. */
static int wait_until(struct exchange *x, struct limiter *l, int64_t at_ns, int64_t now_ns)
{
    int rc = -ECONNRESET;

    atomic_fetch_add_explicit(&l->waiting, 1, memory_order_relaxed);
    if (client_attend(x))
        rc = weir_sleep(at_ns - now_ns);
    client_unattend(x);
    atomic_fetch_sub_explicit(&l->waiting, 1, memory_order_relaxed);
    if (rc < 0)
        weir_pacer_cancel(&l->pacer, at_ns);
    return rc;
}

/* Waits for the request's turn. 0: it is; else it has been refused. */
static int wait_in_line(struct exchange *x, const struct filter_settings *s)
{
    struct limiter *l = limiter_of(s->policy);
    int64_t now_ns = weir_now(), at_ns;
    int64_t deadline_ns = ns_add(now_ns, x->route->config->timeouts.total_ns);
    int rc = weir_pacer_turn(&l->pacer, now_ns, deadline_ns, &at_ns);

    if (rc < 0) {
        refuse(x, s, at_ns - now_ns);
        return rc;
    }
    if (at_ns <= now_ns)
        return 0;
    rc = wait_until(x, l, at_ns, now_ns);
    if (rc == -ECONNRESET)
        client_gone(x);
    else if (rc < 0)
        client_cancelled(x);
    return rc;
}

/* How many requests may come now, and when there will be as many as there can be. */
static void tell_left(struct exchange *x, const struct filter_settings *s,
                      const struct weir_keyed_left *left)
{
    const struct config_rate_limit *c = s->config->own;
    const struct limiter_texts *t = s->own;
    int64_t seconds = (left->full_after_ns + NS_PER_SEC - 1) / NS_PER_SEC;
    char *text = arena_printf(&x->arena, STR_FMT ";r=%llu;t=%lld", STR_ARG(t->name),
                              (unsigned long long)left->tokens / (uint64_t)c->requested_tokens,
                              (long long)seconds);

    if (text == NULL)
        return;
    (void)http_head_add(&x->response, STR("RateLimit-Policy"), t->policy);
    (void)http_head_add(&x->response, STR("RateLimit"), str_of(text));
}

/* 0: go on. left->full_after_ns stays -1 when no bucket was asked. */
static int take_token(struct exchange *x, const struct filter_settings *s,
                      struct weir_keyed_left *left)
{
    const struct limiter_texts *t = s->own;
    const struct config_rate_limit *c = s->config->own;
    struct limiter *l = limiter_of(s->policy);
    struct request_key key;
    int64_t retry_after_ns;
    int rc;

    request_key_get(x, &c->key, l->secret, &key);
    if (unlikely(key.text.ptr == NULL)) {
        if (!c->deny_empty_key)
            return 0;
        metric_inc(s->policy->refused);
        exchange_refuse(x, CAUSE_REQUEST_DENIED, STR_FMT ": the request has no key",
                        STR_ARG(s->policy->id));
        exchange_refusal_status(x, (int)c->empty_key_status);
        return -EACCES;
    }
    if (unlikely(t->policy.ptr != NULL))
        rc = weir_keyed_take_left(l->keyed, key.text.ptr, key.text.len,
                                  (uint32_t)c->requested_tokens, here_now_ns(), &retry_after_ns,
                                  left);
    else
        rc = weir_keyed_take(l->keyed, key.text.ptr, key.text.len, (uint32_t)c->requested_tokens,
                             here_now_ns(), &retry_after_ns);
    if (unlikely(rc < 0))
        refuse(x, s, retry_after_ns);
    return rc;
}

int rate_limit(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct weir_keyed_left left = {.full_after_ns = -1};
    int rc = 0;

    if (!policy_disabled(s->policy))
        rc = limiter_of(s->policy)->keyed != NULL ? take_token(x, s, &left) : wait_in_line(x, s);
    rc = rc < 0 ? 0 : chain_next(next, x);
    if (unlikely(left.full_after_ns >= 0) && rc == 0)
        tell_left(x, s, &left);
    return rc;
}
