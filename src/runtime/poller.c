/* Sockets that coroutines wait for: one atomic word per direction, watches, type-stable memory.
 *
 * The word holds flags and, while somebody waits or watches, which wait it is; an event, a close, a
 * timeout and a change of mind all take it away with one CAS, so that exactly one of them wins. */
#include "runtime/poller.h"

#include <stdlib.h>

#include "runtime/sched.h"

enum {
    PF_READY = 1,   /* an event has come that nobody has consumed */
    PF_HUP = 2,     /* read direction: the peer has hung up; for good */
    PF_CLOSED = 4,  /* for good, until it is recycled */
    PF_WATCHED = 8, /* the upper half numbers the watch */
    PF_FLAGS = TICKET_FLAGS,
    /* Upper 56 bits, without PF_WATCHED: the ticket of the coroutine that waits, or 0. */

    CHUNK = 256,
    CHUNKS_MAX = 1 << 14, /* four million sockets */
};

struct poll_fd {
    _Atomic(uint64_t) word[2]; /* anybody */
    int sock;

    /* The owner of the socket; handed over by a watch. */
    struct timer timer; /* of the watch */
    poll_watch_fn *watch_fn;
    void *watch_arg;
    const char *watch_name;
    uint32_t watch_seq;
    uint8_t cause; /* while it starves */
    uint16_t processor;

    struct spinlock hangup_lock; /* held while it is told, so that it can be taken away */
    struct poll_fd *next;        /* free, retired or starved */
    _Atomic(struct poll_hangup *) hangup;
};
_Static_assert(sizeof(struct poll_fd) <= 128, "what an idle connection costs");

static struct {
    struct spinlock lock;
    struct poll_fd *free;
    struct poll_fd *chunks[CHUNKS_MAX];
    uint32_t chunk_count;

    /* Watches that have fired and found no room for a coroutine. */
    struct poll_fd *starved_first, *starved_last;
} table;

atomic_uint poller_starved_count;

/* ---- memory ---- */

static bool grow(void)
{
    struct poll_fd *chunk;

    if (table.chunk_count == CHUNKS_MAX)
        return false;
    if (posix_memalign((void **)&chunk, CACHE_LINE, CHUNK * sizeof(*chunk)) != 0)
        return false;
    memset(chunk, 0, CHUNK * sizeof(*chunk));
    for (int i = CHUNK - 1; i >= 0; i--) {
        atomic_init(&chunk[i].word[POLL_READ], PF_CLOSED);
        atomic_init(&chunk[i].word[POLL_WRITE], PF_CLOSED);
        chunk[i].next = table.free;
        table.free = &chunk[i];
    }
    table.chunks[table.chunk_count++] = chunk;
    return true;
}

static struct poll_fd *take_free(void)
{
    struct poll_fd *pf = NULL;

    spin_lock(&table.lock);
    if (table.free != NULL || grow()) {
        pf = table.free;
        table.free = pf->next;
    }
    spin_unlock(&table.lock);
    return pf;
}

static void give_free(struct poll_fd *first)
{
    struct poll_fd *last = first;

    if (first == NULL)
        return;
    while (last->next != NULL)
        last = last->next;
    spin_lock(&table.lock);
    last->next = table.free;
    table.free = first;
    spin_unlock(&table.lock);
}

/* At the beginning of a round of p's poller: the last round is over, and the next one cannot name
 * what was removed from the poller before. So nobody can come with an event for these any more. */
void poller_recycle(struct p *p)
{
    if (atomic_load_explicit(&p->retired, memory_order_relaxed) != NULL)
        give_free(atomic_exchange(&p->retired, NULL));
}

void poller_done(void)
{
    for (uint32_t i = 0; i < table.chunk_count; i++)
        free(table.chunks[i]);
    memset(&table, 0, sizeof(table));
}

int poll_fd_new(int sock, struct poll_fd **ret)
{
    struct poll_fd *pf = take_free();
    unsigned turn = atomic_fetch_add_explicit(&rt.next_poller, 1, memory_order_relaxed);
    struct p *home;
    int r;

    if (pf == NULL)
        return -ENOMEM;
    pf->sock = sock;
    home = rt.homes[turn % sched_workers()];
    pf->processor = (uint16_t)home->place.processor;
    atomic_store_explicit(&home->has_sockets, true, memory_order_relaxed);
    atomic_store_explicit(&pf->word[POLL_READ], 0, memory_order_relaxed);
    atomic_store_explicit(&pf->word[POLL_WRITE], 0, memory_order_release);
    sanitize_send(pf);
    r = world_poller_add(rt.world, rt.ps[pf->processor]->poller, sock, pf);
    if (r < 0) {
        atomic_store(&pf->word[POLL_READ], PF_CLOSED);
        atomic_store(&pf->word[POLL_WRITE], PF_CLOSED);
        pf->next = NULL;
        give_free(pf);
        return r;
    }
    *ret = pf;
    return 0;
}

int poll_fd_sock(const struct poll_fd *pf)
{
    return pf->sock;
}

/* Marks a direction closed and wakes who waits there. */
static void close_dir(struct poll_fd *pf, enum poll_dir dir)
{
    uint64_t w = atomic_exchange(&pf->word[dir], PF_CLOSED);

    ASSERT((w & (PF_WATCHED | PF_CLOSED)) == 0);
    if ((w & ~(uint64_t)PF_FLAGS) != 0)
        park_wake(w & ~(uint64_t)PF_FLAGS, RESULT_CLOSED);
}

static void unregister(struct poll_fd *pf)
{
    close_dir(pf, POLL_READ);
    close_dir(pf, POLL_WRITE);
    if (atomic_load_explicit(&pf->hangup, memory_order_relaxed) != NULL) {
        spin_lock(&pf->hangup_lock);
        atomic_store_explicit(&pf->hangup, NULL, memory_order_relaxed);
        spin_unlock(&pf->hangup_lock);
    }
    timer_cancel(&pf->timer);
    world_poller_remove(rt.world, rt.ps[pf->processor]->poller, pf->sock);
}

static void retire(struct poll_fd *pf)
{
    struct p *p = rt.ps[pf->processor];
    struct poll_fd *next = atomic_load(&p->retired);

    do {
        pf->next = next; /* taken as a whole only, so there is no ABA */
    } while (!atomic_compare_exchange_weak(&p->retired, &next, pf));
}

void poll_fd_close(struct poll_fd *pf, bool reset)
{
    if (pf == NULL)
        return;
    unregister(pf);
    if (reset)
        world_reset(rt.world, pf->sock);
    else
        world_close(rt.world, pf->sock);
    retire(pf);
}

void poll_fd_release(struct poll_fd *pf)
{
    unregister(pf);
    retire(pf);
}

/* ---- watches ---- */

/* m is the caller's thread, or NULL. The caller has won the watch. */
static void start_watch(struct m *m, struct poll_fd *pf, enum poll_watch_cause cause, bool last)
{
    struct co *co =
        spawn(m, pf->watch_name, (union co_fn){.watch = pf->watch_fn}, pf->watch_arg, (int)cause);

    if (unlikely(co == NULL)) {
        spin_lock(&table.lock);
        pf->cause = (uint8_t)cause;
        pf->next = NULL;
        if (table.starved_last != NULL)
            table.starved_last->next = pf;
        else
            table.starved_first = pf;
        table.starved_last = pf;
        atomic_fetch_add(&poller_starved_count, 1);
        spin_unlock(&table.lock);
    } else if (last) {
        ready_last(m, co);
    } else {
        sched_ready_next(m, co);
    }
}

void poller_retry_starved(struct m *m)
{
    struct poll_fd *pf;

    spin_lock(&table.lock);
    pf = table.starved_first;
    if (pf != NULL) {
        table.starved_first = pf->next;
        if (pf->next == NULL)
            table.starved_last = NULL;
        atomic_fetch_sub(&poller_starved_count, 1);
    }
    spin_unlock(&table.lock);
    if (pf != NULL)
        start_watch(m, pf, pf->cause, true);
}

/* Takes the watch with this number away, or whichever there is (seq 0). True: we have it. */
static bool claim_watch(struct poll_fd *pf, uint32_t seq)
{
    uint64_t w = atomic_load(&pf->word[POLL_READ]);

    do {
        if ((w & PF_WATCHED) == 0 || (seq != 0 && (uint32_t)(w >> 32) != seq))
            return false;
    } while (!atomic_compare_exchange_weak(&pf->word[POLL_READ], &w, w & PF_HUP));
    return true;
}

void poller_timeout(struct m *m, struct timer *t, uint64_t ticket)
{
    struct poll_fd *pf = container_of(t, struct poll_fd, timer);

    if (claim_watch(pf, (uint32_t)(ticket >> 32)))
        start_watch(m, pf, POLL_WATCH_TIMEOUT, true);
}

void poll_fd_watch(struct poll_fd *pf, const char *name, poll_watch_fn *fn, void *arg,
                   int64_t deadline_ns)
{
    struct m *m = m_current();
    uint64_t w = atomic_load_explicit(&pf->word[POLL_READ], memory_order_acquire);
    uint32_t seq = pf->watch_seq += 1 + (pf->watch_seq == UINT32_MAX);

    ASSERT(m != NULL && (w & (PF_WATCHED | PF_CLOSED)) == 0 && w <= PF_FLAGS);
    pf->watch_name = name;
    pf->watch_fn = fn;
    pf->watch_arg = arg;
    if (deadline_ns != NS_NEVER)
        timer_arm(m->p->wheel, &pf->timer, deadline_ns, (uint64_t)seq << 32 | TICKET_WATCH);
    do {
        if ((w & (PF_READY | PF_HUP)) != 0) {
            atomic_fetch_and(&pf->word[POLL_READ], ~(uint64_t)PF_READY);
            start_watch(m, pf, POLL_WATCH_READY, false);
            return;
        }
    } while (
        !atomic_compare_exchange_weak(&pf->word[POLL_READ], &w, (uint64_t)seq << 32 | PF_WATCHED));
    /* From here on the watch may fire, and pf belong to somebody else: only its number is ours.
     * Should the timer have gone off before the watch was there to be claimed, it is off its wheel
     * now (first disarmed, then claimed) and nobody has claimed this number. The same for the
     * final cancel. */
    fence_after_rmw();
    if (deadline_ns != NS_NEVER && atomic_load(&pf->timer.wheel) == NULL && claim_watch(pf, seq))
        start_watch(m, pf, POLL_WATCH_TIMEOUT, false);
    else if (unlikely(atomic_load(&rt.ending)) && claim_watch(pf, seq))
        start_watch(m, pf, POLL_WATCH_CANCELLED, false);
}

bool poll_fd_unwatch(struct poll_fd *pf)
{
    return claim_watch(pf, 0);
}

bool poll_fd_unwatch_run(struct poll_fd *pf)
{
    if (!claim_watch(pf, 0))
        return false;
    start_watch(m_current(), pf, POLL_WATCH_CANCELLED, false);
    return true;
}

void poller_cancel_watches(void)
{
    uint32_t count;

    spin_lock(&table.lock);
    count = table.chunk_count; /* chunks are never moved or freed */
    spin_unlock(&table.lock);
    for (uint32_t i = 0; i < count; i++) {
        for (int j = 0; j < CHUNK; j++)
            poll_fd_unwatch_run(&table.chunks[i][j]);
    }
}

bool poller_has_watches(void)
{
    uint32_t count;

    spin_lock(&table.lock);
    count = table.chunk_count;
    spin_unlock(&table.lock);
    for (uint32_t i = 0; i < count; i++) {
        for (int j = 0; j < CHUNK; j++) {
            if ((atomic_load(&table.chunks[i][j].word[POLL_READ]) & PF_WATCHED) != 0)
                return true;
        }
    }
    return false;
}

/* ---- events and waits ---- */

static void raise_dir(struct m *m, struct poll_fd *pf, enum poll_dir dir, uint64_t flags)
{
    _Atomic(uint64_t) *word = &pf->word[dir];
    uint64_t w = atomic_load(word);

    for (;;) {
        uint64_t to, kept = (w | flags) & PF_HUP;

        if ((w & PF_CLOSED) != 0)
            return;
        to = w > PF_FLAGS ? kept : w | flags;
        if (to == w)
            return; /* ready already, and not consumed yet: who consumes it will see this, too */
        if (!atomic_compare_exchange_weak(word, &w, to))
            continue;
        if ((w & PF_WATCHED) != 0) {
            start_watch(m, pf, POLL_WATCH_READY, true);
            return;
        }
        if (w <= PF_FLAGS || park_wake_last(m, w & ~(uint64_t)PF_FLAGS, RESULT_WOKEN))
            return;
        w = to; /* its deadline was faster: the event is still there for the next one who waits */
    }
}

void poll_fd_on_hangup(struct poll_fd *pf, struct poll_hangup *h)
{
    atomic_store(&pf->hangup, h);
}

/* After PF_HUP has been set, and in one order with it: who cares from now on either is told or sees
 * the flag. */
static void tell_hangup(struct poll_fd *pf)
{
    struct poll_hangup *h;

    if (atomic_load(&pf->hangup) == NULL)
        return;
    spin_lock(&pf->hangup_lock);
    h = atomic_load_explicit(&pf->hangup, memory_order_relaxed);
    if (h != NULL)
        h->fn(h);
    spin_unlock(&pf->hangup_lock);
}

void poller_event(struct m *m, struct poll_fd *pf, uint32_t events)
{
    sanitize_receive(pf);
    if ((events & (WORLD_READABLE | WORLD_HANGUP)) == WORLD_READABLE) {
        _Atomic(uint64_t) *word = &pf->word[POLL_READ];
        uint64_t w = atomic_load(word);

        /* What raise_dir() does, for the case that nearly every event is. */
        if (likely(w > PF_FLAGS && atomic_compare_exchange_strong(word, &w, w & PF_HUP))) {
            if ((w & PF_WATCHED) != 0)
                start_watch(m, pf, POLL_WATCH_READY, true);
            else if (!park_wake_last(m, w & ~(uint64_t)PF_FLAGS, RESULT_WOKEN))
                raise_dir(m, pf, POLL_READ, PF_READY);
        } else {
            raise_dir(m, pf, POLL_READ, PF_READY);
        }
    } else if ((events & WORLD_READABLE) != 0) {
        raise_dir(m, pf, POLL_READ, PF_READY | PF_HUP);
        tell_hangup(pf);
    }
    if ((events & WORLD_WRITABLE) != 0 && (atomic_load(&pf->word[POLL_WRITE]) & PF_READY) == 0)
        raise_dir(m, pf, POLL_WRITE, PF_READY); /* else it would change nothing: see there */
}

/* Takes our ticket out again. False: an event has. */
static bool withdraw(_Atomic(uint64_t) *word, co_ticket ticket)
{
    uint64_t w = atomic_load(word);

    while ((w & ~(uint64_t)PF_FLAGS) == ticket && (w & PF_WATCHED) == 0) {
        if (atomic_compare_exchange_weak(word, &w, w & PF_FLAGS))
            return true;
    }
    return false;
}

int poll_fd_wait(struct poll_fd *pf, enum poll_dir dir)
{
    static const uint8_t reasons[] = {[POLL_READ] = WAIT_READ, [POLL_WRITE] = WAIT_WRITE};
    struct co *co = co_self();
    _Atomic(uint64_t) *word = &pf->word[dir];
    uint64_t w = atomic_load_explicit(word, memory_order_acquire);
    co_ticket ticket = 0;
    int r;

    ASSERT_HOT(co != NULL);
    r = co_check(co);
    if (unlikely(r < 0))
        return r;
    do {
        if (unlikely((w & PF_CLOSED) != 0)) {
            park_abandon(co);
            return -EBADF;
        }
        if ((w & (PF_READY | PF_HUP)) != 0) {
            atomic_fetch_and(word, ~(uint64_t)PF_READY);
            park_abandon(co);
            co_spend(co);
            return 0;
        }
        ASSERT(w == 0); /* one waits per direction, and not while it is watched */
        if (ticket == 0)
            ticket = park_prepare(co, (enum wait_reason)reasons[dir], pf, 0);
    } while (!atomic_compare_exchange_weak(word, &w, ticket));
    r = park(co, NS_NEVER, NULL);
    fetch_upcoming(co->m->p);
    if (unlikely(r < 0 && r != -EBADF))
        withdraw(word, ticket);
    return r;
}

/* Puts the ticket where the next event finds it. False: one is there already; it is consumed. */
static bool deposit(_Atomic(uint64_t) *word, co_ticket ticket)
{
    uint64_t w = atomic_load(word);

    do {
        if ((w & (PF_READY | PF_HUP | PF_CLOSED)) != 0) {
            atomic_fetch_and(word, ~(uint64_t)PF_READY);
            return false;
        }
        ASSERT(w == 0);
    } while (!atomic_compare_exchange_weak(word, &w, ticket));
    return true;
}

int poll_fd_wait_any(struct poll_fd *pf, unsigned dirs)
{
    struct co *co = co_self();
    co_ticket ticket;
    int r = co_check(co);
    int came = 0;

    if (r < 0)
        return r;
    ticket = park_prepare(co, WAIT_FD, pf, 0);
    for (int dir = POLL_READ; dir <= POLL_WRITE; dir++) {
        if ((dirs & 1U << dir) != 0 && !deposit(&pf->word[dir], ticket))
            came |= 1 << dir;
    }
    if (came != 0)
        co_claim(co, co->seq, RESULT_WOKEN); /* or an event of the other direction has */
    r = park(co, NS_NEVER, NULL);
    for (int dir = POLL_READ; dir <= POLL_WRITE; dir++) {
        if ((dirs & 1U << dir) != 0 && !withdraw(&pf->word[dir], ticket))
            came |= 1 << dir;
    }
    return came != 0 ? came : r;
}

void poll_fd_clear(struct poll_fd *pf, enum poll_dir dir)
{
    if ((atomic_load_explicit(&pf->word[dir], memory_order_relaxed) & PF_READY) != 0)
        atomic_fetch_and(&pf->word[dir], ~(uint64_t)PF_READY);
}

bool poll_fd_hung_up(const struct poll_fd *pf)
{
    return (atomic_load_explicit(&pf->word[POLL_READ], memory_order_relaxed) & PF_HUP) != 0;
}
