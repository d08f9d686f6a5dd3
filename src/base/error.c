/* Error values: a chain of code, message and place, some with data of a type of their own. */
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
    const struct weir_error_type *type; /* may be NULL */
    struct weir_error *cause;
    struct weir_error *next; /* joined beside this one */
    char message[MESSAGE_MAX];
    max_align_t data[]; /* type->data_bytes */
};

static struct weir_error out_of_memory = {.code = -ENOMEM, .message = "out of memory"};

/* ---- making ---- */

struct place {
    const char *file;
    int line;
};

static size_t data_bytes(const struct weir_error_type *type)
{
    return type != NULL ? type->data_bytes : 0;
}

static void free_data(const struct weir_error_type *type, void *data)
{
    if (type != NULL && type->done != NULL && type->data_bytes != 0)
        type->done(data);
}

static struct weir_error *make(struct place place, struct weir_error *cause,
                               const struct weir_error_type *type, void *data, int code,
                               const char *fmt, va_list ap)
{
    struct weir_error *e = malloc(sizeof(*e) + data_bytes(type));

    if (e == NULL) {
        free_data(type, data);
        return cause != NULL ? cause : &out_of_memory;
    }
    *e = (struct weir_error){
        .code = code, .line = place.line, .file = place.file, .type = type, .cause = cause};
    if (data_bytes(type) != 0)
        memcpy(e->data, data, type->data_bytes);
    if (vsnprintf(e->message, sizeof(e->message), fmt, ap) < 0)
        e->message[0] = '\0';
    return e;
}

struct weir_error *weir_error_new_at(const char *file, int line, int code, const char *fmt, ...)
{
    struct weir_error *e;
    va_list ap;

    va_start(ap, fmt);
    e = make((struct place){file, line}, NULL, NULL, NULL, code, fmt, ap);
    va_end(ap);
    return e;
}

struct weir_error *weir_error_wrap_at(const char *file, int line, struct weir_error *cause,
                                      int code, const char *fmt, ...)
{
    struct weir_error *e;
    va_list ap;

    va_start(ap, fmt);
    e = make((struct place){file, line}, cause, NULL, NULL, code, fmt, ap);
    va_end(ap);
    return e;
}

struct weir_error *weir_error_wrap_typed_at(const char *file, int line, struct weir_error *cause,
                                            const struct weir_error_type *type, void *data,
                                            int code, const char *fmt, ...)
{
    struct weir_error *e;
    va_list ap;

    va_start(ap, fmt);
    e = make((struct place){file, line}, cause, type, data, code, fmt, ap);
    va_end(ap);
    return e;
}

/* The error that memory was out for is shared, so nothing can be hung on it: it gives way. */
struct weir_error *weir_error_join(struct weir_error *a, struct weir_error *b)
{
    struct weir_error *last = a;

    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (a == &out_of_memory)
        return b;
    if (b == &out_of_memory)
        return a;
    while (last->next != NULL)
        last = last->next;
    last->next = b;
    return a;
}

/* Recursion goes as deep as joined errors are nested in causes; a plain chain is a loop. */
void weir_error_free(struct weir_error *e)
{
    while (e != NULL && e != &out_of_memory) {
        struct weir_error *cause = e->cause, *next = e->next;

        free_data(e->type, e->data);
        free(e);
        if (next != NULL)
            weir_error_free(cause);
        e = next != NULL ? next : cause;
    }
}

/* ---- asking ---- */

int weir_error_code(const struct weir_error *e)
{
    return e != NULL ? e->code : 0;
}

const char *weir_error_message(const struct weir_error *e)
{
    return e != NULL ? e->message : "";
}

const char *weir_error_file(const struct weir_error *e)
{
    return e != NULL ? e->file : NULL;
}

int weir_error_line(const struct weir_error *e)
{
    return e != NULL ? e->line : 0;
}

const struct weir_error_type *weir_error_type(const struct weir_error *e)
{
    return e != NULL ? e->type : NULL;
}

const struct weir_error *weir_error_unwrap(const struct weir_error *e)
{
    return e != NULL ? e->cause : NULL;
}

const struct weir_error *weir_error_next(const struct weir_error *e)
{
    return e != NULL ? e->next : NULL;
}

typedef bool match_fn(const struct weir_error *e, const void *wanted);

static bool has_code(const struct weir_error *e, const void *wanted)
{
    int code = *(const int *)wanted;

    return e->code == code ||
           (e->type != NULL && e->type->is != NULL && e->type->is(e->data, code));
}

static bool has_type(const struct weir_error *e, const void *wanted)
{
    return e->type == wanted;
}

/* Depth first: an error, its causes, what stands beside it. */
static const struct weir_error *find(const struct weir_error *e, match_fn *match,
                                     const void *wanted)
{
    while (e != NULL) {
        const struct weir_error *found;

        if (match(e, wanted))
            return e;
        if (e->next == NULL) {
            e = e->cause;
            continue;
        }
        found = find(e->cause, match, wanted);
        if (found != NULL)
            return found;
        e = e->next;
    }
    return NULL;
}

bool weir_error_is(const struct weir_error *e, int code)
{
    return find(e, has_code, &code) != NULL;
}

bool weir_error_is_type(const struct weir_error *e, const struct weir_error_type *type)
{
    return find(e, has_type, type) != NULL;
}

const void *weir_error_as(const struct weir_error *e, const struct weir_error_type *type)
{
    e = find(e, has_type, type);
    return e != NULL ? e->data : NULL;
}

/* ---- printing ---- */

/* Counts on where it no longer writes, like snprintf. */
struct out {
    char *text;
    size_t size;
    size_t len;
};

static char *out_rest(const struct out *o, size_t *ret_size)
{
    *ret_size = o->len < o->size ? o->size - o->len : 0;
    return *ret_size != 0 ? o->text + o->len : NULL;
}

PRINTF_LIKE(2, 3) static void put(struct out *o, const char *fmt, ...)
{
    size_t size;
    char *rest = out_rest(o, &size);
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(rest, size, fmt, ap);
    va_end(ap);
    o->len += n > 0 ? (size_t)n : 0;
}

static struct out out_begin(char *text, size_t size)
{
    if (size != 0)
        text[0] = '\0';
    return (struct out){.text = text, .size = size};
}

static const char *describe(int code)
{
    const char *text = strerrordesc_np(-code);

    return text != NULL ? text : "";
}

const char *weir_code_name(int code)
{
    const char *name = code < 0 ? strerrorname_np(-code) : NULL;

    return name != NULL ? name : "";
}

/* What a chain ends with: what the code means. */
static void put_meaning(struct out *o, int code)
{
    if (describe(code)[0] != '\0')
        put(o, "%s", describe(code));
    else
        put(o, "error %d", code);
}

static void put_line(struct out *o, const struct weir_error *e)
{
    bool group = e->next != NULL;

    if (group)
        put(o, "(");
    for (; e != NULL; e = e->next) {
        const struct weir_error *link = e;

        put(o, "%s: ", link->message);
        while (link->cause != NULL && link->cause->next == NULL) {
            link = link->cause;
            put(o, "%s: ", link->message);
        }
        if (link->cause != NULL)
            put_line(o, link->cause);
        else
            put_meaning(o, link->code);
        if (e->next != NULL)
            put(o, "; ");
    }
    if (group)
        put(o, ")");
}

size_t weir_error_format(const struct weir_error *e, char *out, size_t size)
{
    struct out o = out_begin(out, size);

    if (e != NULL)
        put_line(&o, e);
    return o.len;
}

static void put_data(struct out *o, const struct weir_error *e, int indent)
{
    size_t size;
    char *rest;

    if (e->type == NULL)
        return;
    put(o, "%*s%s", indent, "", e->type->name);
    if (e->type->format != NULL) {
        put(o, ": ");
        rest = out_rest(o, &size);
        o->len += e->type->format(e->data, rest, size);
    }
    put(o, "\n");
}

static void put_full(struct out *o, const struct weir_error *e, int indent, const char *how)
{
    for (;;) {
        put(o, "%*s%s%s [", indent, "", how, e->message);
        if (weir_code_name(e->code)[0] != '\0')
            put(o, "%s: %s]", weir_code_name(e->code), describe(e->code));
        else
            put(o, "%d]", e->code);
        if (e->file != NULL)
            put(o, " at %s:%d", e->file, e->line);
        put(o, "\n");
        put_data(o, e, indent + 2);
        if (e->cause != NULL && e->next != NULL)
            put_full(o, e->cause, indent + 2, "caused by: ");
        if (e->next == NULL && e->cause == NULL)
            return;
        indent += e->next != NULL || how[0] == 'c' ? 0 : 2;
        how = e->next != NULL ? "and: " : "caused by: ";
        e = e->next != NULL ? e->next : e->cause;
    }
}

size_t weir_error_format_full(const struct weir_error *e, char *out, size_t size)
{
    struct out o = out_begin(out, size);

    if (e != NULL)
        put_full(&o, e, 0, "");
    return o.len;
}
