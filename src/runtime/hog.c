/* Reports of coroutines that keep a thread to themselves: who, for how long, and where. The stack
 * of a thread that computes is noted by a signal handler on it. One that sleeps in the kernel is
 * left alone, since a signal would cut its sleep short: /proc tells where it is, and its frames are
 * looked for among the words on its stack. */
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/backtrace.h"
#include "runtime/sched.h"
#include "runtime/symbol.h"

enum {
    FRAMES_MAX = 24,
    TEXT_MAX = 8192,
    SCAN_WORDS = 2048, /* of a sleeping stack */
    GUESSES_MAX = 6,
    SAVED_WORDS = 8,      /* registers that a function saves before its caller's frame pointer */
    NOTE_SIGNAL = SIGURG, /* ignored by default, and hardly ever used */
};

static const int64_t note_wait_ns = 20 * NS_PER_MS;

/* What the handler leaves. One question at a time, by the monitor. */
static struct {
    bool installed, ready;
    struct sigaction before;
    sem_t noted;
    atomic_int wanted; /* thread id; 0: nobody */
    uintptr_t low, high;
    const void *frames[FRAMES_MAX];
    size_t count;
} note;

/* ---- a thread that runs ---- */

static void registers_of(const ucontext_t *context, const void **ret_pc, const void **ret_fp)
{
#if defined(__x86_64__)
    *ret_pc = (const void *)context->uc_mcontext.gregs[REG_RIP];
    *ret_fp = (const void *)context->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    *ret_pc = (const void *)context->uc_mcontext.pc;
    *ret_fp = (const void *)context->uc_mcontext.regs[29];
#endif
}

static void take_note(int signo, siginfo_t *info, void *context)
{
    int saved = errno, self = (int)syscall(SYS_gettid);
    const void *pc, *fp;

    if (atomic_compare_exchange_strong(&note.wanted, &self, 0)) {
        registers_of(context, &pc, &fp);
        note.count = symbol_backtrace(pc, fp, note.low, note.high, note.frames, FRAMES_MAX);
        sem_post(&note.noted);
    }
    errno = saved;
}

/* False: the program has a use of its own for the signal. */
static bool install_handler(void)
{
    struct sigaction action = {.sa_sigaction = take_note,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};

    if (!note.ready) {
        sem_init(&note.noted, 0, 0);
        note.ready = true;
    }
    if (note.installed)
        return true;
    if (sigaction(NOTE_SIGNAL, NULL, &note.before) != 0 ||
        (note.before.sa_handler != SIG_DFL && note.before.sa_handler != SIG_IGN))
        return false;
    sigemptyset(&action.sa_mask);
    note.installed = sigaction(NOTE_SIGNAL, &action, NULL) == 0;
    return note.installed;
}

static bool wait_for_note(void)
{
    int64_t until_ns = world_wall_ns(rt.world) + note_wait_ns; /* the clock of semaphores */
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
                             .tv_nsec = (long)(until_ns % NS_PER_SEC)};
    int r;

    while ((r = sem_timedwait(&note.noted, &until)) != 0 && errno == EINTR)
        ;
    return r == 0;
}

static size_t frames_of_running(int tid, const void **frames)
{
    int expected = tid;

    if (!install_handler())
        return 0;
    atomic_store(&note.wanted, tid);
    if (syscall(SYS_tgkill, getpid(), tid, NOTE_SIGNAL) != 0) {
        atomic_store(&note.wanted, 0);
        return 0;
    }
    if (!wait_for_note()) {
        if (atomic_compare_exchange_strong(&note.wanted, &expected, 0))
            return 0; /* it has the signal blocked; should it come later, nobody is wanted */
        while (sem_wait(&note.noted) != 0)
            ;
    }
    memcpy(frames, note.frames, note.count * sizeof(*frames));
    return note.count;
}

void hog_stop(void)
{
    if (note.installed)
        sigaction(NOTE_SIGNAL, &note.before, NULL);
    note.installed = false;
}

/* ---- a thread that sleeps ---- */

/* A file of /proc/self/task/TID; "" when it cannot be read. */
static void read_task(int tid, const char *name, char *text, size_t size)
{
    char path[64];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, size - 1);
        close(fd);
    }
    text[MAX(n, 0)] = '\0';
}

/* R, S, D, ...; '?' when it cannot be told. */
static char thread_state(int tid)
{
    char text[256], *end;

    read_task(tid, "stat", text, sizeof(text));
    end = strrchr(text, ')'); /* of the name, which may hold anything */
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

bool hog_runs(const struct p *p)
{
    return thread_state(atomic_load(&p->m->tid)) == 'R';
}

int64_t hog_ran_ns(const struct p *p)
{
    char text[128];

    read_task(atomic_load(&p->m->tid), "schedstat", text, sizeof(text));
    return strtoll(text, NULL, 10);
}

/* Where a sleeping thread is: "number six-arguments sp pc", in hexadecimal but for the first. */
static bool sleeping_at(int tid, uintptr_t *ret_sp, uintptr_t *ret_pc)
{
    char text[256];
    unsigned long long sp, pc;

    read_task(tid, "syscall", text, sizeof(text));
    if (sscanf(text, "%*s %*s %*s %*s %*s %*s %*s %llx %llx", &sp, &pc) != 2)
        return false;
    *ret_sp = (uintptr_t)sp;
    *ret_pc = (uintptr_t)pc;
    return true;
}

/* Whether frame pointers lead from fp to the outermost frame, whose own is 0. */
static READS_RACILY bool leads_out(uintptr_t fp, uintptr_t high)
{
    for (int i = 0; i < FRAMES_MAX; i++) {
        uintptr_t next;

        if (fp % 16 != 0 || fp > high - 16)
            return false;
        next = *(const uintptr_t *)fp;
        if (next == 0)
            return true;
        if (next <= fp)
            return false;
        fp = next;
    }
    return true;
}

/* A word that lies in a function that is known may be a return address. */
static bool is_code(uintptr_t word)
{
    struct symbol symbol;

    if (word < 4096)
        return false;
    symbol_find((const void *)(word - 1), &symbol);
    return symbol.start != 0 && symbol.start < word;
}

/* Code of the system's library keeps no frame pointers; but its caller's is saved somewhere on the
 * way, and soon after it comes the address to return to. Words before that are guesses. */
static READS_RACILY size_t scan_stack(uintptr_t sp, uintptr_t high, const void **frames,
                                      size_t count)
{
    size_t guesses_end = count + GUESSES_MAX;
    uintptr_t fp = 0;

    for (int left = SCAN_WORDS; left > 0 && sp + 8 <= high; left--, sp += 8) {
        uintptr_t word = *(const uintptr_t *)sp;

        if (fp == 0 && word > sp && word < high && leads_out(word, high)) {
            fp = word;
            left = MIN(left, SAVED_WORDS);
        } else if (count < guesses_end && is_code(word)) {
            frames[count++] = (const void *)(word - 1);
            if (fp != 0)
                break;
        }
    }
    if (fp == 0)
        return count;
    return count +
           symbol_backtrace(NULL, (const void *)fp, sp, high, frames + count, FRAMES_MAX - count);
}

static size_t frames_of_sleeping(struct co *co, int tid, const void **frames)
{
    uintptr_t low = (uintptr_t)stack_low(co), high = (uintptr_t)co, sp, pc;

    if (!sleeping_at(tid, &sp, &pc))
        return 0;
    frames[0] = (const void *)pc;
    if (sp < low || sp >= high)
        return 1;
    return scan_stack((sp + 7) & ~(uintptr_t)7, high, frames, 1);
}

/* ---- the report ---- */

static size_t describe(const struct weir_hog *hog, char *text)
{
    int n = snprintf(text, TEXT_MAX,
                     "weir: coroutine %llu \"%s\" has kept its thread for %lld ms, %s\n",
                     (unsigned long long)hog->id, hog->name, (long long)(hog->held_ns / NS_PER_MS),
                     hog->state == 'R'   ? "computing without weir_checkpoint()"
                     : hog->state == 'D' ? "waiting for a device (D)"
                     : hog->state == 'S' ? "asleep in a call that blocks"
                                         : "for reasons unknown");
    size_t len = MIN((size_t)MAX(n, 0), (size_t)TEXT_MAX - 1);

    for (size_t i = 0; i < hog->frame_count && len < TEXT_MAX - SYMBOL_TEXT - 16; i++) {
        len += (size_t)snprintf(text + len, TEXT_MAX - len, "    #%zu ", i);
        len += symbol_describe(hog->frames[i], text + len, SYMBOL_TEXT);
        text[len++] = '\n';
        text[len] = '\0';
    }
    return len;
}

/* It may end meanwhile, and its slot begin anew: hog_report() looks afterwards. */
static READS_RACILY const char *name_of(const struct co *co)
{
    return *(const char *const volatile *)&co->name;
}

void hog_report(struct p *p, int64_t held_ns)
{
    static char text[TEXT_MAX]; /* the monitor's */
    const void *frames[FRAMES_MAX];
    struct co *co = atomic_load(&p->m->running);
    unsigned tick = p->watch.tick;
    int tid = atomic_load(&p->m->tid);
    struct weir_hog hog = {.held_ns = held_ns, .frames = frames, .text = text};
    size_t len;

    if (co == NULL || co == &p->m->g0)
        return;
    hog.id = co_id(co);
    hog.name = name_of(co);
    hog.state = thread_state(tid);
    note.low = (uintptr_t)stack_low(co);
    note.high = (uintptr_t)co;
    if (hog.state == 'R')
        hog.frame_count = frames_of_running(tid, frames);
    else
        hog.frame_count = frames_of_sleeping(co, tid, frames);
    if (sched_tick(p) != tick)
        return; /* it has gone on; what was read may be of anything */
    len = describe(&hog, text);
    if (rt.hog_fn != NULL)
        rt.hog_fn(&hog, rt.hog_arg);
    else if (write(STDERR_FILENO, text, len) < 0)
        return; /* nobody listens */
}
