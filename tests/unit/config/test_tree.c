/* YAML itself: what is read, what is refused, and that nothing grows without a bound. */
#include "config/tree.h"
#include "config_test.h"

struct tree {
    struct arena arena;
    struct diag_list *diags;
    struct text said;
    struct node *root;
    int rc;
};

static struct tree parse_n(const char *yaml, size_t len)
{
    struct tree t = {.diags = malloc(sizeof(*t.diags))};

    assert_non_null(t.diags);
    diag_list_init(t.diags);
    arena_init(&t.arena, NULL, 0, 256 * MIB);
    t.rc = tree_parse(str_n(yaml, len), &t.arena, t.diags, &t.root);
    diag_write(t.diags, "t", &t.said);
    text_put(&t.said, "", 0);
    return t;
}

static struct tree parse(const char *yaml)
{
    return parse_n(yaml, strlen(yaml));
}

static void done(struct tree *t)
{
    arena_done(&t->arena);
    diag_list_done(t->diags);
    free(t->diags);
    text_done(&t->said);
}

static void assert_bad(const char *yaml, const char *said)
{
    struct tree t = parse(yaml);

    assert_string_equal(t.said.ptr, said);
    assert_int_equal(t.rc, -EINVAL);
    done(&t);
}

static void nodes_know_their_place(void **state)
{
    struct tree t = parse("a: 1\nb:\n  - x\n  - {c: \"y\", d: z}\n");
    struct node *b = node_get(t.root, STR("b"));
    struct node *map = b->entries->next->node;

    assert_int_equal(t.rc, 0);
    assert_int_equal(b->kind, NODE_LIST);
    assert_int_equal(b->count, 2);
    assert_int_equal(b->entries->node->line, 3);
    assert_int_equal(b->entries->node->column, 5);
    assert_int_equal(map->column, 5);
    assert_int_equal(node_get(map, STR("c"))->column, 9);
    assert_false(node_get(map, STR("c"))->plain);
    assert_true(node_get(map, STR("d"))->plain);
    assert_null(node_get(map, STR("e")));
    done(&t);
}

static void columns_count_characters(void **state)
{
    struct tree t = parse("\xe4\xb8\xad\xe6\x96\x87: [\xc3\xa9, b]\n");

    assert_int_equal(t.rc, 0);
    assert_int_equal(t.root->entries->node->entries->next->node->column, 9);
    done(&t);
}

static void a_syntax_error_tells_its_place(void **state)
{
    assert_bad("a: [1, 2\nb: 3\n",
               "t:2:2: error: not YAML: did not find expected ',' or ']', while "
               "parsing a flow sequence that starts in line 1\n");
    assert_bad("a: 1\n\tb: 2\n", "t:2:1: error: not YAML: found a tab character that violates "
                                 "indentation, while scanning a plain scalar that starts in line "
                                 "1\n");
}

static void bytes_that_are_not_utf8_are_refused_at_their_place(void **state)
{
    static const char utf16[] = "\xff\xfe\x61\x00";
    struct tree t = parse("a: b\nc: \xff\n");

    assert_int_equal(t.rc, -EINVAL);
    assert_non_null(strstr(t.said.ptr, "t:2:4: error: not YAML in UTF-8: "));
    done(&t);
    t = parse_n(utf16, sizeof(utf16) - 1);
    assert_int_equal(t.rc, -EINVAL);
    done(&t);
    t = parse_n("a: \0", 4);
    assert_int_equal(t.rc, -EINVAL);
    assert_non_null(strstr(t.said.ptr, "t:1:4: error: not YAML in UTF-8: control characters"));
    done(&t);
}

static void a_byte_order_mark_is_skipped(void **state)
{
    struct tree t = parse("\xef\xbb\xbf"
                          "a: 1\n");

    assert_int_equal(t.rc, 0);
    assert_non_null(node_get(t.root, STR("a")));
    done(&t);
}

static void a_key_given_twice_is_an_error_and_the_first_counts(void **state)
{
    struct tree t = parse("a: 1\nb: 2\na: 3\n");

    assert_int_equal(t.rc, 0);
    assert_int_equal(t.diags->errors, 1);
    assert_string_equal(t.said.ptr, "t:3:1: error: the key \"a\" stands here for the second time; "
                                    "the first is in line 1\n");
    assert_str(node_get(t.root, STR("a"))->text, "1");
    done(&t);
}

static void an_alias_stands_for_its_anchor(void **state)
{
    struct tree t = parse("a: &x {k: [1, 2]}\nb: *x\nc: &x 3\nd: *x\n");

    assert_int_equal(t.rc, 0);
    assert_ptr_equal(node_get(t.root, STR("a")), node_get(t.root, STR("b")));
    assert_str(node_get(t.root, STR("d"))->text, "3");
    done(&t);
}

static void merged_keys_give_way_to_own_ones(void **state)
{
    struct tree t = parse("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\n"
                          "z: {<<: [*x, *y], a: 5}\nw: {d: 6, <<: *y}\nv: {<<: *x}\n");
    struct node *z = node_get(t.root, STR("z")), *w = node_get(t.root, STR("w"));

    assert_int_equal(t.rc, 0);
    assert_int_equal(z->count, 3);
    assert_str(node_get(z, STR("a"))->text, "5");
    assert_str(node_get(z, STR("b"))->text, "2");
    assert_str(node_get(z, STR("c"))->text, "4");
    assert_null(node_get(z, STR("<<")));
    assert_int_equal(w->count, 3);
    assert_int_equal(node_get(t.root, STR("v"))->count, 2);
    done(&t);
    assert_bad("a: {<<: 1}\n", "t:1:5: error: \"<<\" takes an alias of a map or a list of them\n");
}

static void an_alias_to_nothing_or_to_itself_is_refused(void **state)
{
    assert_bad("a: *x\n", "t:1:4: error: an alias (*name) whose anchor (&name) is not defined "
                          "above it\n");
    assert_bad("a: &x [1, *x]\n",
               "t:1:11: error: an alias (*name) inside the value that it stands for\n");
}

static void a_billion_laughs_are_refused(void **state)
{
    struct text yaml = {0};
    struct tree t;

    text_printf(&yaml, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (int i = 1; i < 10; i++) {
        text_printf(&yaml, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++)
            text_printf(&yaml, "%s*a%d", j != 0 ? ", " : "", i - 1);
        text_printf(&yaml, "]\n");
    }
    t = parse(yaml.ptr);
    assert_int_equal(t.rc, -EINVAL);
    assert_non_null(strstr(t.said.ptr, "the text stands for more than 1048576 values"));
    assert_true(t.arena.used_bytes < 64 * KIB);
    done(&t);
    text_done(&yaml);
}

static void merged_laughs_are_refused(void **state)
{
    struct text yaml = {0};
    struct tree t;

    text_printf(&yaml, "a0: &a0 {k: [1, 2, 3, 4, 5, 6, 7]}\n");
    for (int i = 1; i < 40; i++)
        text_printf(&yaml, "a%d: &a%d {<<: *a%d, x: *a%d, y%d: *a%d}\n", i, i, i - 1, i - 1, i,
                    i - 1);
    t = parse(yaml.ptr);
    assert_int_equal(t.rc, -EINVAL);
    assert_non_null(strstr(t.said.ptr, "the text stands for more than 1048576 values"));
    done(&t);
    text_done(&yaml);
}

static void depth_is_bounded(void **state)
{
    char yaml[2 * TREE_DEPTH_MAX + 8];
    struct tree t;

    memset(yaml, '[', TREE_DEPTH_MAX);
    memset(yaml + TREE_DEPTH_MAX, ']', TREE_DEPTH_MAX);
    t = parse_n(yaml, 2 * TREE_DEPTH_MAX);
    assert_int_equal(t.rc, 0);
    done(&t);
    memset(yaml, '[', TREE_DEPTH_MAX + 1);
    t = parse_n(yaml, TREE_DEPTH_MAX + 1);
    assert_int_equal(t.rc, -EINVAL);
    assert_string_equal(t.said.ptr,
                        "t:1:33: error: lists and maps are nested deeper than 32 levels\n");
    done(&t);
}

static void keys_of_a_map_are_bounded(void **state)
{
    struct text yaml = {0};
    struct tree t;

    for (int i = 0; i <= TREE_KEYS_MAX; i++)
        text_printf(&yaml, "k%d: 1\n", i);
    t = parse(yaml.ptr);
    assert_int_equal(t.rc, -EINVAL);
    assert_string_equal(t.said.ptr, "t:257:1: error: a map has more than 256 keys\n");
    done(&t);
    text_done(&yaml);
}

static void what_has_no_meaning_is_refused(void **state)
{
    assert_bad("a: !secret x\n", "t:1:4: error: tags (!name) have no meaning here: leave it out\n");
    assert_bad("a: 1\n---\nb: 2\n",
               "t:2:1: error: a second document (---): one file holds one document\n");
    assert_bad("{a: {b: c}: d}\n", "t:1:11: error: not YAML: did not find expected ',' or '}', "
                                   "while parsing a flow mapping that starts in line 1\n");
    assert_bad("? [a]\n: b\n", "t:1:3: error: a key must be a text, not a list or a map (a value "
                               "with { or [ at its start needs quotes)\n");
}

static void a_text_without_a_value_is_null(void **state)
{
    struct tree t = parse("a:\nb: ~\nc: null\nd: \"\"\ne: \"null\"\n");

    assert_true(node_is_null(node_get(t.root, STR("a"))));
    assert_true(node_is_null(node_get(t.root, STR("b"))));
    assert_true(node_is_null(node_get(t.root, STR("c"))));
    assert_false(node_is_null(node_get(t.root, STR("d"))));
    assert_false(node_is_null(node_get(t.root, STR("e"))));
    done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_their_place),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(a_syntax_error_tells_its_place),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused_at_their_place),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(a_key_given_twice_is_an_error_and_the_first_counts),
        cmocka_unit_test(an_alias_stands_for_its_anchor),
        cmocka_unit_test(merged_keys_give_way_to_own_ones),
        cmocka_unit_test(an_alias_to_nothing_or_to_itself_is_refused),
        cmocka_unit_test(a_billion_laughs_are_refused),
        cmocka_unit_test(merged_laughs_are_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(keys_of_a_map_are_bounded),
        cmocka_unit_test(what_has_no_meaning_is_refused),
        cmocka_unit_test(a_text_without_a_value_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
