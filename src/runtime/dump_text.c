/* A dump for people. */
#include "base/duration.h"
#include "runtime/dump.h"
#include "runtime/sched.h"

static void put_duration(struct buf *b, int64_t ns)
{
    if (ns < NS_PER_SEC)
        buf_printf(b, "%lld ms", (long long)(ns / NS_PER_MS));
    else if (ns < 600 * NS_PER_SEC)
        buf_printf(b, "%.1f s", (double)ns / NS_PER_SEC);
    else
        buf_printf(b, "%lld min", (long long)(ns / NS_PER_SEC / 60));
}

static void put_who(struct dump *d, struct buf *b, uint64_t id)
{
    const struct dump_entry *e = dump_find(d, id);
    const char *name = e != NULL ? d->groups[e->group].name : "";

    buf_printf(b, "coroutine %llu", (unsigned long long)id);
    if (name[0] != 0)
        buf_printf(b, " '%s'", name);
}

/* Locks that are variables of the program have a name. */
static void put_object(struct buf *b, const void *object)
{
    struct symbol s;

    if (object == NULL)
        return;
    buf_printf(b, " %p", object);
    symbol_find(object, &s);
    if (s.start != 0)
        buf_printf(b, " (%s)", s.function);
}

static void put_cycle(struct dump *d, struct dump_out *out, const struct dump_entry *first)
{
    const struct dump_entry *e = first;
    struct buf *b = &out->buf;

    buf_lit(b, "deadlock:\n");
    do {
        buf_lit(b, "  ");
        put_who(d, b, e->id);
        buf_printf(b, " waits for %s", dump_reason(d->groups[e->group].reason));
        put_object(b, e->object);
        buf_lit(b, ", held by ");
        put_who(d, b, e->holder_id);
        buf_lit(b, ", for ");
        put_duration(b, e->waited_ns);
        buf_lit(b, "\n");
        dump_flush_if_full(out);
        e = dump_find(d, e->holder_id);
    } while (e != NULL && e != first);
    buf_lit(b, "\n");
}

static void put_state(struct dump *d, struct buf *b, const struct dump_group *g)
{
    static const char *const others[] = {[DUMP_RUNNABLE] = "runnable",
                                         [DUMP_RUNNING] = "running or runnable",
                                         [DUMP_SELF] = "running, here"};

    if (g->state != DUMP_WAITING) {
        buf_printf(b, ": %s", others[g->state]);
    } else {
        buf_printf(b, g->count == 1 ? ": waits for %s" : ": wait for %s", dump_reason(g->reason));
        put_object(b, g->object);
        if (g->holder_id != 0) {
            buf_lit(b, ", held by ");
            put_who(d, b, g->holder_id);
        }
        buf_printf(b, g->count == 1 ? ", for " : ", for up to ");
        put_duration(b, g->longest_ns);
    }
    if (g->cancelled == g->count)
        buf_lit(b, ", cancelled");
    else if (g->cancelled != 0)
        buf_printf(b, ", %u cancelled", g->cancelled);
    buf_lit(b, "\n");
}

static void put_ids(struct buf *b, const struct dump_group *g)
{
    uint32_t listed = MIN(g->count, (uint32_t)DUMP_IDS);

    buf_lit(b, "  numbers");
    for (uint32_t i = 0; i < listed; i++)
        buf_printf(b, " %llu", (unsigned long long)g->ids[i]);
    if (listed < g->count)
        buf_printf(b, " and %u more", g->count - listed);
    buf_lit(b, "\n");
}

static void put_place(struct buf *b, const char *label, const void *pc)
{
    char text[SYMBOL_TEXT];

    symbol_describe(pc, text, sizeof(text));
    buf_printf(b, "  %s %s\n", label, text);
}

/* The stack begins with what was called to wait, and ends with the coroutine's function. */
static void put_stack(struct dump_out *out, const struct dump_group *g)
{
    struct symbol s;

    for (unsigned i = 0; i < g->frame_count; i++) {
        symbol_find(g->frames[i], &s);
        if (s.file[0] == 0)
            break; /* no code: a frame without frame pointer was in the way */
        if (!symbol_is_scaffolding(&s))
            put_place(&out->buf, "  at", g->frames[i]);
        dump_flush_if_full(out);
    }
    if (g->born_at != NULL)
        put_place(&out->buf, "started", g->born_at);
}

static void put_group(struct dump *d, struct dump_out *out, const struct dump_group *g)
{
    struct buf *b = &out->buf;

    if (g->count == 1) {
        put_who(d, b, g->ids[0]);
    } else {
        buf_printf(b, "%u coroutines", g->count);
        if (g->name[0] != 0)
            buf_printf(b, " '%s'", g->name);
    }
    put_state(d, b, g);
    if (g->count > 1)
        put_ids(b, g);
    put_stack(out, g);
    buf_lit(b, "\n");
    dump_flush_if_full(out);
}

void dump_text(struct dump *d, struct dump_out *out)
{
    for (uint32_t i = 0; i < MIN(d->cycle_count, (uint32_t)DUMP_CYCLES); i++)
        put_cycle(d, out, &d->entries[d->cycles[i]]);
    if (d->cycle_count > DUMP_CYCLES)
        buf_printf(&out->buf, "and %u more deadlocks\n\n", d->cycle_count - DUMP_CYCLES);
    buf_printf(&out->buf, "%u coroutines: %u waiting, %u runnable, %u running or runnable\n\n",
               d->entry_count, d->counts[DUMP_WAITING], d->counts[DUMP_RUNNABLE],
               d->counts[DUMP_RUNNING] + d->counts[DUMP_SELF]);
    for (uint32_t i = 0; i < d->group_count; i++)
        put_group(d, out, &d->groups[d->order[i]]);
}
