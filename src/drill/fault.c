/* Faults: what holds now is computed from the windows that are open. */
#include "drill/run.h"
#include "world/sim.h"

static bool is_open(const struct drill_fault *f, int64_t now_ns)
{
    return now_ns >= f->at_ns && now_ns < f->at_ns + f->for_ns;
}

static void add_fault(struct drill_ailment *a, const struct drill_fault *f)
{
    switch (f->kind) {
    case DRILL_SLOW:
        a->factor *= f->factor;
        break;
    case DRILL_ERRORS:
        a->percent = MAX(a->percent, f->percent);
        break;
    case DRILL_BLACK_HOLE:
        a->black_hole = true;
        break;
    case DRILL_REFUSE:
        a->refuse = true;
        break;
    case DRILL_KILL:
        a->killed = true;
        break;
    case DRILL_FREEZE:
        a->frozen = true;
        break;
    case DRILL_DRIP:
        a->pause_ns = MAX(a->pause_ns, f->pause_ns);
        break;
    default: /* DRILL_SURGE: of clients */
        break;
    }
}

static struct drill_ailment ailment_of(const struct drill_scenario *s, uint32_t origin,
                                       int64_t now_ns)
{
    struct drill_ailment a = {.factor = 1};

    for (uint32_t i = 0; i < s->fault_count; i++) {
        const struct drill_fault *f = &s->faults[i];

        if (is_open(f, now_ns) && (f->origin_index == DRILL_ALL || f->origin_index == origin))
            add_fault(&a, f);
    }
    return a;
}

static void apply(struct drill_stand *o, struct drill_ailment a)
{
    struct world *w = o->run->world;
    const struct addr *addr = &o->config->addr;
    struct sim_link link = {.latency_ns = o->run->scenario->latency_ns,
                            .refuse = a.refuse || a.killed};
    struct drill_ailment was = o->ailment;

    o->ailment = a;
    if (link.refuse != (was.refuse || was.killed))
        sim_set_link(w, addr, &link);
    if (a.killed && !was.killed) {
        o->life++;
        sim_reset_all(w, addr);
    }
    if (!a.killed && was.killed)
        o->cold_since_ns = weir_now();
    if (a.frozen && !was.frozen)
        sim_freeze(w, addr);
    if (!a.frozen && was.frozen)
        sim_revive(w, addr);
}

static void apply_all(struct drill_run *r, int64_t now_ns)
{
    const struct drill_scenario *s = r->scenario;

    r->surge = 1;
    for (uint32_t i = 0; i < s->fault_count; i++)
        if (s->faults[i].kind == DRILL_SURGE && is_open(&s->faults[i], now_ns))
            r->surge *= s->faults[i].factor;
    for (uint32_t i = 0; i < s->origin_count; i++)
        apply(&r->stands[i], ailment_of(s, i, now_ns));
}

/* The next instant at which a window opens or closes; NS_NEVER: none. */
static int64_t next_change(const struct drill_scenario *s, int64_t now_ns)
{
    int64_t next = NS_NEVER;

    for (uint32_t i = 0; i < s->fault_count; i++) {
        int64_t at = s->faults[i].at_ns, end = at + s->faults[i].for_ns;

        if (at > now_ns)
            next = MIN(next, at);
        if (end > now_ns)
            next = MIN(next, end);
    }
    return next;
}

void drill_faults_run(void *arg)
{
    struct drill_run *r = arg;
    int64_t now = 0, next;

    apply_all(r, 0);
    while ((next = next_change(r->scenario, now)) != NS_NEVER) {
        if (weir_sleep(next - drill_now(r)) < 0)
            return;
        now = next;
        apply_all(r, now);
    }
}
