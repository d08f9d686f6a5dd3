/* Scopes: children joined, cancelled as a tree.
 *
 * The scopes that a coroutine has opened, and the lists of children in them, are guarded by that
 * coroutine's family_lock. Locks are taken from parent to child only. Cancelling walks the tree in
 * depth without a stack of its own: the locks on the way down stay held, so the way back up is read
 * from the tree. */
#include "runtime/sched.h"

/* What struct weir_scope holds. */
struct __attribute__((may_alias)) scope {
    struct co *owner;    /* constant, as is outer */
    struct scope *outer; /* the scope of the same coroutine around it */

    /* Under the owner's family_lock. */
    struct list children;
    co_ticket joiner; /* the owner's wait for count to become 0, or 0 */
    uint32_t count;
    int error; /* of the first child that failed */
    bool cancelled;
    bool held; /* only who holds the lock can end that wait */
};
_Static_assert(sizeof(struct scope) <= offsetof(struct weir_scope, done), "struct weir_scope");

static struct scope *scope_of(struct weir_scope *s)
{
    return (struct scope *)s->private_;
}

static void doom_one(struct co *co)
{
    co->doomed = true;
    for (struct scope *s = co->scopes; s != NULL; s = s->outer)
        s->cancelled = true;
    atomic_store(&co->cancelled, true);
    monitor_want_checkpoints();
    park_interrupt(co);
}

static struct list *first_child(struct scope *s)
{
    return s != NULL ? s->children.next : NULL;
}

/* Dooms root, whose lock is held, and all below it. Who is doomed already has doomed children. */
static void doom_tree(struct co *root)
{
    struct co *co = root;
    struct scope *s;
    struct list *pos;

    doom_one(root);
    s = root->scopes;
    pos = first_child(s);
    for (;;) {
        struct co *child;

        if (s == NULL) { /* done with co: up, and on to its next sibling */
            if (co == root)
                return;
            s = co->parent;
            pos = co->sibling.next;
            spin_unlock(&co->family_lock);
            co = s->owner;
            continue;
        }
        if (pos == &s->children) {
            s = s->outer;
            pos = first_child(s);
            continue;
        }
        child = list_entry(pos, struct co, sibling);
        spin_lock(&child->family_lock);
        if (child->doomed) {
            spin_unlock(&child->family_lock);
            pos = pos->next;
            continue;
        }
        doom_one(child);
        co = child;
        s = co->scopes;
        pos = first_child(s);
    }
}

/* The final cancel may come while a slot goes from one coroutine to the next, whose birth then
 * takes a part of the doom away again: only both flags together say that it is done. */
void scope_doom(struct co *co)
{
    spin_lock(&co->family_lock);
    if (!co->doomed || !atomic_load_explicit(&co->cancelled, memory_order_relaxed))
        doom_tree(co);
    spin_unlock(&co->family_lock);
}

/* Under the owner's lock. */
static void doom_children(struct scope *s)
{
    s->cancelled = true;
    list_for_each (pos, &s->children) {
        scope_doom(list_entry(pos, struct co, sibling));
    }
}

void weir_scope_enter(struct weir_scope *ws)
{
    struct scope *s = scope_of(ws);
    struct co *co = co_self();

    ASSERT(co != NULL);
    ws->done = false;
    *s = (struct scope){.owner = co, .outer = co->scopes};
    list_init(&s->children);
    spin_lock(&co->family_lock);
    s->cancelled = co->doomed || (s->outer != NULL && s->outer->cancelled);
    co->scopes = s;
    spin_unlock(&co->family_lock);
}

/* Under the owner's lock, which it gives up. */
static int wait_for_children(struct scope *s, struct co *co, unsigned flags)
{
    s->joiner = park_prepare(co, WAIT_SCOPE, s, flags);
    s->held = park_can_be_held(co, flags);
    return s->held ? park_held(co, &co->family_lock) : park(co, NS_NEVER, &co->family_lock);
}

/* Under the owner's lock, which it gives up while it waits. */
static void join_shielded(struct scope *s, struct co *co)
{
    while (s->count > 0) {
        wait_for_children(s, co, PARK_SHIELDED);
        spin_lock(&co->family_lock);
    }
}

void weir_scope_leave(struct weir_scope *ws)
{
    struct scope *s = scope_of(ws);
    struct co *co = s->owner;

    ASSERT(co != NULL && co == co_self() && co->scopes == s);
    spin_lock(&co->family_lock);
    if (!ws->done)
        doom_children(s);
    join_shielded(s, co);
    co->scopes = s->outer;
    atomic_store_explicit(&co->cancelled, co->doomed || (s->outer != NULL && s->outer->cancelled),
                          memory_order_relaxed);
    spin_unlock(&co->family_lock);
}

int weir_scope_join(struct weir_scope *ws)
{
    struct scope *s = scope_of(ws);
    struct co *co = s->owner;
    int r;

    ASSERT(co == co_self());
    r = co_check(co);
    if (r < 0)
        return r;
    spin_lock(&co->family_lock);
    if (s->count == 0) {
        spin_unlock(&co->family_lock);
        return 0;
    }
    r = wait_for_children(s, co, 0);
    if (r < 0) {
        spin_lock(&co->family_lock);
        s->joiner = 0;
        spin_unlock(&co->family_lock);
    }
    return r;
}

int weir_scope_wait(struct weir_scope *ws)
{
    struct scope *s = scope_of(ws);
    struct co *co = s->owner;
    int error;

    ASSERT(co == co_self());
    spin_lock(&co->family_lock);
    join_shielded(s, co);
    error = s->error;
    spin_unlock(&co->family_lock);
    return error;
}

int weir_scope_error(struct weir_scope *ws)
{
    struct scope *s = scope_of(ws);
    int error;

    spin_lock(&s->owner->family_lock);
    error = s->error;
    spin_unlock(&s->owner->family_lock);
    return error;
}

static int start_child(struct scope *s, const char *name, union co_fn fn, void *arg, int cause,
                       const void *born_at)
{
    struct co *self = co_self(), *owner = s->owner;
    struct co *child;
    bool cancelled;

    ASSERT(self != NULL);
    child = spawn(self->m, name, fn, arg, cause);
    if (child == NULL)
        return -EAGAIN;
    child->born_at = born_at;
    child->deadline_ns = child->inherited_ns = self->deadline_ns;
    spin_lock(&owner->family_lock);
    cancelled = s->cancelled;
    if (!cancelled) {
        child->parent = s;
        list_push_back(&s->children, &child->sibling);
        s->count++;
    }
    spin_unlock(&owner->family_lock);
    if (cancelled) {
        spawn_discard(self->m, child);
        return -ECANCELED;
    }
    sched_ready_next(self->m, child);
    return 0;
}

int weir_scope_go(struct weir_scope *ws, const char *name, void (*fn)(void *arg), void *arg)
{
    return start_child(scope_of(ws), name, (union co_fn){.plain = fn}, arg, CO_PLAIN,
                       (char *)__builtin_return_address(0) - 1);
}

int weir_scope_try(struct weir_scope *ws, const char *name, int (*fn)(void *arg), void *arg)
{
    return start_child(scope_of(ws), name, (union co_fn){.result = fn}, arg, CO_RESULT,
                       (char *)__builtin_return_address(0) - 1);
}

/* Under the owner's lock: ends its wait, if it is in one. True: it must be made runnable. */
static bool claim_joiner(struct scope *s)
{
    uint32_t seq = (uint32_t)(s->joiner >> 32);

    if (s->joiner == 0)
        return false;
    s->joiner = 0;
    if (s->held)
        return co_claim_held(s->owner, seq, RESULT_WOKEN);
    return co_claim(s->owner, seq, RESULT_WOKEN) == CLAIM_WON;
}

/* The last thing a child does with the scope is to unlock; the owner takes the lock before it
 * leaves, if it has not been claimed. */
struct co *scope_child_ended(struct co *co)
{
    struct scope *s = co->parent;
    struct co *owner = s->owner;
    bool claimed;

    spin_lock(&owner->family_lock);
    list_remove(&co->sibling);
    claimed = --s->count == 0 && claim_joiner(s);
    spin_unlock(&owner->family_lock);
    return claimed ? owner : NULL;
}

/* Under the owner's lock. */
static void cancel_scope(struct scope *s)
{
    struct co *owner = s->owner;

    if (s->cancelled)
        return;
    for (struct scope *inner = owner->scopes; inner != s; inner = inner->outer)
        doom_children(inner);
    doom_children(s);
    atomic_store(&owner->cancelled, true);
    park_interrupt(owner);
}

void weir_scope_cancel(struct weir_scope *ws)
{
    struct scope *s = scope_of(ws);

    spin_lock(&s->owner->family_lock);
    cancel_scope(s);
    spin_unlock(&s->owner->family_lock);
}

void scope_child_result(struct co *co, int result)
{
    struct scope *s = co->parent;

    if (result >= 0 || s == NULL)
        return;
    spin_lock(&s->owner->family_lock);
    if (s->error == 0) {
        s->error = result;
        cancel_scope(s);
    }
    spin_unlock(&s->owner->family_lock);
}

bool weir_cancelled(void)
{
    struct co *co = co_self();

    return co != NULL && co_check(co) < 0;
}
