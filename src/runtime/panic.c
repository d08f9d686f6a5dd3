/* Panics: deferred calls, tries, and the way from the one to the other. No unwinder: what is to be
 * ended is linked in struct unwind, and the jump is one of our own. */
#include "runtime/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/error.h>

#include "runtime/fault.h"
#include "runtime/sched.h"
#include "runtime/symbol.h"
#if defined(WEIR_TSAN)
#include <setjmp.h>
#endif

/* A weir_try() that runs, on its stack. The rest is what was in force when it began. */
struct try_frame {
    void *sp; /* for try_return() */
    struct try_frame *outer;
    struct weir_defer *defers;
    struct weir_deadline *deadline;
    struct scope *scopes;
    struct panic *panic;
    struct weir_panic_info *info; /* where the caller wants it, or NULL */
#if defined(WEIR_TSAN)
    jmp_buf env; /* that sanitizer keeps a stack of calls, and knows this way to shorten it */
#endif
};

static struct {
    struct spinlock lock; /* guards the two */
    weir_panic_hook *hook;
    void *arg;
    pthread_mutex_t printing; /* one report after the other */
} panics = {.printing = PTHREAD_MUTEX_INITIALIZER};

static struct unwind *unwind_of(struct co *co)
{
    return likely(co != NULL) ? &co->unwind : m_this_unwind();
}

/* ---- deferred calls ---- */

/* Other threads come by functions of their own, so that coroutines need save no registers here. */
static NOINLINE struct weir_defer *push_on_thread(struct weir_defer *d, void (*fn)(void *arg),
                                                  void *arg)
{
    struct unwind *u = m_this_unwind();

    *d = (struct weir_defer){.next = u->defers, .fn = fn, .arg = arg};
    u->defers = d;
    return d;
}

struct weir_defer *weir_defer_push(struct weir_defer *d, void (*fn)(void *arg), void *arg)
{
    struct co *co = co_self();

    if (unlikely(co == NULL))
        return push_on_thread(d, fn, arg);
    d->next = co->unwind.defers;
    d->fn = fn;
    d->arg = arg;
    d->private_[0] = co->scopes;
    d->private_[1] = co->deadline;
    co->unwind.defers = d;
    return d;
}

static NOINLINE void run_on_thread(struct weir_defer *d)
{
    struct unwind *u = m_this_unwind();

    ASSERT(u->defers == d); /* blocks are left from the inside out */
    u->defers = d->next;
    d->fn(d->arg);
}

void weir_defer_run(struct weir_defer *d)
{
    struct co *co = co_self();

    if (unlikely(co == NULL)) {
        run_on_thread(d);
        return;
    }
    ASSERT(co->unwind.defers == d);
    co->unwind.defers = d->next;
    d->fn(d->arg);
}

/* ---- tries ---- */

/* The one who jumps back leaves r. */
static int call(struct try_frame *t, void (*fn)(void *arg), void *arg)
{
#if defined(WEIR_TSAN)
    int r = _setjmp(t->env);

    if (r != 0)
        return -r;
    fn(arg);
    return 0;
#else
    return try_call(&t->sp, fn, arg);
#endif
}

static NORETURN void call_return(struct try_frame *t, int r)
{
#if defined(WEIR_TSAN)
    longjmp(t->env, -r);
#else
    sanitize_abandon(t->sp);
    try_return(t->sp, r);
#endif
}

static NOINLINE int try_on_thread(void (*fn)(void *arg), void *arg,
                                  struct weir_panic_info *ret_info)
{
    struct unwind *u = m_this_unwind();
    struct try_frame t = {
        .outer = u->tries, .defers = u->defers, .panic = u->panic, .info = ret_info};
    int r;

    u->tries = &t;
    r = call(&t, fn, arg);
    m_this_unwind()->tries = t.outer;
    return r;
}

int weir_try(void (*fn)(void *arg), void *arg, struct weir_panic_info *ret_info)
{
    struct co *co = co_self();
    struct try_frame t;
    int r;

    if (unlikely(co == NULL))
        return try_on_thread(fn, arg, ret_info);
    t.outer = co->unwind.tries;
    t.defers = co->unwind.defers;
    t.deadline = co->deadline;
    t.scopes = co->scopes;
    t.panic = co->unwind.panic;
    t.info = ret_info;
    co->unwind.tries = &t;
    r = call(&t, fn, arg);
    ASSERT_HOT(co->unwind.tries == &t);
    co->unwind.tries = t.outer;
    if (unlikely(r < 0) && unlikely(co->unwind.spare_open))
        stack_close_spare(co, &t);
    return r;
}

/* ---- panics ---- */

/* Deadlines and scopes opened since these were the innermost ones. Scopes' children are cancelled
 * and joined. */
static void leave_blocks(struct co *co, const void *scopes, const void *deadline)
{
    if (co == NULL)
        return;
    while (co->deadline != deadline)
        weir_deadline_leave(co->deadline);
    while (co->scopes != scopes) {
        struct weir_scope *s = (struct weir_scope *)(void *)co->scopes;

        s->done = false;
        weir_scope_leave(s);
    }
}

static void leave_all(struct co *co, struct unwind *u, const struct try_frame *t)
{
    while (u->defers != (t != NULL ? t->defers : NULL)) {
        struct weir_defer *d = u->defers;

        leave_blocks(co, d->private_[0], d->private_[1]);
        u->defers = d->next;
        d->fn(d->arg);
    }
    leave_blocks(co, t != NULL ? t->scopes : NULL, t != NULL ? t->deadline : NULL);
}

struct report {
    const struct weir_panic_info *info;
    weir_panic_hook *hook;
    void *arg;
};

static void report_here(void *arg)
{
    struct report *r = arg;

    if (r->hook != NULL)
        r->hook(r->info, r->arg);
    else
        weir_panic_print(STDERR_FILENO, r->info);
}

static void report(struct co *co, const struct weir_panic_info *info)
{
    struct report r = {.info = info};

    spin_lock(&panics.lock);
    r.hook = panics.hook;
    r.arg = panics.arg;
    spin_unlock(&panics.lock);
    panic_with_room(co, report_here, &r);
}

/* The thread's own stack has it: its scheduler loop stands there, waiting for the next switch. */
void panic_with_room(struct co *co, void (*fn)(void *arg), void *arg)
{
#if !defined(WEIR_SANITIZED)
    if (co != NULL) {
        stack_call((void *)((uintptr_t)co->m->g0.sp & ~(uintptr_t)15), fn, arg);
        return;
    }
#endif
    fn(arg);
}

/* At the top of its stack, which is empty otherwise: the end of a coroutine that has panicked. */
static NORETURN void end_coroutine(void *arg)
{
    struct co *co = arg;

    if (co->unwind.spare_open)
        stack_close_spare(co, __builtin_frame_address(0));
    if (co == rt.main_co)
        runtime_main_ended(co, -ENOTRECOVERABLE);
    scope_child_result(co, -ENOTRECOVERABLE);
    co_end(co);
}

static NORETURN void give_up_coroutine(struct co *co)
{
    sanitize_abandon(co);
    stack_jump(spawn_stack_top(co), end_coroutine, co);
}

/* Nobody will recover: that is clear at once, so the report comes before the deferred calls. */
static void report_unrecovered(struct co *co, const struct panic *p)
{
    report(co, &p->info);
    if (co == NULL || rt.panic_aborts)
        abort();
    if (p->outer == NULL)
        atomic_fetch_add(&rt.panics, 1);
}

NORETURN void panic_run(struct panic *p)
{
    struct co *co = co_self();
    struct unwind *u = unwind_of(co);
    struct try_frame *t = u->tries;

    p->outer = u->panic != (t != NULL ? t->panic : NULL) ? u->panic : NULL;
    p->info.depth = p->outer != NULL ? p->outer->info.depth + 1 : 0;
    u->panic = p;
    if (t == NULL)
        report_unrecovered(co, p);
    leave_all(co, u, t);
    u->panic = t != NULL ? t->panic : NULL;
    if (t == NULL)
        give_up_coroutine(co);
    if (t->info != NULL)
        *t->info = p->info;
    call_return(t, p->info.code);
}

static unsigned backtrace(struct co *co, const void *fp, const void *pc, const void **out)
{
    struct m *m = co != NULL ? NULL : m_this_thread();
    uintptr_t lo, hi;

    if (co != NULL) {
        lo = (uintptr_t)fp; /* not the lowest address: it may run on the spare part */
        hi = (uintptr_t)co;
    } else if (m != NULL && (uintptr_t)fp - (uintptr_t)m->bounds.low < m->bounds.size) {
        lo = (uintptr_t)m->bounds.low;
        hi = lo + m->bounds.size;
    } else {
        out[0] = (const char *)pc - 1;
        return 1;
    }
    return (unsigned)symbol_backtrace(NULL, fp, lo, hi, out, WEIR_PANIC_FRAMES);
}

void weir_panic_at(const char *file, int line, int code, const char *fmt, ...)
{
    struct co *co = co_self();
    struct panic p;
    va_list ap;

    p.overflow = false;
    p.info.code = code < 0 ? code : -ENOTRECOVERABLE;
    p.info.signo = 0;
    p.info.file = file;
    p.info.line = line;
    p.info.coroutine_id = weir_self_id();
    p.info.coroutine_name = weir_self_name();
    va_start(ap, fmt);
    if (vsnprintf(p.info.message, sizeof(p.info.message), fmt, ap) < 0)
        p.info.message[0] = '\0';
    va_end(ap);
    p.info.frame_count =
        backtrace(co, __builtin_frame_address(0), __builtin_return_address(0), p.info.frames);
    panic_run(&p);
}

void weir_panic_again(const struct weir_panic_info *info)
{
    struct panic p = {.info = *info};

    p.info.coroutine_id = weir_self_id();
    p.info.coroutine_name = weir_self_name();
    panic_run(&p);
}

const struct weir_panic_info *weir_panicking(void)
{
    const struct unwind *u = unwind_of(co_self());
    const struct panic *outside = u->tries != NULL ? u->tries->panic : NULL;

    return u->panic != outside ? &u->panic->info : NULL;
}

/* ---- what people see ---- */

void weir_set_panic_hook(weir_panic_hook *hook, void *arg)
{
    spin_lock(&panics.lock);
    panics.hook = hook;
    panics.arg = arg;
    spin_unlock(&panics.lock);
}

void weir_panic_print(int fd, const struct weir_panic_info *info)
{
    pthread_mutex_lock(&panics.printing);
    dprintf(fd, "weir: panic%s in ", info->depth != 0 ? " (while another ran deferred calls)" : "");
    if (info->coroutine_id != 0)
        dprintf(fd, "coroutine %llu \"%s\"", (unsigned long long)info->coroutine_id,
                info->coroutine_name);
    else
        dprintf(fd, "a thread outside of coroutines");
    dprintf(fd, ": %s [", info->message);
    if (weir_code_name(info->code)[0] != '\0')
        dprintf(fd, "%s]", weir_code_name(info->code));
    else
        dprintf(fd, "%d]", info->code);
    if (info->file != NULL)
        dprintf(fd, " at %s:%d", info->file, info->line);
    dprintf(fd, "\n");
    symbol_print(fd, "  ", info->frames, info->frame_count);
    pthread_mutex_unlock(&panics.printing);
}
