/* The registry of policies: what limiters, bulkheads, breakers and caches of routes have learnt,
 * which survives a change of configuration.
 *
 * One entry per route, filter and name ("orders/RequestRateLimiter"), in memory of its own that
 * never moves; generations count as its users, and it goes with the last of them. A filter's
 * settings point at it, so a request finds it without a look-up or a lock. The numbers of a
 * generation reach the entry when that generation is published (configure), never when one is
 * compiled that may yet be refused. What cannot be changed in place (the size of a table) is part
 * of the entry's shape: another shape is another entry, and the next generation begins with it
 * anew.
 *
 *     struct rate_limit {
 *         struct policy policy;       // first
 *         struct weir_keyed *keyed;
 *     };
 *     static const struct policy_class rate_limit_class = {
 *         .kind = "rate_limiter", .size = sizeof(struct rate_limit), .init = ..., ...
 *     };
 *     rc = policy_use(uses, &rate_limit_class, id, shape, config, &settings->policy); */
#ifndef WEIR_GATEWAY_POLICIES_H
#define WEIR_GATEWAY_POLICIES_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/lock.h"
#include "base/map.h"
#include "telemetry/metric.h"

struct policy;

/* What an operator may ask for. */
enum policy_action {
    POLICY_RESET,      /* forget what was learnt */
    POLICY_FORCE_OPEN, /* let nothing through */
    POLICY_DISABLE,    /* let everything through */
    POLICY_ENABLE,     /* ends both */
    POLICY_ACTION_MAX,
};

/* Writes members into the JSON object of one entry. */
struct policy_writer {
    struct text *out;
};
void policy_put_count(struct policy_writer *w, const char *key, uint64_t n);
void policy_put_text(struct policy_writer *w, const char *key, struct str s);
void policy_put_seconds(struct policy_writer *w, const char *key, int64_t ns);
void policy_put_percent(struct policy_writer *w, const char *key, double percent);

struct policy_class {
    const char *kind; /* "rate_limiter" */
    size_t size;      /* of the struct that begins with struct policy */

    /* Makes the state, whose memory is zeroed. 0, -ENOMEM, -EINVAL (done is not called then). */
    int (*init)(struct policy *p, const void *settings);
    /* Releases what the state holds; p itself is freed behind it. Does not park. NULL: nothing. */
    void (*done)(struct policy *p);
    /* The settings of a generation that is about to be published; also of the first, right after
     * init. Requests may use the state meanwhile. Cannot fail, does not park. NULL: nothing. */
    void (*configure)(struct policy *p, const void *settings);
    /* What there is to see, for people. */
    void (*write_state)(struct policy *p, int64_t now_ns, struct policy_writer *w);
    /* An operator's wish, one of actions. policy->disabled has been set by then. NULL: that is all
     * there is to do. */
    void (*operate)(struct policy *p, enum policy_action action, int64_t now_ns);
    unsigned actions; /* 1u << POLICY_..., those that are understood */
};

struct policy {
    /* -- fixed -- */
    const struct policy_class *class;
    struct policies *registry;
    struct str id; /* "orders/RequestRateLimiter" */
    struct str key;
    struct metric *refused; /* weir_policy_refused_total: for the filter to count in */

    /* -- anybody, atomic -- */
    atomic_bool disabled; /* POLICY_DISABLE: the filter lets everything through */

    /* -- under the registry's lock -- */
    uint32_t uses; /* generations, and who looks at it */
};

static inline bool policy_disabled(const struct policy *p)
{
    return unlikely(atomic_load_explicit(&p->disabled, memory_order_relaxed));
}

#define POLICIES_MAX (1u << 20)

struct policies { /* the registry, one per gateway */
    struct spinlock lock;
    struct map entries; /* by id, kind and shape */
};

void policies_init(struct policies *r, const uint64_t hash_key[static 2]);
void policies_done(struct policies *r); /* after the last generation has gone */

/* The entries that one generation uses. */
struct policy_uses {
    struct policies *registry;
    struct arena *arena; /* the generation's */
    struct policy_use *first;
};

/* "route/Filter", "route/Filter/name" (name.len 0: none), in the arena. ptr NULL: no memory. */
struct str policy_id(struct arena *a, struct str route, struct str filter, struct str name);

/* Finds or makes the entry and uses it until policy_uses_drop(). settings must live as long as the
 * generation. -ENOMEM, -ENOSPC beyond POLICIES_MAX, or what init said. While a generation is
 * compiled only. */
int policy_use(struct policy_uses *u, const struct policy_class *class, struct str id,
               uint64_t shape, const void *settings, struct policy **ret);

/* The generation is about to be published: configures its entries. */
void policy_uses_publish(struct policy_uses *u);
void policy_uses_drop(struct policy_uses *u);

/* Calls fn with each entry, in the order of their ids. Return false to stop. fn may take its time:
 * the entries are held, no lock is. -ENOMEM. */
typedef bool policy_visit_fn(void *arg, struct policy *p);
int policies_visit(struct policies *r, policy_visit_fn *fn, void *arg);

/* Does what an operator asks of every entry with that id. -ENOENT; -ENOTSUP: it does not understand
 * the action. */
int policies_operate(struct policies *r, struct str id, enum policy_action action, int64_t now_ns);

/* Which of them understand what: 1u << POLICY_... for each action. -ENOENT, -ENOMEM. */
int policies_actions(struct policies *r, struct str id, unsigned *ret_actions);

/* "reset, disable"; "nothing". */
void policy_actions_format(unsigned actions, struct buf *out);

const char *policy_action_text(enum policy_action a); /* "force_open" */

/* {"id": ..., "kind": ..., "disabled": ..., state} */
void policy_write(struct policy *p, int64_t now_ns, struct text *out);

#endif
