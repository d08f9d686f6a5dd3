/* cmocka with the headers that it wants before it. */
#ifndef WEIR_TESTS_CMOCKA_SETUP_H
#define WEIR_TESTS_CMOCKA_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_str_is(s, literal)                                                                  \
    do {                                                                                           \
        struct str s_ = (s);                                                                       \
        assert_int_equal(s_.len, strlen(literal));                                                 \
        assert_memory_equal(s_.ptr, literal, s_.len);                                              \
    } while (0)

#endif
