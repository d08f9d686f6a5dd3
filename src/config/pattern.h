/* Syntax of path and host patterns and of templates: what the gateway may rely on. */
#ifndef WEIR_CONFIG_PATTERN_H
#define WEIR_CONFIG_PATTERN_H

#include "base/arena.h"

/* Spring's PathPattern: segments with '?', '*', {name}, {name:regex}; "**" or {*name} as the whole
 * last segment. NULL, or what is wrong (in a). */
const char *pattern_check_path(struct str s, struct arena *a);

/* Labels with '*', "**", '?', {name}, and an optional ":port". */
const char *pattern_check_host(struct str s, struct arena *a);

/* Text with {variables}. NULL, or what is wrong. */
const char *pattern_check_template(struct str s, struct arena *a);

/* The next {variable} of a checked pattern or template; moves *rest behind it. */
bool pattern_next_variable(struct str *rest, struct str *ret_name);

#endif
