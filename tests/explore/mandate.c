/* Mandates: a stuck holder is replaced once, and whoever holds the mandate is alone in that. And
 * what "alone" promises, with store buffers: never the owner within an operation that relies on it
 * after somebody else was told that it has ended. */
#include "tests/explore/atomics.h"

#include "base/base.h"
#include "runtime/mandate.h"

enum { HOME = 1, SPARE = 2, OTHER_SPARE = 3 };

static struct mandate mandate;
static int given;     /* away from HOME's thread, by its monitors */
static uint64_t seen; /* the word at the look before: HOME is stuck */
static bool home_is_back;

static void begin_stuck(void)
{
    mandate_init(&mandate, HOME);
    seen = mandate_look(&mandate);
    given = 0;
    home_is_back = false;
}

/* ---- two that see the same stuck holder (the monitor, and one whose time has come) ---- */

static void replace_by_spare(void)
{
    given += mandate_give(&mandate, seen, SPARE);
}

static void replace_by_other_spare(void)
{
    given += mandate_give(&mandate, seen, OTHER_SPARE);
}

static void come_back(void)
{
    unsigned before = mandate_reclaim(&mandate, HOME);

    EXPECT(before == HOME || before == SPARE || before == OTHER_SPARE);
    home_is_back = true;
}

/* Each turn was started on behalf of one gift: a second one would have a spare run beside another.
 */
static void check_given_once(void)
{
    EXPECT(given <= 1);
    EXPECT(given == 1 || mandate_held_by(&mandate, HOME));
}

static void check_home_or_one_spare(void)
{
    EXPECT(given <= 1);
    EXPECT(home_is_back);
    /* it came back before the gift, or took it away from the spare */
    EXPECT(mandate_held_by(&mandate, HOME) || given == 1);
}

/* ---- announced blocks ---- */

static int blocked, unblocked;

static void begin_working(void)
{
    mandate_init(&mandate, HOME);
    given = blocked = unblocked = 0;
}

static void block_twice(void)
{
    for (int i = 0; i < 2; i++) {
        if (mandate_block(&mandate, HOME)) {
            blocked++;
            if (mandate_unblock(&mandate, HOME)) {
                unblocked++;
                continue;
            }
        }
        EXPECT(mandate_reclaim(&mandate, HOME) !=
               HOME); /* it was away: nobody else gives it back */
    }
}

static void give_what_is_blocked(void)
{
    uint64_t w = mandate_look(&mandate);

    if ((w & MANDATE_BLOCKED) != 0)
        given += mandate_give(&mandate, w, SPARE);
}

static void check_home_holds(void)
{
    EXPECT(mandate_held_by(&mandate, HOME));
    EXPECT(blocked == unblocked + given);
}

/* ---- alone ---- */

static struct lone lone;
static struct spinlock alone_lock;
static atomic_uint alone_count, lookers;
static int inside; /* the owner, relying on being alone */
static int robbers;

/* As left behind by an earlier time. */
static void begin_lone(void)
{
    lone = (struct lone){.seen = true};
    alone_lock = (struct spinlock){0};
    atomic_init(&alone_count, 0);
    atomic_init(&lookers, 0);
    inside = robbers = 0;
}

static bool anybody_looks(void)
{
    return atomic_load(&lookers) != 0;
}

/* As mandate_settle(). */
static void settle(void)
{
    spin_lock(&alone_lock);
    lone_begin(&lone, &alone_count, anybody_looks);
    spin_unlock(&alone_lock);
}

static void operate(void)
{
    if (lone_enter(&lone)) {
        EXPECT(robbers == 0);
        inside++;
        explorer_step("operates", &lone);
        EXPECT(robbers == 0);
        inside--;
        lone_leave(&lone);
    }
}

static void settle_and_operate(void)
{
    settle();
    operate();
    operate();
}

static void settle_again_and_operate(void)
{
    settle();
    operate();
    settle();
    operate();
}

/* As mandate_end_alone(). */
static bool end_alone(void)
{
    bool over;

    if (atomic_load(&alone_count) == 0)
        return true;
    spin_lock(&alone_lock);
    if (lone_revoke(&lone) && !lone_is_seen(&lone))
        MANDATE_HEAVY_FENCE();
    over = lone_is_over(&lone, &alone_count);
    spin_unlock(&alone_lock);
    return over;
}

static void rob(void)
{
    atomic_fetch_add(&lookers, 1);
    while (!end_alone())
        explorer_yield();
    EXPECT(inside == 0);
    robbers++;
    explorer_step("robs", &lone);
    EXPECT(inside == 0);
    robbers--;
    atomic_fetch_sub(&lookers, 1);
}

static void check_nothing(void)
{
}

static const struct explorer_case cases[] = {
    {"replaced_once",
     begin_stuck,
     {replace_by_spare, replace_by_other_spare},
     check_given_once,
     false,
     8},
    {"home_comes_back",
     begin_stuck,
     {replace_by_spare, replace_by_other_spare, come_back},
     check_home_or_one_spare,
     false,
     3},
    {"announced_blocks",
     begin_working,
     {block_twice, give_what_is_blocked, give_what_is_blocked},
     check_home_holds,
     false,
     2},
    {"alone", begin_lone, {settle_and_operate, rob, rob}, check_nothing, false, 3},
    {"alone_again", begin_lone, {settle_again_and_operate, rob}, check_nothing, false, 3},
    {"alone_store_buffers", begin_lone, {settle_and_operate, rob}, check_nothing, true, 2},
};

int main(int argc, char **argv)
{
    return explorer_main(argc, argv, cases, ARRAY_LEN(cases));
}
