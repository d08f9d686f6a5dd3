/* Sections of other layers' files. */
#include "config/embed.h"

#include <stdio.h>

#include "config/reader.h"

#define SCRATCH_BYTES_MAX (64 * MIB)

int config_read_section(const struct section *s, struct node *root, struct arena *a,
                        struct diag_list *diags, void *base)
{
    unsigned errors_before = diags->errors;
    struct config store = {.arena = *a}; /* the reader keeps what it makes in a config's arena */
    struct arena scratch;
    struct reader r = {.config = &store, .scratch = &scratch, .diags = diags, .root = root};

    arena_init(&scratch, NULL, 0, SCRATCH_BYTES_MAX);
    reader_defaults(&r, s, base);
    reader_section(&r, s, root, NULL, base);
    arena_done(&scratch);
    *a = store.arena;
    if (r.no_memory)
        diag_add(diags, DIAG_ERROR, 0, 0, "", "out of memory");
    return diags->errors == errors_before ? 0 : -EINVAL;
}

void config_say_error(struct diag_list *diags, const struct node *n, const char *path,
                      const char *fmt, ...)
{
    char message[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    diag_add(diags, DIAG_ERROR, n != NULL ? n->line : 0, n != NULL ? n->column : 0, path, "%s",
             message);
}
