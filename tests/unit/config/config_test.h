/* What the tests of the configuration share: load a text, look at what was said about it. */
#ifndef WEIR_TESTS_CONFIG_TEST_H
#define WEIR_TESTS_CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config.h"

struct loaded {
    int rc;
    struct config *config; /* NULL after an error */
    struct diag_list *diags;
    struct text said; /* diag_write() with the name "t" */
};

static inline struct loaded load(const char *yaml)
{
    struct loaded l = {.diags = malloc(sizeof(*l.diags))};

    assert_non_null(l.diags);
    diag_list_init(l.diags);
    l.rc = config_load(str_of(yaml), "t", l.diags, &l.config);
    diag_write(l.diags, "t", &l.said);
    text_put(&l.said, "", 0);
    if (l.rc == 0)
        assert_non_null(l.config);
    else
        assert_int_equal(l.rc, -EINVAL);
    assert_int_equal(l.rc == 0, l.diags->errors == 0);
    return l;
}

static inline void unload(struct loaded *l)
{
    config_unref(l->config);
    diag_list_done(l->diags);
    free(l->diags);
    text_done(&l->said);
}

/* The text loads, and this is all that is said about it. */
static inline void assert_loads(const char *yaml, const char *said)
{
    struct loaded l = load(yaml);

    assert_string_equal(l.said.ptr, said);
    assert_int_equal(l.rc, 0);
    unload(&l);
}

/* The text is refused, and this is all that is said about it. */
static inline void assert_refused(const char *yaml, const char *said)
{
    struct loaded l = load(yaml);

    assert_string_equal(l.said.ptr, said);
    assert_int_equal(l.rc, -EINVAL);
    unload(&l);
}

static inline void assert_str(struct str s, const char *expected)
{
    assert_non_null(s.ptr);
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr, expected, s.len);
}

static inline char *read_file(const char *name)
{
    FILE *f = fopen(name, "rb");
    char *text = calloc(1, 64 * 1024);

    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, 64 * 1024 - 1, f) > 0);
    fclose(f);
    return text;
}

#endif
