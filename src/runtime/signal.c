/* A thread that does nothing but sigwait(), and the coroutine it wakes. */
#include <weir/signal.h>

#include <signal.h>

#include "runtime/diagnose.h"
#include "runtime/sched.h"

static struct {
    struct spinlock lock;
    uint32_t pending; /* bit per signal number */
    co_ticket waiter;
    bool running; /* the thread; started by the first wait */
    bool stop;    /* it is to end; under the lock */
    pthread_t thread;
} taker;

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGQUIT);
    sigaddset(set, SIGUSR1);
}

void weir_signal_block(void)
{
    sigset_t set;

    signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Under the lock: takes note of a signal; whom to wake for it. */
static co_ticket note_signal(int signo)
{
    co_ticket waiter = taker.waiter;

    taker.pending |= UINT32_C(1) << signo;
    taker.waiter = 0;
    return waiter;
}

static void *take_signals(void *arg)
{
    sigset_t set;
    int signo;

    signal_set(&set);
    if (sigquit_dumps())
        sigdelset(&set, SIGQUIT); /* somebody else's */
    deadlock_thread_begin();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (;;) {
        co_ticket waiter;

        if (sigwait(&set, &signo) != 0)
            continue;
        spin_lock(&taker.lock);
        if (taker.stop)
            break;
        waiter = note_signal(signo);
        spin_unlock(&taker.lock);
        if (waiter != 0)
            park_wake(waiter, RESULT_WOKEN);
    }
    spin_unlock(&taker.lock);
    deadlock_thread_end();
    return NULL;
}

static int start_taker(void)
{
    if (taker.running)
        return 0;
    if (pthread_create(&taker.thread, NULL, take_signals, NULL) != 0)
        return -EAGAIN;
    taker.running = true;
    return 0;
}

int weir_signal_wait(void)
{
    struct co *co = co_self();
    int r;

    ASSERT(co != NULL);
    if (rt.simulated)
        return -ENOSYS;
    r = start_taker();
    while (r == 0) {
        co_ticket ticket;

        spin_lock(&taker.lock);
        if (taker.pending != 0) {
            int signo = __builtin_ctz(taker.pending);

            taker.pending &= ~(UINT32_C(1) << signo);
            spin_unlock(&taker.lock);
            return signo;
        }
        if (taker.waiter != 0) {
            spin_unlock(&taker.lock);
            return -EBUSY;
        }
        ticket = park_prepare(co, WAIT_SIGNAL, NULL, 0);
        taker.waiter = ticket;
        r = park(co, NS_NEVER, &taker.lock);
        if (r < 0) {
            spin_lock(&taker.lock);
            if (taker.waiter == ticket)
                taker.waiter = 0;
            spin_unlock(&taker.lock);
        }
    }
    return r;
}

void signal_stop(void)
{
    if (!taker.running)
        return;
    spin_lock(&taker.lock);
    taker.stop = true;
    spin_unlock(&taker.lock);
    pthread_kill(taker.thread, SIGUSR1); /* out of sigwait(). Not cancelled: a thread sanitizer does
                                            not see the locks of one that ends so */
    pthread_join(taker.thread, NULL);
    memset(&taker, 0, sizeof(taker));
}
