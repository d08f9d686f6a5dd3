/* Error values: a chain of code, message and place. */
#include <weir/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

#define MESSAGE_MAX 256 /* bytes with terminator; longer messages are cut */

struct weir_error {
    int code;
    int line;
    const char *file;
    struct weir_error *cause;
    char message[MESSAGE_MAX];
};

static struct weir_error out_of_memory = {.code = -ENOMEM, .message = "out of memory"};

static struct weir_error *error_make(const char *file, int line, struct weir_error *cause, int code,
                                     const char *fmt, va_list ap)
{
    struct weir_error *e = malloc(sizeof(*e));

    if (e == NULL) {
        weir_error_free(cause);
        return &out_of_memory;
    }
    *e = (struct weir_error){.code = code, .line = line, .file = file, .cause = cause};
    if (vsnprintf(e->message, sizeof(e->message), fmt, ap) < 0)
        e->message[0] = '\0';
    return e;
}

struct weir_error *weir_error_new_at(const char *file, int line, int code, const char *fmt, ...)
{
    struct weir_error *e;
    va_list ap;

    va_start(ap, fmt);
    e = error_make(file, line, NULL, code, fmt, ap);
    va_end(ap);
    return e;
}

struct weir_error *weir_error_wrap_at(const char *file, int line, struct weir_error *cause,
                                      int code, const char *fmt, ...)
{
    struct weir_error *e;
    va_list ap;

    va_start(ap, fmt);
    e = error_make(file, line, cause, code, fmt, ap);
    va_end(ap);
    return e;
}

void weir_error_free(struct weir_error *e)
{
    while (e != NULL && e != &out_of_memory) {
        struct weir_error *cause = e->cause;

        free(e);
        e = cause;
    }
}

int weir_error_code(const struct weir_error *e)
{
    return e != NULL ? e->code : 0;
}

const char *weir_error_message(const struct weir_error *e)
{
    return e != NULL ? e->message : "";
}

const struct weir_error *weir_error_unwrap(const struct weir_error *e)
{
    return e != NULL ? e->cause : NULL;
}

bool weir_error_is(const struct weir_error *e, int code)
{
    for (; e != NULL; e = e->cause)
        if (e->code == code)
            return true;
    return false;
}

size_t weir_error_format(const struct weir_error *e, char *out, size_t size)
{
    size_t len = 0;

    if (size != 0)
        out[0] = '\0';
    for (; e != NULL; e = e->cause) {
        bool last = e->cause == NULL;
        int n = snprintf(len < size ? out + len : NULL, len < size ? size - len : 0, "%s%s%s",
                         e->message, ": ", last ? strerror(-e->code) : "");

        if (n < 0)
            break;
        len += (size_t)n;
    }
    return len;
}
