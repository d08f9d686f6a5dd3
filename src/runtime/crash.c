/* The report of a fault that ends the process. The heap may be in disorder and locks may be held,
 * so what needs neither comes first, and the rest has ten seconds. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "runtime/sched.h"
#include "runtime/symbol.h"

enum { REPORT_S = 10, FRAMES = 48 };

static struct {
    atomic_bool begun;
    int signo;
} crash;

/* The report hangs: die as the fault would have it, whatever thread this is. */
static void give_up(int signo)
{
    sigset_t set;

    signal(crash.signo, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, crash.signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(crash.signo);
}

static void limit_time(void)
{
    sigset_t set;

    signal(SIGALRM, give_up);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    alarm(REPORT_S);
}

PRINTF_LIKE(1, 2) static void say(const char *fmt, ...)
{
    char text[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap); /* numbers and strings: no heap, no locks */
    va_end(ap);
    if (n > 0 && write(STDERR_FILENO, text, MIN((size_t)n, sizeof(text) - 1)) < 0)
        return;
}

static void say_head(const struct fault *f, const char *why)
{
    say("weir: crash: SIG%s (code %d), address %p\n", sigabbrev_np(f->signo), f->code, f->address);
    if (f->co != NULL)
        say("  in coroutine %llu \"%s\"%s\n", (unsigned long long)co_id(f->co), f->co->name,
            f->overflow ? ": its stack has overflowed" : "");
    if (f->overflow)
        say("  the stack has %zu KiB: raise weir_options.stack_bytes\n",
            (stack_arena.mask + 1) / KIB);
    say("  pc %p sp %p fp %p\n", (void *)f->pc, (void *)f->sp, (void *)f->fp);
    say("  not contained: %s\n", why);
}

void crash_report(const struct fault *f, const char *why)
{
    const void *frames[FRAMES];
    size_t n;

    if (atomic_exchange(&crash.begun, true)) {
        if (crash.signo != 0)
            sleep(2 * REPORT_S); /* another thread reports, and the process ends */
        return;
    }
    crash.signo = f->signo;
    say_head(f, why);
    limit_time();
    n = fault_backtrace(f, frames, FRAMES);
    symbol_print(STDERR_FILENO, "  ", frames, n);
    say("all coroutines:\n");
    runtime_dump(STDERR_FILENO);
    alarm(0);
}
