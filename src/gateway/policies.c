/* The registry of policies: see policies.h. */
#include "gateway/policies.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/duration.h"

struct policy_use {
    struct policy *policy;
    const void *settings;
    struct policy_use *next;
};

void policies_init(struct policies *r, const uint64_t hash_key[static 2])
{
    *r = (struct policies){0};
    map_init(&r->entries, hash_key, POLICIES_MAX);
}

void policies_done(struct policies *r)
{
    ASSERT(r->entries.count == 0);
    map_done(&r->entries);
}

/* -- entries -- */

static void entry_free(struct policy *p)
{
    if (p->class->done != NULL)
        p->class->done(p);
    metric_put(p->refused);
    free((char *)(uintptr_t)p->key.ptr);
    free(p);
}

static int entry_new(struct policies *r, const struct policy_class *class, struct str id,
                     struct str key, const void *settings, struct policy **ret)
{
    size_t size = (class->size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct policy *p = aligned_alloc(CACHE_LINE, size);
    char *text = malloc(key.len);
    int rc = -ENOMEM;

    if (p != NULL && text != NULL) {
        memset(p, 0, size);
        memcpy(text, key.ptr, key.len);
        p->class = class;
        p->registry = r;
        p->key = str_n(text, key.len);
        p->id = str_n(text, id.len);
        p->uses = 1;
        p->refused = metric_get2(METRIC_POLICY_REFUSED, p->id, str_of(class->kind));
        rc = class->init(p, settings);
    }
    if (rc < 0) {
        if (p != NULL)
            metric_put(p->refused);
        free(text);
        free(p);
        return rc;
    }
    if (class->configure != NULL)
        class->configure(p, settings);
    *ret = p;
    return 0;
}

static void entry_unuse(struct policy *p)
{
    struct policies *r = p->registry;
    bool last;

    spin_lock(&r->lock);
    last = --p->uses == 0;
    if (last)
        map_remove(&r->entries, p->key);
    spin_unlock(&r->lock);
    if (last)
        entry_free(p);
}

/* Only gateway_apply() adds, one at a time, so what is missing here cannot appear before it is put;
 * it is made outside the lock. */
static int take_entry(struct policies *r, const struct policy_class *class, struct str id,
                      struct str key, const void *settings, struct policy **ret)
{
    struct policy *p;
    int rc;

    spin_lock(&r->lock);
    p = map_get(&r->entries, key);
    if (p != NULL)
        p->uses++;
    spin_unlock(&r->lock);
    if (p == NULL) {
        rc = entry_new(r, class, id, key, settings, &p);
        if (rc < 0)
            return rc;
        spin_lock(&r->lock);
        rc = map_put(&r->entries, p->key, p);
        spin_unlock(&r->lock);
        if (rc < 0) {
            entry_free(p);
            return rc;
        }
    }
    *ret = p;
    return 0;
}

/* -- what generations do -- */

struct str policy_id(struct arena *a, struct str route, struct str filter, struct str name)
{
    char *text = arena_printf(a, STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(route), STR_ARG(filter),
                              name.len != 0 ? "/" : "", STR_ARG(name));

    return text != NULL ? str_of(text) : STR_NULL;
}

int policy_use(struct policy_uses *u, const struct policy_class *class, struct str id,
               uint64_t shape, const void *settings, struct policy **ret)
{
    struct policy_use *use = arena_alloc(u->arena, sizeof(*use));
    char *key = arena_printf(u->arena, STR_FMT "\n%s\n%llx", STR_ARG(id), class->kind,
                             (unsigned long long)shape);
    int rc;

    if (id.ptr == NULL || use == NULL || key == NULL)
        return -ENOMEM;
    rc = take_entry(u->registry, class, id, str_of(key), settings, &use->policy);
    if (rc < 0)
        return rc;
    use->settings = settings;
    use->next = u->first;
    u->first = use;
    *ret = use->policy;
    return 0;
}

void policy_uses_publish(struct policy_uses *u)
{
    for (struct policy_use *use = u->first; use != NULL; use = use->next) {
        if (use->policy->class->configure != NULL)
            use->policy->class->configure(use->policy, use->settings);
    }
}

void policy_uses_drop(struct policy_uses *u)
{
    for (struct policy_use *use = u->first; use != NULL; use = use->next)
        entry_unuse(use->policy);
    u->first = NULL;
}

/* -- what operators do -- */

static int compare_ids(const void *a, const void *b)
{
    const struct policy *const *x = a, *const *y = b;
    size_t n = MIN((*x)->key.len, (*y)->key.len);
    int order = memcmp((*x)->key.ptr, (*y)->key.ptr, n);

    return order != 0 ? order : (*x)->key.len < (*y)->key.len ? -1 : 1;
}

/* Holds the entries there are now; the caller lets go of each and frees the array. */
static int hold_all(struct policies *r, struct policy ***ret, size_t *ret_count)
{
    struct policy **all;
    size_t room, count = 0, cursor = 0;
    struct str key;
    void *value;

    spin_lock(&r->lock);
    room = r->entries.count;
    spin_unlock(&r->lock);
    all = malloc((room + 1) * sizeof(struct policy *));
    if (all == NULL)
        return -ENOMEM;
    spin_lock(&r->lock);
    while (count < room && map_next(&r->entries, &cursor, &key, &value)) {
        all[count] = value;
        all[count++]->uses++;
    }
    spin_unlock(&r->lock);
    qsort(all, count, sizeof(struct policy *), compare_ids);
    *ret = all;
    *ret_count = count;
    return 0;
}

int policies_visit(struct policies *r, policy_visit_fn *fn, void *arg)
{
    struct policy **all;
    size_t count;
    bool more = true;
    int rc = hold_all(r, &all, &count);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        more = more && fn(arg, all[i]);
        entry_unuse(all[i]);
    }
    free(all);
    return 0;
}

struct wish {
    struct str id;
    enum policy_action action;
    int64_t now_ns;
    int rc;
};

static bool fulfil(void *arg, struct policy *p)
{
    struct wish *w = arg;

    if (!str_eq(p->id, w->id))
        return true;
    w->rc = -ENOTSUP;
    if ((p->class->actions & (1u << w->action)) == 0)
        return true;
    w->rc = 0;
    if (w->action != POLICY_RESET)
        atomic_store_explicit(&p->disabled, w->action == POLICY_DISABLE, memory_order_relaxed);
    if (p->class->operate != NULL)
        p->class->operate(p, w->action, w->now_ns);
    return true;
}

int policies_operate(struct policies *r, struct str id, enum policy_action action, int64_t now_ns)
{
    struct wish w = {.id = id, .action = action, .now_ns = now_ns, .rc = -ENOENT};
    int rc = policies_visit(r, fulfil, &w);

    return rc < 0 ? rc : w.rc;
}

struct actions_query {
    struct str id;
    unsigned actions;
    int rc;
};

static bool ask_actions(void *arg, struct policy *p)
{
    struct actions_query *q = arg;

    if (!str_eq(p->id, q->id))
        return true;
    q->rc = 0;
    q->actions |= p->class->actions;
    return true;
}

int policies_actions(struct policies *r, struct str id, unsigned *ret_actions)
{
    struct actions_query q = {.id = id, .rc = -ENOENT};
    int rc = policies_visit(r, ask_actions, &q);

    if (rc == 0 && q.rc == 0)
        *ret_actions = q.actions;
    return rc < 0 ? rc : q.rc;
}

void policy_actions_format(unsigned actions, struct buf *out)
{
    bool first = true;

    for (unsigned i = 0; i < POLICY_ACTION_MAX; i++) {
        if ((actions & 1u << i) == 0)
            continue;
        buf_printf(out, "%s%s", first ? "" : ", ", policy_action_text((enum policy_action)i));
        first = false;
    }
    if (first)
        buf_lit(out, "nothing");
}

const char *policy_action_text(enum policy_action a)
{
    static const char *const names[POLICY_ACTION_MAX] = {"reset", "force_open", "disable",
                                                         "enable"};

    return names[a];
}

/* -- JSON -- */

void policy_put_count(struct policy_writer *w, const char *key, uint64_t n)
{
    text_printf(w->out, ", \"%s\": %llu", key, (unsigned long long)n);
}

void policy_put_text(struct policy_writer *w, const char *key, struct str s)
{
    text_printf(w->out, ", \"%s\": \"", key);
    text_put_json(w->out, s);
    text_puts(w->out, STR("\""));
}

void policy_put_seconds(struct policy_writer *w, const char *key, int64_t ns)
{
    text_printf(w->out, ", \"%s\": %.9g", key, (double)ns / NS_PER_SEC);
}

void policy_put_percent(struct policy_writer *w, const char *key, double percent)
{
    text_printf(w->out, ", \"%s\": %.4g", key, percent);
}

void policy_write(struct policy *p, int64_t now_ns, struct text *out)
{
    struct policy_writer w = {out};

    text_puts(out, STR("{\"id\": \""));
    text_put_json(out, p->id);
    text_printf(out, "\", \"kind\": \"%s\", \"disabled\": %s", p->class->kind,
                policy_disabled(p) ? "true" : "false");
    policy_put_count(&w, "refused_total", (uint64_t)metric_value(p->refused));
    if (p->class->write_state != NULL)
        p->class->write_state(p, now_ns, &w);
    text_puts(out, STR("}"));
}
