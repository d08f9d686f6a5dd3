/* The bounded list of findings. */
#include "config/diag.h"

#include <stdio.h>

#define DIAG_BYTES_MAX (1 * MIB)

void diag_list_init(struct diag_list *l)
{
    memset(l, 0, sizeof(*l));
    arena_init(&l->arena, NULL, 0, DIAG_BYTES_MAX);
}

void diag_list_done(struct diag_list *l)
{
    arena_done(&l->arena);
    l->count = 0;
}

/* Keys and values come from the text; a terminal must not act on what they hold. */
static struct str without_controls(char *s)
{
    for (char *p = s; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return str_of(s);
}

static char *format(struct arena *a, const char *fmt, va_list ap)
{
    char local[1024]; /* longer messages are cut: offending values are quoted in part anyway */
    int n = vsnprintf(local, sizeof(local), fmt, ap);

    if (n < 0)
        return NULL;
    return (char *)arena_str(a, without_controls(local)).ptr;
}

void diag_add(struct diag_list *l, enum diag_level level, unsigned line, unsigned column,
              const char *path, const char *fmt, ...)
{
    struct diag d = {.level = level, .line = line, .column = column};
    va_list ap;

    if (level == DIAG_ERROR)
        l->errors++;
    if (l->count == DIAG_MAX) {
        l->overflow = true;
        return;
    }
    va_start(ap, fmt);
    d.message = format(&l->arena, fmt, ap);
    va_end(ap);
    d.path = arena_printf(&l->arena, "%s", path);
    if (d.message == NULL || d.path == NULL) {
        l->overflow = true;
        return;
    }
    without_controls((char *)(uintptr_t)d.path);
    l->items[l->count++] = d;
}

static bool stands_before(const struct diag *a, const struct diag *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Insertion keeps findings of one place in the order they were made. */
void diag_sort(struct diag_list *l)
{
    for (unsigned i = 1; i < l->count; i++) {
        struct diag d = l->items[i];
        unsigned j = i;

        for (; j > 0 && stands_before(&d, &l->items[j - 1]); j--)
            l->items[j] = l->items[j - 1];
        l->items[j] = d;
    }
}

static void write_one(const struct diag *d, const char *name, struct text *out)
{
    text_printf(out, "%s:", name);
    if (d->line != 0)
        text_printf(out, "%u:%u:", d->line, d->column);
    text_printf(out, " %s: ", d->level == DIAG_ERROR ? "error" : "warning");
    if (d->path[0] != '\0')
        text_printf(out, "%s: ", d->path);
    text_printf(out, "%s\n", d->message);
}

void diag_write(const struct diag_list *l, const char *name, struct text *out)
{
    struct diag_list sorted = *l; /* by value: the arena is only read */

    diag_sort(&sorted);
    for (unsigned i = 0; i < sorted.count; i++)
        write_one(&sorted.items[i], name, out);
    if (l->overflow)
        text_printf(out, "%s: more findings are not shown; errors in all: %u\n", name, l->errors);
}
