/* Replacing parts of a configuration, and the rates of a scenario. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "drill/scenario.h"

struct lab {
    struct arena arena;
    struct diag_list *diags;
    struct text said;
};

static int setup(void **state)
{
    struct lab *l = calloc(1, sizeof(*l));

    assert_non_null(l);
    l->diags = malloc(sizeof(*l->diags));
    assert_non_null(l->diags);
    diag_list_init(l->diags);
    arena_init(&l->arena, NULL, 0, SIZE_MAX);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct lab *l = *state;

    diag_list_done(l->diags);
    free(l->diags);
    arena_done(&l->arena);
    text_done(&l->said);
    free(l);
    return 0;
}

static struct node *parse(struct lab *l, const char *yaml)
{
    struct node *n = NULL;

    assert_int_equal(tree_parse(str_of(yaml), &l->arena, l->diags, &n), 0);
    return n;
}

static const char *at(const struct node *n, const char *key)
{
    n = node_get(n, str_of(key));
    return n != NULL && n->kind == NODE_SCALAR ? n->text.ptr : "(none)";
}

static const char base_text[] = "upstreams:\n"
                                "  - {id: a, retry: {attempts: 3, budget: 20%}, health: off}\n"
                                "  - {id: b, retry: {attempts: 2}}\n";

static const struct node *upstream(const struct node *root, uint32_t index)
{
    const struct node_entry *e = node_get(root, STR("upstreams"))->entries;

    while (index-- > 0)
        e = e->next;
    return e->node;
}

static void a_value_is_replaced_by_number_or_id(void **state)
{
    struct lab *l = *state;
    const struct node *base = parse(l, base_text);
    const struct node *set =
        parse(l, "{upstreams.0.retry.budget: 50%, upstreams.b.retry.attempts: 9}");
    const struct node *n = drill_variant_apply(base, set, &l->arena, l->diags);

    assert_non_null(n);
    assert_string_equal(at(node_get(upstream(n, 0), STR("retry")), "budget"), "50%");
    assert_string_equal(at(node_get(upstream(n, 0), STR("retry")), "attempts"), "3");
    assert_string_equal(at(node_get(upstream(n, 1), STR("retry")), "attempts"), "9");
}

static void the_base_stays_as_it_is(void **state)
{
    struct lab *l = *state;
    const struct node *base = parse(l, base_text);
    const struct node *set = parse(l, "{upstreams.a.retry.budget: 50%, limits.connections: 7}");

    assert_non_null(drill_variant_apply(base, set, &l->arena, l->diags));
    assert_string_equal(at(node_get(upstream(base, 0), STR("retry")), "budget"), "20%");
    assert_null(node_get(base, STR("limits")));
}

static void what_is_not_there_is_added(void **state)
{
    struct lab *l = *state;
    const struct node *set = parse(l, "{limits.connections: 7, upstreams.a.health.path: /x}");
    const struct node *n = drill_variant_apply(parse(l, base_text), set, &l->arena, l->diags);

    assert_non_null(n);
    assert_string_equal(at(node_get(n, STR("limits")), "connections"), "7");
    assert_string_equal(at(node_get(upstream(n, 0), STR("health")), "path"), "/x");
}

static void an_item_that_is_not_there_is_an_error_with_a_place(void **state)
{
    struct lab *l = *state;
    const struct node *set = parse(l, "a: 1\nupstreams.zz.retry.budget: 1%\n");

    assert_null(drill_variant_apply(parse(l, base_text), set, &l->arena, l->diags));
    diag_write(l->diags, "t", &l->said);
    assert_string_equal(l->said.ptr, "t:2:1: error: set.upstreams.zz.retry.budget: found \"zz\"; "
                                     "expected the number (from 0) or the id of an item\n");
}

static void an_empty_part_is_an_error(void **state)
{
    struct lab *l = *state;

    assert_null(drill_variant_apply(parse(l, base_text), parse(l, "{upstreams..x: 1}"), &l->arena,
                                    l->diags));
    assert_null(drill_variant_apply(parse(l, base_text), parse(l, "[a]"), &l->arena, l->diags));
    assert_int_equal(l->diags->errors, 2);
}

static void rates_are_per_second_or_minute(void **state)
{
    static const char *const wrong[] = {"",       "/s",  "700", "0/s",  "-1/s",
                                        "1..2/s", "1/h", "a/s", "1e3/s"};
    double rate = 0;

    assert_int_equal(drill_parse_rate(STR("700/s"), &rate), 0);
    assert_true(rate == 700);
    assert_int_equal(drill_parse_rate(STR("0.25/s"), &rate), 0);
    assert_true(rate == 0.25);
    assert_int_equal(drill_parse_rate(STR("90/m"), &rate), 0);
    assert_true(rate == 1.5);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(drill_parse_rate(str_of(wrong[i]), &rate), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_value_is_replaced_by_number_or_id, setup, teardown),
        cmocka_unit_test_setup_teardown(the_base_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_added, setup, teardown),
        cmocka_unit_test_setup_teardown(an_item_that_is_not_there_is_an_error_with_a_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_empty_part_is_an_error, setup, teardown),
        cmocka_unit_test(rates_are_per_second_or_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
