/* Faults. One is contained, that is, made a panic of its coroutine, when nothing but that
 * coroutine can be in disorder: it happened on the coroutine's own stack; not in the runtime, whose
 * locks it might hold; and in the executable, not in the C library or another, for the same reason.
 * The handler then rewrites the context that it will return to, so that the panic begins on the
 * coroutine's stack, outside of the handler. Costs nothing until a fault occurs. */
#include "runtime/fault.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/panic.h"
#include "runtime/sched.h"
#include "runtime/symbol.h"

enum {
    SIGNAL_STACK = 256 * 1024, /* reports are printed on it; touched as needed */
    RED_ZONE = 128,            /* below the stack pointer, used by leaf functions */
    ROOM = 8192,               /* a panic begins on the spare stack when less is left */
    RANGES_MAX = 8,
};

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

/* Written before there are other threads. */
static struct {
    bool installed;
    bool contain;
    struct sigaction before[ARRAY_LEN(signals)];
    stack_t stack_before; /* of the thread that calls weir_main() */
    struct {
        uintptr_t from, to;
    } user[RANGES_MAX]; /* code of the executable */
    unsigned user_count;
} faults;

/* text.ld: the runtime's code in executables linked with the static library and this script. In the
 * shared library it is not in the executable anyway. */
extern const char weir_runtime_text_start[] __attribute__((weak, visibility("hidden")));
extern const char weir_runtime_text_end[] __attribute__((weak, visibility("hidden")));

/* ---- where the fault is ---- */

static bool in_runtime(uintptr_t pc)
{
    return pc >= (uintptr_t)weir_runtime_text_start && pc < (uintptr_t)weir_runtime_text_end;
}

static bool in_user_code(uintptr_t pc)
{
    if (in_runtime(pc))
        return false;
    for (unsigned i = 0; i < faults.user_count; i++) {
        if (pc >= faults.user[i].from && pc < faults.user[i].to)
            return true;
    }
    return false;
}

/* The first object is the executable. A static one (it asks for no loader) has the C library's code
 * among its own: nothing in it can be trusted to hold no lock. */
static int find_user_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    bool loaded = false;

    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        loaded |= ph->p_type == PT_INTERP;
        if (ph->p_type != PT_LOAD || (ph->p_flags & PF_X) == 0 || faults.user_count == RANGES_MAX)
            continue;
        faults.user[faults.user_count].from = info->dlpi_addr + ph->p_vaddr;
        faults.user[faults.user_count].to = info->dlpi_addr + ph->p_vaddr + ph->p_memsz;
        faults.user_count++;
    }
    /* Nor can anything where the runtime's own code is among it and cannot be told apart. */
    if (!loaded || ((uintptr_t)weir_runtime_text_end == 0 && in_user_code((uintptr_t)weir_main)))
        faults.user_count = 0;
    return 1;
}

static struct co *stack_owner(uintptr_t sp)
{
    struct co *co;

    if (sp - stack_arena.base >= stack_arena.size)
        return NULL;
    co = stack_co((uint32_t)((sp - stack_arena.base) >> stack_arena.shift));
    return co->m == m_this_thread() ? co : NULL;
}

/* What of the stack may be read. */
static void stack_bounds_of(const struct fault *f, uintptr_t *ret_lo, uintptr_t *ret_hi)
{
    const struct m *m = f->co == NULL ? m_this_thread() : NULL;

    *ret_lo = *ret_hi = 0;
    if (f->co != NULL) {
        *ret_lo = MAX(f->sp, (uintptr_t)stack_low(f->co));
        *ret_hi = (uintptr_t)f->co;
    } else if (m != NULL && f->sp - (uintptr_t)m->bounds.low < m->bounds.size) {
        *ret_lo = f->sp;
        *ret_hi = (uintptr_t)m->bounds.low + m->bounds.size;
    }
}

/* The frame pointer leads to the caller's caller when the function has not made a frame (yet), as
 * many in the C library; then its return address is where a call puts it. */
size_t fault_backtrace(const struct fault *f, const void **out, size_t max)
{
    uintptr_t lo, hi;
    size_t n = 0;

    stack_bounds_of(f, &lo, &hi);
    out[n++] = (const void *)f->pc;
    if (in_user_code(f->lr) && !in_user_code(f->pc))
        out[n++] = (const void *)(f->lr - 1);
    n += symbol_backtrace(NULL, (const void *)f->fp, lo, hi, out + n, max - n);
    if (n > 2 && out[1] == out[2])
        memmove(out + 1, out + 2, (--n - 1) * sizeof(*out));
    return n;
}

static struct fault describe(int signo, const siginfo_t *si, const ucontext_t *uc)
{
    struct fault f = {.signo = signo, .code = si->si_code, .address = si->si_addr};
    uintptr_t lo, hi;

#if defined(__x86_64__)
    f.pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    f.sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
    f.fp = (uintptr_t)uc->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    f.pc = uc->uc_mcontext.pc;
    f.sp = uc->uc_mcontext.sp;
    f.fp = uc->uc_mcontext.regs[29];
    f.lr = uc->uc_mcontext.regs[30];
#endif
    f.co = stack_owner(f.sp);
    stack_bounds_of(&f, &lo, &hi);
#if defined(__x86_64__)
    if (f.sp >= lo && f.sp + sizeof(f.lr) <= hi && f.sp % sizeof(f.lr) == 0)
        f.lr = *(const uintptr_t *)f.sp;
#endif
    if (f.co != NULL && si->si_code > 0)
        f.overflow =
            (uintptr_t)stack_low(f.co) - (uintptr_t)si->si_addr - 1 < stack_arena.guard_bytes;
    return f;
}

/* NULL: it may be contained. */
static const char *why_not(const struct fault *f)
{
    if (f->code <= 0)
        return "the signal was sent by somebody";
    if (f->co == NULL)
        return "it was not on a coroutine's stack";
    if (f->overflow && f->co->unwind.spare_open)
        return "the stack had overflowed before, and deferred calls ran on the rest";
    if (faults.user_count == 0)
        return "in a static executable nothing is known to hold no lock";
    if (in_runtime(f->pc))
        return "it was in the runtime, which may hold locks";
    if (!in_user_code(f->pc))
        return "it was in a library, which may hold locks";
    if (!f->overflow && !faults.contain)
        return "weir_options.contain_faults is not set";
    return NULL;
}

/* ---- from the handler to the panic ---- */

/* On the coroutine's stack, outside of the handler: what could not be done there. */
static void name_place(void *arg)
{
    struct panic *p = arg;
    struct symbol s;
    size_t size_kib = (stack_arena.mask + 1) / KIB;

    symbol_find(p->info.frames[0], &s);
    if (s.function[0] == '\0')
        snprintf(s.function, sizeof(s.function), "%p", p->info.frames[0]);
    if (p->overflow)
        snprintf(p->info.message, sizeof(p->info.message),
                 "the stack of %zu KiB overflowed in %s: raise weir_options.stack_bytes", size_kib,
                 s.function);
    else
        snprintf(p->info.message, sizeof(p->info.message), "SIG%s at address %p in %s",
                 sigabbrev_np(p->info.signo), p->address, s.function);
}

static NORETURN void land(struct panic *p)
{
    panic_with_room(co_self(), name_place, p);
    panic_run(p);
}

static int code_of(const struct fault *f)
{
    if (f->overflow)
        return -EOVERFLOW;
    if (f->signo == SIGFPE)
        return -EDOM;
    return f->signo == SIGILL ? -ENOTRECOVERABLE : -EFAULT;
}

/* Below what the interrupted function uses, or on the spare part of the stack. */
static struct panic *place_panic(const struct fault *f)
{
    uintptr_t low = (uintptr_t)stack_low(f->co), top = f->sp - RED_ZONE;

    if (f->overflow || f->sp - low < ROOM || f->sp < low) {
        if (f->co->unwind.spare_open || !stack_open_spare(f->co))
            return NULL;
        f->co->unwind.spare_open = true;
        top = low;
    }
    return (struct panic *)((top - sizeof(struct panic)) & ~(uintptr_t)63);
}

static void aim(ucontext_t *uc, struct panic *p)
{
#if defined(__x86_64__)
    uintptr_t *sp = (uintptr_t *)p - 1; /* as if called */

    *sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    uc->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)land;
    uc->uc_mcontext.gregs[REG_RDI] = (greg_t)p;
    uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x400; /* strings go upwards */
#elif defined(__aarch64__)
    uc->uc_mcontext.regs[30] = uc->uc_mcontext.pc;
    uc->uc_mcontext.sp = (uintptr_t)p;
    uc->uc_mcontext.pc = (uintptr_t)land;
    uc->uc_mcontext.regs[0] = (uintptr_t)p;
    uc->uc_mcontext.pstate &= ~UINT64_C(0xc00); /* a branch to land() is as good as a call */
#endif
}

static bool contain(const struct fault *f, ucontext_t *uc)
{
    struct panic *p = place_panic(f);

    if (p == NULL)
        return false;
    *p = (struct panic){.address = f->address, .overflow = f->overflow};
    p->info.code = code_of(f);
    p->info.signo = f->signo;
    p->info.coroutine_id = co_id(f->co);
    p->info.coroutine_name = f->co->name;
    p->info.frame_count = (unsigned)fault_backtrace(f, p->info.frames, WEIR_PANIC_FRAMES);
    aim(uc, p);
    return true;
}

/* ---- the handler ---- */

static struct sigaction *handler_before(int signo)
{
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (signals[i] == signo)
            return &faults.before[i];
    }
    return NULL;
}

static bool is_function(const struct sigaction *sa)
{
    return (sa->sa_flags & SA_SIGINFO) != 0 ||
           (sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN);
}

/* Whoever had the signal before: another library's handler, or the default action, which takes
 * effect when the instruction is tried again. */
static void pass_on(int signo, siginfo_t *si, void *context)
{
    struct sigaction *before = handler_before(signo);

    if ((before->sa_flags & SA_SIGINFO) != 0) {
        before->sa_sigaction(signo, si, context);
    } else if (is_function(before)) {
        before->sa_handler(signo);
    } else {
        signal(signo, SIG_DFL);
        if (si->si_code <= 0)
            raise(signo);
    }
}

static void on_fault(int signo, siginfo_t *si, void *context)
{
    int saved_errno = errno;
    struct fault f = describe(signo, si, context);
    const char *why = why_not(&f);

    if (why == NULL && !contain(&f, context))
        why = "no memory could be had to run deferred calls on";
    if (why != NULL) {
        if (f.co != NULL || !is_function(handler_before(signo)))
            crash_report(&f, why);
        pass_on(signo, si, context);
    }
    errno = saved_errno;
}

void fault_install(bool contain_faults)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

#if defined(WEIR_SANITIZED)
    return;
#endif
    faults.contain = contain_faults;
    faults.user_count = 0;
    dl_iterate_phdr(find_user_code, NULL);
    if (in_user_code((uintptr_t)fault_install))
        faults.user_count = 0; /* linked without text.ld: where the runtime is cannot be told */
    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &sa, &faults.before[i]);
    faults.installed = true;
}

void fault_begin_thread(struct m *m)
{
    stack_t ss = {.ss_size = SIGNAL_STACK - STACK_PAGE};
    char *map;

    if (!faults.installed)
        return;
    map = m->signal_stack;
    if (map == NULL) {
        map = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED)
            return; /* then an overflow ends the process without a report */
        mprotect(map, STACK_PAGE, PROT_NONE);
        m->signal_stack = map;
    }
    ss.ss_sp = map + STACK_PAGE;
    sigaltstack(&ss, m == rt.ms[0] ? &faults.stack_before : NULL);
}

void fault_uninstall(void)
{
    if (!faults.installed)
        return;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        struct sigaction now;

        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_sigaction == on_fault)
            sigaction(signals[i], &faults.before[i], NULL);
    }
    if (rt.ms[0] != NULL && rt.ms[0]->signal_stack != NULL)
        sigaltstack(&faults.stack_before, NULL);
    for (unsigned i = 0; i < PROCESSORS_MAX; i++) {
        if (rt.ms[i] != NULL && rt.ms[i]->signal_stack != NULL)
            munmap(rt.ms[i]->signal_stack, SIGNAL_STACK);
    }
    faults.installed = false;
}
