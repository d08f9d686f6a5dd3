/* Percent-encoding, read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/escape.h"

static void expect(struct str s, bool plus, struct str decoded)
{
    char out[16];

    assert_int_equal(percent_decode(s, plus, out), decoded.len);
    assert_memory_equal(out, decoded.ptr, decoded.len);
}

static void what_is_escaped_is_decoded(void **state)
{
    expect(STR(""), true, STR(""));
    expect(STR("a%20b+c"), true, STR("a b c"));
    expect(STR("a+b"), false, STR("a+b"));
    expect(STR("%2f%2F%ff"), false, STR("//\xff"));
    expect(STR("%25%32%35"), false, STR("%25")); /* once, not twice */
}

static void broken_escapes_and_nul_are_refused(void **state)
{
    static const char *const broken[] = {"%", "a%", "%2", "%g0", "%0g", "%%20", "a%00b"};
    char out[16];

    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        assert_int_equal(percent_decode(str_of(broken[i]), true, out), -EINVAL);
}

/* Nothing behind the end of the text is read. */
static void a_triplet_ends_with_the_text(void **state)
{
    static const char text[] = "a%20";
    char out[16];

    assert_int_equal(percent_decode(str_n(text, 3), false, out), -EINVAL);
    assert_int_equal(percent_triplet(text + 1, text + 3), -1);
    assert_int_equal(percent_triplet(text + 1, text + 4), ' ');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_escaped_is_decoded),
        cmocka_unit_test(broken_escapes_and_nul_are_refused),
        cmocka_unit_test(a_triplet_ends_with_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
