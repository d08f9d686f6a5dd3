/* Error values with context.
 *
 * Functions of libweir return 0 (or a count) or a negative errno code. Where a bare code says too
 * little, an error value carries a chain: code, message, place, cause.
 *
 *     struct weir_error *e = weir_error_new(-ENOENT, "user %s", name);
 *     e = weir_error_wrap(e, -EIO, "load profile");
 *     weir_error_is(e, -ENOENT);   // true: the chain is searched
 *
 * An error that carries data has a type of its own, a constant with the struct's name and _type:
 *
 *     struct parse_error { int line, column; };
 *     static const struct weir_error_type parse_error_type = {
 *         .name = "parse_error", .data_bytes = sizeof(struct parse_error)};
 *
 *     e = weir_error_new_typed(&parse_error_type, &(struct parse_error){3, 7}, -EINVAL, "no
 * value");
 *     ...
 *     const struct parse_error *p = WEIR_ERROR_AS(e, parse_error);   // NULL: none in the chain
 *
 * A type without data is what Go calls a sentinel: weir_error_is_type() finds it. Codes are
 * errno's; a program may use others, from WEIR_CODE_OWN down. Nothing here parks or needs a
 * runtime.
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include <weir/visibility.h>

struct weir_error;

/* Codes that are not of errno: WEIR_CODE_OWN, WEIR_CODE_OWN - 1, ... */
enum { WEIR_CODE_OWN = -10000 };

/* A kind of error. One constant of static storage for each: types are compared by address. */
struct weir_error_type {
    const char *name;
    size_t data_bytes; /* copied into the error; 0: no data */

    /* Each may be NULL. */
    void (*done)(void *data); /* frees what data owns; called once, with the error or its copy */
    /* Text about data in one line, like snprintf: terminated, returns the full length. */
    size_t (*format)(const void *data, char *out, size_t size);
    /* True when the error counts as this code beside its own. */
    bool (*is)(const void *data, int code);
};

/* A new error; code is negative. The caller owns it and frees it with weir_error_free(). Never
 * NULL: when memory is out, a static error with code -ENOMEM is returned. Messages longer than 255
 * bytes are cut. */
#define weir_error_new(code, ...) weir_error_new_at(__FILE__, __LINE__, (code), __VA_ARGS__)

/* Puts a new error in front of cause and takes ownership of it. cause may be NULL. When memory is
 * out, cause comes back as it was: what happened counts for more than what is said about it. */
#define weir_error_wrap(cause, code, ...)                                                          \
    weir_error_wrap_at(__FILE__, __LINE__, (cause), (code), __VA_ARGS__)

/* The same with a type and its data, which is copied; the error owns what data owns, and should
 * memory be out, that is freed (type->done). data may be NULL when data_bytes is 0. */
#define weir_error_new_typed(type, data, code, ...)                                                \
    weir_error_wrap_typed_at(__FILE__, __LINE__, NULL, (type), (data), (code), __VA_ARGS__)
#define weir_error_wrap_typed(cause, type, data, code, ...)                                        \
    weir_error_wrap_typed_at(__FILE__, __LINE__, (cause), (type), (data), (code), __VA_ARGS__)

WEIR_API struct weir_error *weir_error_new_at(const char *file, int line, int code, const char *fmt,
                                              ...) __attribute__((format(printf, 4, 5)));
WEIR_API struct weir_error *weir_error_wrap_at(const char *file, int line, struct weir_error *cause,
                                               int code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
WEIR_API struct weir_error *weir_error_wrap_typed_at(const char *file, int line,
                                                     struct weir_error *cause,
                                                     const struct weir_error_type *type, void *data,
                                                     int code, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));

/* Puts b beside a: two failures of one operation, neither the cause of the other. Takes ownership
 * of both, needs no memory, returns a (b when a is NULL). Code and message of the whole are those
 * of the first. */
WEIR_API struct weir_error *weir_error_join(struct weir_error *a, struct weir_error *b);

/* Frees the error, its causes and what stands beside it. NULL is fine. */
WEIR_API void weir_error_free(struct weir_error *e);

/* Of the outermost error. Code 0, "", NULL, 0 for NULL. The texts are owned by e. */
WEIR_API int weir_error_code(const struct weir_error *e);
WEIR_API const char *weir_error_message(const struct weir_error *e);
WEIR_API const char *weir_error_file(const struct weir_error *e);
WEIR_API int weir_error_line(const struct weir_error *e);
WEIR_API const struct weir_error_type *weir_error_type(const struct weir_error *e);

/* The cause, and the next of those joined beside e; owned by e; or NULL. */
WEIR_API const struct weir_error *weir_error_unwrap(const struct weir_error *e);
WEIR_API const struct weir_error *weir_error_next(const struct weir_error *e);

/* True when any error of the chain (causes first, then joined ones) has this code, or its type says
 * that it counts as that. */
WEIR_API bool weir_error_is(const struct weir_error *e, int code);
/* The same for a type. */
WEIR_API bool weir_error_is_type(const struct weir_error *e, const struct weir_error_type *type);

/* The data of the first error of this type in the chain, owned by it, or NULL. */
WEIR_API const void *weir_error_as(const struct weir_error *e, const struct weir_error_type *type);
/* For struct NAME with the type NAME_type. */
#define WEIR_ERROR_AS(e, name) ((const struct name *)weir_error_as((e), &name##_type))

/* "load profile: user bob: No such file or directory" into out, terminated; returns the length
 * that the full text has (like snprintf). Joined errors stand in parentheses: "(a: ...; b: ...)".
 */
WEIR_API size_t weir_error_format(const struct weir_error *e, char *out, size_t size);

/* The same in full, a line for each error (and one for its data, if its type has a format), each
 * ended by a newline:
 *
 *     load profile [EIO: Input/output error] at app.c:12
 *       caused by: user bob [ENOENT: No such file or directory] at db.c:40
 *         parse_error: line 3, column 7 */
WEIR_API size_t weir_error_format_full(const struct weir_error *e, char *out, size_t size);

/* "ENOENT" for -ENOENT; "" when the code has no name. */
WEIR_API const char *weir_code_name(int code);

#endif
