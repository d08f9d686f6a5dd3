/* What is wrong with a configuration, and where. A list with a bound, in the order of the text. */
#ifndef WEIR_CONFIG_DIAG_H
#define WEIR_CONFIG_DIAG_H

#include "base/arena.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

struct diag {
    enum diag_level level;
    unsigned line, column; /* from 1; 0: the file as a whole */
    const char *path;      /* "routes[2].filters[0]" */
    const char *message;   /* what was found, what was expected, the nearest known name */
};

#define DIAG_MAX 200

struct diag_list {
    struct arena arena;
    struct diag items[DIAG_MAX];
    unsigned count;
    unsigned errors;
    bool overflow; /* more than DIAG_MAX: the rest was counted in errors only */
};

void diag_list_init(struct diag_list *l);
void diag_list_done(struct diag_list *l);
void diag_add(struct diag_list *l, enum diag_level level, unsigned line, unsigned column,
              const char *path, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* Into the order of the text, the file as a whole first; config_load() has done it. */
void diag_sort(struct diag_list *l);

/* "weir.yaml:12:9: error: routes[2].filters[0]: ..." one line each, sorted by place. */
void diag_write(const struct diag_list *l, const char *name, struct text *out);

#endif
