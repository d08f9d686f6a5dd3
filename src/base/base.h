/* What every file needs: units, container_of, cleanup and ownership helpers. */
#ifndef WEIR_BASE_BASE_H
#define WEIR_BASE_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define NS_PER_US  INT64_C(1000)
#define NS_PER_MS  INT64_C(1000000)
#define NS_PER_SEC INT64_C(1000000000)
#define NS_NEVER   INT64_MAX /* a deadline that never comes */

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

/* CLEANUP(fn): fn(&variable) runs when the variable goes out of scope, on every path. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* TAKE(p): yields p and leaves NULL behind, so that the cleanup of p does nothing. */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) take_p_ = (p);                                                               \
        (p) = NULL;                                                                                \
        take_p_;                                                                                   \
    })

/* memset() to zero by the library, which has vectors for it: out of a size that it knows and finds
 * large the compiler makes a string instruction that takes long to begin. */
static inline void zero_bytes(void *p, size_t size)
{
    __asm__("" : "+r"(size));
    memset(p, 0, size);
}

#define NOINLINE          __attribute__((noinline))
#define NORETURN          __attribute__((noreturn))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define MUST_USE          __attribute__((warn_unused_result))
#define CACHE_LINE        64
#define CACHE_ALIGNED     __attribute__((aligned(CACHE_LINE)))

/* For variables in headers: -fvisibility=hidden says nothing about what is only declared, and code
 * that may become part of a shared library asks a table for the place of each of them. */
#define HIDDEN __attribute__((visibility("hidden")))

/* Marks a prototype whose function may park the calling coroutine. */
#ifndef WEIR_PARKS
#define WEIR_PARKS
#endif

#endif
