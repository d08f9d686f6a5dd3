/* Error values with context.
 *
 * Functions of libweir return 0 (or a count) or a negative errno code. Where a bare code says too
 * little, an error value carries a chain: code, message, place, cause.
 *
 *     struct weir_error *e = weir_error_new(-ENOENT, "user %s", name);
 *     e = weir_error_wrap(e, -EIO, "load profile");
 *     weir_error_is(e, -ENOENT);   // true: the chain is searched
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/visibility.h>

struct weir_error;

/* A new error; code is negative. The caller owns it and frees it with weir_error_free(). Never
 * NULL: when memory is out, a static error with code -ENOMEM is returned. Does not park. */
#define weir_error_new(code, ...) weir_error_new_at(__FILE__, __LINE__, (code), __VA_ARGS__)

/* Puts a new error in front of cause and takes ownership of it. cause may be NULL. */
#define weir_error_wrap(cause, code, ...)                                                          \
    weir_error_wrap_at(__FILE__, __LINE__, (cause), (code), __VA_ARGS__)

WEIR_API struct weir_error *weir_error_new_at(const char *file, int line, int code, const char *fmt,
                                              ...) __attribute__((format(printf, 4, 5)));
WEIR_API struct weir_error *weir_error_wrap_at(const char *file, int line, struct weir_error *cause,
                                               int code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Frees the whole chain. NULL is fine. */
WEIR_API void weir_error_free(struct weir_error *e);

/* The outermost code; 0 for NULL. */
WEIR_API int weir_error_code(const struct weir_error *e);
/* The outermost message, owned by e. */
WEIR_API const char *weir_error_message(const struct weir_error *e);
/* The cause, owned by e, or NULL. */
WEIR_API const struct weir_error *weir_error_unwrap(const struct weir_error *e);
/* True when any error of the chain has this code. */
WEIR_API bool weir_error_is(const struct weir_error *e, int code);

/* "load profile: user bob: No such file or directory" into out, terminated; returns the length
 * that the full text has (like snprintf). */
WEIR_API size_t weir_error_format(const struct weir_error *e, char *out, size_t size);

#endif
