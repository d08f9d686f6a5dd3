/* A dump for programs. */
#include "runtime/dump.h"
#include "runtime/sched.h"

static void put_string(struct buf *b, const char *text)
{
    buf_lit(b, "\"");
    buf_put_json(b, str_of(text));
    buf_lit(b, "\"");
}

static void put_address(struct buf *b, const void *address)
{
    if (address != NULL)
        buf_printf(b, "\"%p\"", address);
    else
        buf_lit(b, "null");
}

static void put_frame(struct buf *b, const void *pc)
{
    struct symbol s;

    symbol_find(pc, &s);
    buf_lit(b, "{\"pc\":");
    put_address(b, pc);
    buf_lit(b, ",\"function\":");
    put_string(b, s.function);
    buf_lit(b, ",\"file\":");
    put_string(b, s.file);
    buf_printf(b, ",\"line\":%d}", s.line);
}

static void put_cycle(struct dump *d, struct dump_out *out, const struct dump_entry *first)
{
    const struct dump_entry *e = first;
    struct buf *b = &out->buf;

    buf_lit(b, "[");
    do {
        if (e != first)
            buf_lit(b, ",");
        buf_printf(b, "{\"id\":%llu,\"name\":", (unsigned long long)e->id);
        put_string(b, d->groups[e->group].name);
        buf_lit(b, ",\"waits_for\":");
        put_string(b, dump_reason(d->groups[e->group].reason));
        buf_lit(b, ",\"object\":");
        put_address(b, e->object);
        buf_printf(b, ",\"held_by\":%llu,\"waited_ms\":%lld}", (unsigned long long)e->holder_id,
                   (long long)(e->waited_ns / NS_PER_MS));
        dump_flush_if_full(out);
        e = dump_find(d, e->holder_id);
    } while (e != NULL && e != first);
    buf_lit(b, "]");
}

static void put_ids(struct buf *b, const struct dump_group *g)
{
    buf_lit(b, ",\"ids\":[");
    for (uint32_t i = 0; i < MIN(g->count, (uint32_t)DUMP_IDS); i++)
        buf_printf(b, i == 0 ? "%llu" : ",%llu", (unsigned long long)g->ids[i]);
    buf_lit(b, "]");
}

static void put_stack(struct dump_out *out, const struct dump_group *g)
{
    struct buf *b = &out->buf;

    buf_lit(b, ",\"stack\":[");
    for (unsigned i = 0; i < g->frame_count; i++) {
        if (i > 0)
            buf_lit(b, ",");
        put_frame(b, g->frames[i]);
        dump_flush_if_full(out);
    }
    buf_lit(b, "],\"started_at\":");
    if (g->born_at != NULL)
        put_frame(b, g->born_at);
    else
        buf_lit(b, "null");
}

static void put_group(struct dump_out *out, const struct dump_group *g)
{
    static const char *const states[] = {[DUMP_WAITING] = "waiting",
                                         [DUMP_RUNNABLE] = "runnable",
                                         [DUMP_RUNNING] = "running or runnable",
                                         [DUMP_SELF] = "running"};
    struct buf *b = &out->buf;

    buf_printf(b, "{\"count\":%u,\"name\":", g->count);
    put_string(b, g->name);
    buf_printf(b, ",\"state\":\"%s\"", states[g->state]);
    if (g->state == DUMP_WAITING) {
        buf_printf(b, ",\"reason\":\"%s\",\"longest_ms\":%lld,\"object\":", dump_reason(g->reason),
                   (long long)(g->longest_ns / NS_PER_MS));
        put_address(b, g->object);
        if (g->holder_id != 0)
            buf_printf(b, ",\"held_by\":%llu", (unsigned long long)g->holder_id);
    }
    buf_printf(b, ",\"cancelled\":%u", g->cancelled);
    put_ids(b, g);
    put_stack(out, g);
    buf_lit(b, "}");
    dump_flush_if_full(out);
}

void dump_json(struct dump *d, struct dump_out *out)
{
    struct buf *b = &out->buf;

    buf_printf(b,
               "{\"coroutines\":%u,\"waiting\":%u,\"runnable\":%u,\"running\":%u,\"deadlocks\":[",
               d->entry_count, d->counts[DUMP_WAITING], d->counts[DUMP_RUNNABLE],
               d->counts[DUMP_RUNNING] + d->counts[DUMP_SELF]);
    for (uint32_t i = 0; i < MIN(d->cycle_count, (uint32_t)DUMP_CYCLES); i++) {
        if (i > 0)
            buf_lit(b, ",");
        put_cycle(d, out, &d->entries[d->cycles[i]]);
    }
    buf_lit(b, "],\"groups\":[");
    for (uint32_t i = 0; i < d->group_count; i++) {
        if (i > 0)
            buf_lit(b, ",\n");
        put_group(out, &d->groups[d->order[i]]);
    }
    buf_lit(b, "]}\n");
}
