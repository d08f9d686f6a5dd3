/* Deadlocks among holders of locks. Everybody waits for at most one, so what is looked for are the
 * cycles of a function: walk from each entry that no walk has come by; who meets a place of its own
 * walk has gone round a cycle. */
#include "runtime/dump.h"

static void remember(struct dump *d, const struct dump_entry *e)
{
    if (d->cycle_count < DUMP_CYCLES)
        d->cycles[d->cycle_count] = (uint32_t)(e - d->entries);
    d->cycle_count++;
}

void dump_find_cycles(struct dump *d)
{
    for (uint32_t i = 0; i < d->entry_count; i++) {
        struct dump_entry *e = &d->entries[i];

        while (e != NULL && e->holder_id != 0 && e->walk == 0) {
            e->walk = i + 1;
            e = dump_find(d, e->holder_id);
        }
        if (e != NULL && e->holder_id != 0 && e->walk == i + 1)
            remember(d, e);
    }
}
