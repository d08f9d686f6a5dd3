/* The registry of policies: who finds which entry, how long it lives, what an operator can do. */
#include "gateway/policies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct counter {
    struct policy policy;
    int limit;
    int resets;
};

static int made, freed;

static int counter_init(struct policy *p, const void *settings)
{
    if (*(const int *)settings < 0)
        return -EINVAL;
    made++;
    return 0;
}

static void counter_done(struct policy *p)
{
    freed++;
}

static void counter_configure(struct policy *p, const void *settings)
{
    container_of(p, struct counter, policy)->limit = *(const int *)settings;
}

static void counter_write(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    policy_put_count(w, "limit", (uint64_t)container_of(p, struct counter, policy)->limit);
    policy_put_seconds(w, "age_seconds", now_ns);
    policy_put_text(w, "note", STR("a \"b\""));
    policy_put_percent(w, "share_percent", 12.5);
}

static void counter_operate(struct policy *p, enum policy_action action, int64_t now_ns)
{
    container_of(p, struct counter, policy)->resets += action == POLICY_RESET;
}

static const struct policy_class counter_class = {
    .kind = "counter",
    .size = sizeof(struct counter),
    .init = counter_init,
    .done = counter_done,
    .configure = counter_configure,
    .write_state = counter_write,
    .operate = counter_operate,
    .actions = 1u << POLICY_RESET | 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

struct world_of_policies {
    struct policies registry;
    struct arena arena;
    struct policy_uses old, next;
};

static void begin(struct world_of_policies *w)
{
    static const uint64_t key[2] = {1, 2};

    made = freed = 0;
    policies_init(&w->registry, key);
    arena_init(&w->arena, NULL, 0, SIZE_MAX);
    w->old = w->next = (struct policy_uses){.registry = &w->registry, .arena = &w->arena};
}

static void end(struct world_of_policies *w)
{
    policy_uses_drop(&w->old);
    policy_uses_drop(&w->next);
    assert_int_equal(made, freed);
    policies_done(&w->registry);
    arena_done(&w->arena);
}

static struct policy *use(struct policy_uses *u, const char *id, uint64_t shape, const int *limit)
{
    struct policy *p = NULL;

    assert_int_equal(policy_use(u, &counter_class, str_of(id), shape, limit, &p), 0);
    return p;
}

static int limit_of(struct policy *p)
{
    return container_of(p, struct counter, policy)->limit;
}

static void the_next_generation_finds_the_state(void **state)
{
    static const int five = 5, seven = 7;
    struct world_of_policies w;

    begin(&w);
    struct policy *p = use(&w.old, "a/X", 0, &five);
    assert_int_equal(limit_of(p), 5); /* a new one serves at once */
    assert_ptr_equal(use(&w.next, "a/X", 0, &seven), p);
    assert_int_equal(limit_of(p), 5); /* what is compiled only changes nothing */
    policy_uses_publish(&w.next);
    assert_int_equal(limit_of(p), 7);
    policy_uses_drop(&w.old);
    assert_int_equal(freed, 0);
    policy_uses_drop(&w.next);
    assert_int_equal(freed, 1);
    end(&w);
}

static void another_shape_is_another_entry(void **state)
{
    static const int five = 5;
    struct world_of_policies w;

    begin(&w);
    struct policy *p = use(&w.old, "a/X", 1, &five);
    assert_ptr_not_equal(use(&w.next, "a/X", 2, &five), p);
    assert_ptr_not_equal(use(&w.next, "b/X", 1, &five), p);
    assert_int_equal(made, 3);
    policy_uses_drop(&w.next);
    assert_int_equal(freed, 2);
    end(&w);
}

static void what_cannot_be_made_leaves_nothing(void **state)
{
    static const int negative = -1;
    struct world_of_policies w;
    struct policy *p = NULL;

    begin(&w);
    assert_int_equal(policy_use(&w.old, &counter_class, STR("a/X"), 0, &negative, &p), -EINVAL);
    assert_null(p);
    assert_int_equal(w.registry.entries.count, 0);
    end(&w);
}

static void operators_reach_entries_by_id(void **state)
{
    static const int five = 5;
    struct world_of_policies w;

    begin(&w);
    struct policy *p = use(&w.old, "a/X", 1, &five), *q = use(&w.old, "b/X", 1, &five);
    assert_int_equal(policies_operate(&w.registry, STR("a/X"), POLICY_DISABLE, 0), 0);
    assert_true(policy_disabled(p));
    assert_false(policy_disabled(q));
    assert_int_equal(policies_operate(&w.registry, STR("a/X"), POLICY_RESET, 0), 0);
    assert_true(policy_disabled(p)); /* a reset forgets what was learnt, not what was said */
    assert_int_equal(container_of(p, struct counter, policy)->resets, 1);
    assert_int_equal(policies_operate(&w.registry, STR("a/X"), POLICY_ENABLE, 0), 0);
    assert_false(policy_disabled(p));
    assert_int_equal(policies_operate(&w.registry, STR("a/X"), POLICY_FORCE_OPEN, 0), -ENOTSUP);
    assert_int_equal(policies_operate(&w.registry, STR("c/X"), POLICY_RESET, 0), -ENOENT);
    end(&w);
}

struct seen {
    struct text text;
    unsigned count;
};

static bool see(void *arg, struct policy *p)
{
    struct seen *s = arg;

    if (s->count++ == 0)
        policy_write(p, 1500000000, &s->text);
    return true;
}

static void entries_are_shown_in_order(void **state)
{
    static const int five = 5;
    struct world_of_policies w;
    struct seen seen = {0};

    begin(&w);
    use(&w.old, "b/X", 0, &five);
    use(&w.old, "a/X", 0, &five);
    assert_int_equal(policies_visit(&w.registry, see, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_true(str_eq(
        str_n(seen.text.ptr, seen.text.len),
        STR("{\"id\": \"a/X\", \"kind\": \"counter\", \"disabled\": false, "
            "\"refused_total\": 0, \"limit\": 5, \"age_seconds\": 1.5, \"note\": \"a \\\"b\\\"\", "
            "\"share_percent\": 12.5}")));
    text_done(&seen.text);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_generation_finds_the_state),
        cmocka_unit_test(another_shape_is_another_entry),
        cmocka_unit_test(what_cannot_be_made_leaves_nothing),
        cmocka_unit_test(operators_reach_entries_by_id),
        cmocka_unit_test(entries_are_shown_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
