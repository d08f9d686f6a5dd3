/* Variables that the path and host patterns of the matched route captured: canonical text, still
 * encoded, so that what a template makes of them can hold neither a slash nor a line break. */
#ifndef WEIR_GATEWAY_VARS_H
#define WEIR_GATEWAY_VARS_H

#include "base/text.h"

#define VARS_MAX 16 /* per route; a configuration beyond it is refused */

struct vars {
    uint32_t count;
    struct {
        struct str name, value;
    } items[VARS_MAX];
};

static inline bool vars_put(struct vars *v, struct str name, struct str value)
{
    if (v->count == VARS_MAX)
        return false;
    v->items[v->count].name = name;
    v->items[v->count].value = value;
    v->count++;
    return true;
}

/* The last one of that name; "" when there is none. */
static inline struct str vars_get(const struct vars *v, struct str name)
{
    for (uint32_t i = v->count; i-- > 0;) {
        if (str_eq(v->items[i].name, name))
            return v->items[i].value;
    }
    return STR("");
}

#endif
