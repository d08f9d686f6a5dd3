/* JSON documents: what any bytes become, and that a failure while building is an error in the end.
 */
#include "unit/export/setup.h"

#include "export/doc.h"

#define FFFD "\xef\xbf\xbd"

static void assert_text(struct str given, struct str want)
{
    json_t *value = doc_text(given);

    assert_non_null(value);
    assert_int_equal(json_string_length(value), want.len);
    assert_memory_equal(json_string_value(value), want.ptr, want.len);
    json_decref(value);
}

static void text_in_utf8_stays_as_it_is(void **state)
{
    static const struct str texts[] = {
        STR("plain"),
        STR("\"quoted\" \\ and / this"),
        STR("tab\tline\n\x01\x1f\x7f"),
        STR("nul\0inside"),
        STR("\xc2\x80\xdf\xbf"),
        STR("\xe0\xa0\x80\xef\xbf\xbf"),
        STR("\xed\x9f\xbf\xee\x80\x80"),
        STR("\xf0\x90\x80\x80"),
        STR("\xf4\x8f\xbf\xbf"),
        STR(""),
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_text(texts[i], texts[i]);
    assert_text(STR_NULL, STR(""));
}

static void broken_utf8_becomes_replacement_characters(void **state)
{
    static const struct {
        struct str given, want;
    } cases[] = {
        {STR("a\xffz"), STR("a" FFFD "z")},                       /* a byte of no sequence */
        {STR("a\x80z"), STR("a" FFFD "z")},                       /* a continuation alone */
        {STR("\xc0\xaf"), STR(FFFD FFFD)},                        /* '/' in two bytes */
        {STR("\xc1\xbf"), STR(FFFD FFFD)},                        /* overlong */
        {STR("\xe0\x9f\xbf"), STR(FFFD FFFD FFFD)},               /* overlong */
        {STR("\xf0\x8f\xbf\xbf"), STR(FFFD FFFD FFFD FFFD)},      /* overlong */
        {STR("\xed\xa0\x80"), STR(FFFD FFFD FFFD)},               /* the first surrogate */
        {STR("\xed\xbf\xbf"), STR(FFFD FFFD FFFD)},               /* the last one */
        {STR("\xf4\x90\x80\x80"), STR(FFFD FFFD FFFD FFFD)},      /* beyond U+10FFFF */
        {STR("\xf5\x80\x80\x80"), STR(FFFD FFFD FFFD FFFD)},      /* and far beyond */
        {STR("end\xc3"), STR("end" FFFD)},                        /* cut at the end */
        {STR("end\xe2\x82"), STR("end" FFFD FFFD)},               /* cut at the end */
        {STR("end\xf0\x9f\x92"), STR("end" FFFD FFFD FFFD)},      /* cut at the end */
        {STR("\xe2\x82\xc3\xa9"), STR(FFFD FFFD "\xc3\xa9")},     /* cut by the next one */
        {STR("\xe2\x82\"\xff\\"), STR(FFFD FFFD "\"" FFFD "\\")}, /* before what is escaped */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_text(cases[i].given, cases[i].want);
}

static void a_document_is_what_was_put(void **state)
{
    struct doc d = {0};
    struct text out = {0};
    json_t *root = json_object(), *list = json_array(), *read;

    doc_put_text(&d, root, "text", STR("x\xff"));
    doc_put_count(&d, root, "count", 7);
    doc_put_seconds(&d, root, "seconds", 1500 * NS_PER_MS);
    doc_put_named(&d, root, str_n("named and more", 5), json_true());
    doc_append(&d, list, doc_text(STR("one")));
    doc_put(&d, root, "list", list);
    assert_int_equal(doc_write(&d, root, &out), 0);
    assert_int_equal(out.ptr[out.len - 1], '\n');
    read = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    root = json_pack("{s:s, s:i, s:f, s:b, s:[s]}", "text", "x" FFFD, "count", 7, "seconds", 1.5,
                     "named", 1, "list", "one");
    assert_true(json_equal(read, root));
    json_decref(read);
    json_decref(root);
    text_done(&out);
}

static void a_value_that_could_not_be_made_fails_the_document(void **state)
{
    for (int step = 0; step < 3; step++) {
        struct doc d = {0};
        struct text out = {0};
        json_t *root = json_object(), *list = json_array();

        if (step == 0)
            doc_put(&d, root, "missing", NULL);
        else if (step == 1)
            doc_append(&d, list, NULL);
        else
            doc_put_named(&d, root, STR("missing"), NULL);
        doc_put(&d, root, "list", list);
        assert_int_equal(doc_write(&d, root, &out), -ENOMEM);
        assert_int_equal(out.len, 0);
    }
}

static void a_document_beyond_the_bound_is_an_error(void **state)
{
    struct doc d = {0};
    struct text out = {.max = 8};
    json_t *root = json_object();

    doc_put_text(&d, root, "text", STR("more than there is room for"));
    assert_int_equal(doc_write(&d, root, &out), -ENOMEM);
    text_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_in_utf8_stays_as_it_is),
        cmocka_unit_test(broken_utf8_becomes_replacement_characters),
        cmocka_unit_test(a_document_is_what_was_put),
        cmocka_unit_test(a_value_that_could_not_be_made_fails_the_document),
        cmocka_unit_test(a_document_beyond_the_bound_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
