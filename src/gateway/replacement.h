/* Replacing by regular expression as Java's Matcher.replaceAll() does it: $1, ${name}, and \ before
 * a character that is meant as it is. Spring's "$\" for "$" is understood too. */
#ifndef WEIR_GATEWAY_REPLACEMENT_H
#define WEIR_GATEWAY_REPLACEMENT_H

#include "base/arena.h"

struct replacement_piece {
    int group; /* -1: text */
    struct str text;
};

struct replacement {
    const void *regex;
    struct replacement_piece *pieces;
    uint32_t count;
};

/* -EINVAL with *ret_message: a group that the expression does not have, or a "$" alone. -ENOMEM. */
int replacement_compile(const void *regex, struct str text, struct arena *a,
                        struct replacement *ret, const char **ret_message);

/* Every match in s replaced; s itself when there is none. Results beyond max bytes: -E2BIG; a limit
 * of the expression met: -EDOM. */
int replacement_apply(const struct replacement *r, struct str s, size_t max, struct arena *a,
                      struct str *ret);

#endif
