/* cmocka wants these before it. */
#ifndef WEIR_TESTS_UNIT_EXPORT_SETUP_H
#define WEIR_TESTS_UNIT_EXPORT_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
