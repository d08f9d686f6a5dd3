/* The story of a deterministic run: each step on standard error, and the schedule's name when the
 * process ends in the middle of it. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/dump.h"
#include "runtime/explore_impl.h"
#include "runtime/sched.h"
#include "world/sim.h"

/* Objects have numbers in order of appearance: addresses differ from run to run. */
enum { OBJECTS_MAX = 1024 };

static struct {
    const void *objects[OBJECTS_MAX];
    unsigned object_count;
    int64_t start_ns;
} trace;

void explore_trace_begin(void)
{
    trace.object_count = 0;
    trace.start_ns = sim_clock_ns(explore.world);
    if (explore.schedule.trace)
        dprintf(STDERR_FILENO, "    step    time us  coroutine\n");
}

static unsigned number_of(const void *object)
{
    for (unsigned i = 0; i < trace.object_count; i++) {
        if (trace.objects[i] == object)
            return i + 1;
    }
    if (trace.object_count < OBJECTS_MAX)
        trace.objects[trace.object_count++] = object;
    return trace.object_count;
}

void explore_trace(struct co *co, const char *what, const void *object)
{
    int64_t ns;

    if (!explore.schedule.trace)
        return;
    ns = sim_clock_ns(explore.world) - trace.start_ns;
    dprintf(STDERR_FILENO, "%8llu %10lld  %llu %s: %s", (unsigned long long)explore.chooser.step,
            (long long)(ns / NS_PER_US), (unsigned long long)co_id(co), co->name, what);
    if (object != NULL)
        dprintf(STDERR_FILENO, " #%u", number_of(object));
    dprintf(STDERR_FILENO, "\n");
}

void explore_trace_leave(void)
{
    struct co *co = co_self();
    char what[64];

    if (!explore.schedule.trace || co == NULL || explore.kind != CHOICE_FREE)
        return;
    if ((atomic_load(&co->claim) & CLAIM_PREPARE) != 0) {
        snprintf(what, sizeof(what), "waits for %s", dump_reason(co->wait_reason));
        explore_trace(co, what, co->wait_object);
    } else if (!atomic_load(&co->live)) {
        explore_trace(co, "ends", NULL);
    }
}

/* ---- the end of the process ---- */

static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
static struct sigaction before[ARRAY_LEN(fatal)];
static bool ours[ARRAY_LEN(fatal)], armed;

void explore_print_schedule(void)
{
    char text[WEIR_SCHEDULE_MAX];

    schedule_format(&explore.schedule, &explore.chooser, text, sizeof(text));
    dprintf(STDERR_FILENO, "weir: step %llu of the schedule WEIR_DEBUG=%s\n",
            (unsigned long long)explore.chooser.step, text);
}

static void tell_and_die(int signo)
{
    if (explore_active)
        explore_print_schedule();
    signal(signo, SIG_DFL);
    raise(signo);
}

/* Who handles these already (sanitizers do) goes on doing so. */
void explore_arm_crash_text(void)
{
    struct sigaction sa = {.sa_handler = tell_and_die, .sa_flags = SA_NODEFER | SA_RESETHAND};

    if (armed)
        return; /* from run to run, while weir_explore_set() is in force */
    armed = true;
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
        ours[i] = sigaction(fatal[i], NULL, &before[i]) == 0 && before[i].sa_handler == SIG_DFL &&
                  sigaction(fatal[i], &sa, NULL) == 0;
    }
}

void explore_disarm_crash_text(void)
{
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
        if (ours[i])
            sigaction(fatal[i], &before[i], NULL);
        ours[i] = false;
    }
    armed = false;
}
