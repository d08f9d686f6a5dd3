/* Background coroutines that can be ended: see task.h. */
#include "gateway/task.h"

static bool enter(struct task *t, struct weir_scope *s)
{
    bool stop;

    spin_lock(&t->lock);
    t->scope = s;
    stop = t->stop;
    spin_unlock(&t->lock);
    return !stop;
}

static void leave(struct task *t)
{
    spin_lock(&t->lock);
    t->scope = NULL;
    spin_unlock(&t->lock);
}

static void task_main(void *arg)
{
    struct task *t = arg;
    void (*release)(void *) = t->release;
    void *object = t->arg;

    weir_mutex_lock(&t->running);
    WEIR_SCOPE (s) {
        if (enter(t, s))
            t->fn(object);
        leave(t);
    }
    weir_mutex_unlock(&t->running);
    release(object);
}

int task_start(struct task *t, const char *name, void (*fn)(void *arg), void (*release)(void *arg),
               void *arg)
{
    t->fn = fn;
    t->release = release;
    t->arg = arg;
    return weir_go(name, task_main, t);
}

void task_stop(struct task *t)
{
    spin_lock(&t->lock);
    t->stop = true;
    if (t->scope != NULL)
        weir_scope_cancel(t->scope);
    spin_unlock(&t->lock);
    weir_mutex_lock(&t->running);
    weir_mutex_unlock(&t->running);
}
