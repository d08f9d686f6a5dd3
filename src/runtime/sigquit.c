/* SIGQUIT: a dump, for programs that ask for it. A thread of its own takes the signal, so that the
 * dump comes when every other thread is stuck. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "runtime/diagnose.h"
#include "runtime/sched.h"

static void *dump_on_each(void *arg)
{
    sigset_t set;
    int signo;

    deadlock_thread_begin();
    sigemptyset(&set);
    sigaddset(&set, SIGQUIT);
    for (;;) {
        if (sigwait(&set, &signo) == 0)
            weir_dump(STDERR_FILENO, 0);
    }
    return NULL;
}

static atomic_bool asked;

bool sigquit_dumps(void)
{
    return atomic_load(&asked);
}

int weir_dump_on_sigquit(void)
{
    pthread_t thread;
    sigset_t set;

    if (atomic_exchange(&asked, true))
        return 0;
    sigemptyset(&set);
    sigaddset(&set, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&thread, NULL, dump_on_each, NULL) != 0) {
        atomic_store(&asked, false);
        return -EAGAIN;
    }
    pthread_detach(thread);
    return 0;
}
