/* WEIR_DEBUG=schedtrace=MS: a line on stderr now and then that says what the scheduler does. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "runtime/diagnose.h"
#include "runtime/sched.h"

enum { QUEUES_SHOWN = 32 };

static struct {
    int64_t every_ns; /* 0: off */
    int64_t begin_ns, due_ns;
} trace;

static int64_t interval_from_environment(void)
{
    const char *text = secure_getenv("WEIR_DEBUG");
    struct str rest = str_of(text), item;
    uint64_t ms;

    while (text != NULL && str_split(&rest, ',', &item)) {
        if (str_starts(item, STR("schedtrace=")) &&
            str_to_u64(str_n(item.ptr + 11, item.len - 11), 3600 * 1000, &ms) == 0)
            return (int64_t)ms * NS_PER_MS;
    }
    return 0;
}

void trace_begin(int64_t now_ns)
{
    trace.every_ns = interval_from_environment();
    trace.begin_ns = now_ns;
    trace.due_ns = now_ns + trace.every_ns;
}

int64_t trace_wait_ns(void)
{
    return trace.every_ns != 0 ? MAX(trace.due_ns - world_now_ns(rt.world), 0) : NS_NEVER;
}

/* What waits at each processor, in brackets. */
static void put_queues(struct buf *b)
{
    unsigned count = MIN(atomic_load(&rt.p_count), (unsigned)QUEUES_SHOWN);

    buf_lit(b, " [");
    for (unsigned i = 0; i < count; i++) {
        const struct runq *q = &rt.ps[i]->q;
        unsigned waiting =
            runq_len(q) + (atomic_load_explicit(&q->next, memory_order_relaxed) != NULL);

        buf_printf(b, i == 0 ? "%u" : " %u", waiting);
    }
    buf_lit(b, "]");
}

static void print_line(int64_t now_ns)
{
    struct weir_stats s = {.size = sizeof(s)};
    char line[1024];
    struct buf b = buf_on(line, sizeof(line) - 1);

    weir_stats(&s);
    buf_printf(&b, "weir: sched %lld ms: processors %u idle %u threads %u seeking %u",
               (long long)((now_ns - trace.begin_ns) / NS_PER_MS), s.processors, s.processors_idle,
               s.threads, s.threads_seeking);
    buf_printf(&b, " coroutines %u parked %u queue %u global %u", s.coroutines_live,
               s.coroutines_parked, s.run_queue_len, s.global_queue_len);
    put_queues(&b);
    buf_printf(&b, " steals %llu handoffs %llu substitutions %llu hogs %llu polls %llu\n",
               (unsigned long long)s.steals, (unsigned long long)s.handoffs,
               (unsigned long long)s.substitutions, (unsigned long long)s.hogs,
               (unsigned long long)s.polls);
    if (write(STDERR_FILENO, b.ptr, b.len) < 0)
        trace.every_ns = 0; /* nobody reads it */
}

void trace_tick(int64_t now_ns)
{
    if (trace.every_ns == 0 || now_ns < trace.due_ns)
        return;
    trace.due_ns = now_ns + trace.every_ns;
    print_line(now_ns);
}
