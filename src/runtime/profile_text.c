/* A profile for people: the places with the most time. */
#include "runtime/dump.h"
#include "runtime/profile.h"

enum { TOP = 20, TOP_OBJECTS = 10 };

static const char *title(enum weir_profile kind)
{
    switch (kind) {
    case WEIR_PROFILE_BLOCK:
        return "where coroutines waited";
    case WEIR_PROFILE_MUTEX:
        return "who held locks while others waited";
    default:
        return "how long coroutines queued for a processor, by where they had waited";
    }
}

static void put_line(struct text *out, uint64_t count, uint64_t ns, uint64_t total_ns)
{
    text_printf(out, "%12.3f ms %5.1f %% %10llu times", (double)ns / 1e6,
                total_ns != 0 ? 100.0 * (double)ns / (double)total_ns : 0.0,
                (unsigned long long)count);
}

static void put_site(struct text *out, const struct profile_site *site, uint64_t total_ns)
{
    struct symbol symbol;
    char place[SYMBOL_TEXT];

    put_line(out, site->count, site->ns, total_ns);
    if (site->reason != WAIT_NONE)
        text_printf(out, "  %s", dump_reason(site->reason));
    text_printf(out, "\n");
    for (unsigned i = 0; i < site->frame_count; i++) {
        symbol_find(site->frames[i], &symbol);
        if (symbol.file[0] == 0)
            break;
        if (symbol_is_scaffolding(&symbol))
            continue;
        symbol_describe(site->frames[i], place, sizeof(place));
        text_printf(out, "                 at %s\n", place);
    }
}

/* The locks that were waited for longest, by repeated search: they are few. */
static void put_objects(struct text *out, const struct profile_data *p, uint64_t total_ns)
{
    uint64_t below = UINT64_MAX;
    struct symbol symbol;

    text_printf(out, "\nlocks:\n");
    for (int i = 0; i < TOP_OBJECTS; i++) {
        const struct profile_object *best = NULL;

        for (int j = 0; j < PROFILE_OBJECTS; j++) {
            const struct profile_object *o = &p->objects[j];

            if (o->object != NULL && o->ns < below && (best == NULL || o->ns > best->ns))
                best = o;
        }
        if (best == NULL)
            return;
        below = best->ns;
        put_line(out, best->count, best->ns, total_ns);
        symbol_find(best->object, &symbol);
        text_printf(out, "  %s %p %s\n", dump_reason(best->reason), best->object, symbol.function);
    }
}

void profile_text(enum weir_profile kind, const struct profile_data *p, struct text *out)
{
    uint64_t total_ns = p->lost.ns, count = p->lost.count;

    for (uint32_t i = 0; i < p->used; i++) {
        total_ns += p->sites[i].ns;
        count += p->sites[i].count;
    }
    text_printf(out, "%s: %.3f ms, %llu times, at %u places, in %.1f s\n", title(kind),
                (double)total_ns / 1e6, (unsigned long long)count, p->used,
                (double)(p->until_ns - p->since_ns) / 1e9);
    for (uint32_t i = 0; i < MIN(p->used, (uint32_t)TOP); i++)
        put_site(out, &p->sites[i], total_ns);
    if (p->lost.count != 0) {
        put_line(out, p->lost.count, p->lost.ns, total_ns);
        text_printf(out, "  elsewhere: the table was full\n");
    }
    if (kind == WEIR_PROFILE_MUTEX)
        put_objects(out, p, total_ns);
}
