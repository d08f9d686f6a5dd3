/* Timers and tickers that programs start: what the wheel's timer needs beside it to do something,
 * and to be stopped.
 *
 * The wheel hands a timer that is due to the scheduler loop that runs it (alarm_fire()), and has
 * forgotten it then. Until that is through, the alarm stays ARMED: who stops it takes it from the
 * wheel, or waits that short while; either way its memory is the caller's afterwards. */
#include "runtime/alarm.h"

#include <weir/timer.h>

#include "runtime/chan.h"
#include "runtime/explore.h"

enum alarm_state {
    ALARM_NEW,   /* never started */
    ALARM_IDLE,  /* not on a wheel, and nobody is about to fire it */
    ALARM_ARMED, /* on a wheel, or being fired */
};

enum alarm_kind { ALARM_CALL, ALARM_SEND };

struct __attribute__((may_alias)) alarm {
    struct timer timer;
    atomic_uint state;
    enum alarm_kind kind; /* what follows is constant while it is armed */
    union {
        void (*fn)(void *arg);
        struct weir_chan *chan;
    };
    void *arg;
    int64_t period_ns; /* 0: once */
    int64_t at_ns;     /* with a period: whoever fires it counts on */
};
_Static_assert(sizeof(struct alarm) <= sizeof(struct weir_timer), "struct weir_timer");

enum { RETRY_NS = 1000 * 1000 /* when there is no coroutine to be had */ };

static struct alarm *alarm_of(struct weir_timer *t)
{
    return (struct alarm *)t->private_;
}

static int64_t after(int64_t span_ns)
{
    int64_t at_ns = world_now_ns(rt.world);

    return __builtin_add_overflow(at_ns, MAX(span_ns, 0), &at_ns) ? NS_NEVER - 1 : at_ns;
}

static void arm(struct m *m, struct alarm *a, int64_t at_ns)
{
    timer_arm(m->p->wheel, &a->timer, at_ns, TICKET_ALARM);
}

/* ---- firing ---- */

static void send_time(struct weir_chan *c, int64_t now_ns)
{
    struct co *wake;

    spin_lock(&c->lock);
    chan_send_now(c, &now_ns, &wake);
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run(wake);
}

/* False: no coroutine. */
static bool call(struct m *m, struct alarm *a)
{
    struct co *co = spawn(m, "timer", (union co_fn){.plain = a->fn}, a->arg, CO_PLAIN);

    if (co != NULL)
        ready_last(m, co);
    return co != NULL;
}

void alarm_fire(struct m *m, struct timer *t)
{
    struct alarm *a = container_of(t, struct alarm, timer);
    int64_t now_ns = m->p->place.now_ns;

    if (a->kind == ALARM_SEND) {
        send_time(a->chan, now_ns);
    } else if (!call(m, a)) {
        arm(m, a, now_ns + RETRY_NS);
        return;
    }
    if (a->period_ns > 0) {
        a->at_ns += (1 + MAX(now_ns - a->at_ns, 0) / a->period_ns) * a->period_ns;
        arm(m, a, a->at_ns); /* the last touch: it may be taken from the wheel at once */
        return;
    }
    atomic_store_explicit(&a->state, ALARM_IDLE, memory_order_release);
}

/* ---- starting and stopping ---- */

static bool armed(struct alarm *a)
{
    return atomic_load_explicit(&a->state, memory_order_acquire) == ALARM_ARMED;
}

/* True: it has been kept from firing. */
static bool stop(struct alarm *a)
{
    for (int i = 0; armed(a); i++) {
        if (timer_cancel(&a->timer)) {
            atomic_store_explicit(&a->state, ALARM_IDLE, memory_order_release);
            return true;
        }
        if (i < 200)
            spin_pause();
        else
            sched_yield();
    }
    return false;
}

static void start(struct alarm *a, int64_t at_ns)
{
    struct m *m = m_current();

    ASSERT(m != NULL); /* from a coroutine */
    a->at_ns = at_ns;
    atomic_store_explicit(&a->state, ALARM_ARMED, memory_order_relaxed);
    arm(m, a, at_ns);
}

void weir_timer_call(struct weir_timer *t, int64_t after_ns, void (*fn)(void *arg), void *arg)
{
    struct alarm *a = alarm_of(t);

    stop(a);
    a->kind = ALARM_CALL;
    a->fn = fn;
    a->arg = arg;
    a->period_ns = 0;
    start(a, after(after_ns));
}

void weir_timer_send(struct weir_timer *t, int64_t after_ns, struct weir_chan *c)
{
    struct alarm *a = alarm_of(t);

    ASSERT(c != NULL && c->elem_bytes == sizeof(int64_t));
    stop(a);
    a->kind = ALARM_SEND;
    a->chan = c;
    a->period_ns = 0;
    start(a, after(after_ns));
}

bool weir_timer_stop(struct weir_timer *t)
{
    explore_point("stop timer", t);
    return stop(alarm_of(t));
}

/* To a later time, where it sits: the wheel will move it. */
static bool postpone(struct alarm *a, int64_t at_ns)
{
    struct wheel *w = atomic_load_explicit(&a->timer.wheel, memory_order_acquire);
    bool postponed;

    if (w == NULL)
        return false;
    spin_lock(&w->lock);
    postponed = atomic_load_explicit(&a->timer.wheel, memory_order_relaxed) == w &&
                a->timer.at_tick <= (uint64_t)at_ns >> w->shift;
    if (postponed)
        a->timer.want_ns = at_ns;
    spin_unlock(&w->lock);
    return postponed;
}

bool weir_timer_reset(struct weir_timer *t, int64_t after_ns)
{
    struct alarm *a = alarm_of(t);
    int64_t at_ns = after(after_ns);
    bool ran;

    explore_point("reset timer", t);
    ASSERT(atomic_load_explicit(&a->state, memory_order_relaxed) != ALARM_NEW);
    if (postpone(a, at_ns))
        return true;
    ran = stop(a);
    start(a, at_ns);
    return ran;
}

/* ---- tickers ---- */

void weir_ticker_start(struct weir_ticker *t, int64_t period_ns, struct weir_chan *c)
{
    struct alarm *a = alarm_of(&t->timer_);

    ASSERT(period_ns > 0 && (c == NULL || c->elem_bytes == sizeof(int64_t)));
    stop(a);
    t->period_ns_ = period_ns;
    t->next_ns_ = after(period_ns);
    if (c == NULL)
        return;
    a->kind = ALARM_SEND;
    a->chan = c;
    a->period_ns = period_ns;
    start(a, t->next_ns_);
}

int weir_ticker_wait(struct weir_ticker *t)
{
    struct co *co = co_self();
    int64_t now_ns, count;
    int r;

    ASSERT(co != NULL && t->period_ns_ > 0);
    r = co_check(co);
    if (r < 0)
        return r;
    if (world_now_ns(rt.world) < t->next_ns_) {
        park_prepare(co, WAIT_SLEEP, t, 0);
        r = park(co, t->next_ns_, NULL);
        if (r != -ETIMEDOUT || co->deadline_ns < t->next_ns_)
            return r;
    }
    now_ns = MAX(world_now_ns(rt.world), t->next_ns_);
    count = 1 + (now_ns - t->next_ns_) / t->period_ns_;
    t->next_ns_ += count * t->period_ns_;
    return (int)MIN(count, (int64_t)INT32_MAX);
}

void weir_ticker_stop(struct weir_ticker *t)
{
    explore_point("stop ticker", t);
    stop(alarm_of(&t->timer_));
}
