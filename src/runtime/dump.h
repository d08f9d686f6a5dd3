/* A dump in three steps: collect, look for cycles, write. */
#ifndef WEIR_RUNTIME_DUMP_H
#define WEIR_RUNTIME_DUMP_H

#include "base/text.h"
#include "runtime/backtrace.h"
#include "runtime/symbol.h"

enum {
    DUMP_FRAMES = 24,
    DUMP_IDS = 16, /* that are listed of a group */
    DUMP_NAME = 48,
    DUMP_CYCLES = 16, /* that are shown */
};

enum dump_state { DUMP_WAITING, DUMP_RUNNABLE, DUMP_RUNNING, DUMP_SELF };

/* What coroutines of a group have in common, and a few numbers about them. */
struct dump_group {
    enum dump_state state;
    uint8_t reason; /* enum wait_reason, when waiting */
    uint8_t frame_count;
    const void *frames[DUMP_FRAMES];
    const void *born_at; /* NULL: unknown */
    const char *name_at; /* where the name was; not to be followed */
    uint64_t only_id;    /* 0, or the one coroutine it is for */

    char name[DUMP_NAME];
    uint32_t count;
    uint32_t cancelled;
    int64_t longest_ns;
    uint64_t ids[DUMP_IDS];
    const void *object; /* of all of them, or NULL */
    uint64_t holder_id; /* likewise, or 0 */
};

/* One coroutine. */
struct dump_entry {
    uint64_t id;
    uint64_t holder_id; /* it waits for what this one has; 0: not for a lock, or not known */
    const void *object;
    int64_t waited_ns;
    uint32_t group;
    uint32_t walk; /* which search for cycles has come by */
};

/* What is written goes to fd in pieces, or into a text. */
struct dump_out {
    int fd;
    struct text *text; /* NULL: to fd */
    int error;
    struct buf buf;
    char memory[8192];
};

struct dump {
    struct dump_entry *entries;
    uint32_t entry_count, entry_max;
    struct dump_group *groups;
    uint32_t group_count;
    uint32_t *by_key; /* hash tables of index + 1, table_size each */
    uint32_t *by_id;
    uint32_t table_size; /* a power of two */
    uint32_t *order;     /* groups in the order in which they are shown */
    uint32_t counts[DUMP_SELF + 1];

    uint32_t cycle_count;
    uint32_t cycles[DUMP_CYCLES]; /* an entry of each */

    struct dump_out *out;
    void *memory; /* all of the above */
    size_t memory_bytes;
};

/* dump_collect.c. Takes its memory from the system, not from the heap, which may be what is broken.
 * -ENOMEM. */
int dump_collect(struct dump *d, bool open, bool each_by_itself, bool stacks);
void dump_done(struct dump *d);
struct dump_entry *dump_find(struct dump *d, uint64_t id);
const char *dump_reason(enum wait_reason reason);

/* dump_cycle.c */
void dump_find_cycles(struct dump *d);

/* dump.c: between the two the stacks can be read. */
void dump_open(void);
void dump_close(void); /* waits for dumps on other threads */

void dump_text(struct dump *d, struct dump_out *out);
void dump_json(struct dump *d, struct dump_out *out);
void dump_flush_if_full(struct dump_out *out);

#endif
