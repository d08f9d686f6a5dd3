/* Values with {variables} in them, as filters have them; split once, filled in per request. */
#ifndef WEIR_GATEWAY_TEMPLATE_H
#define WEIR_GATEWAY_TEMPLATE_H

#include "base/arena.h"
#include "gateway/route_index.h"

struct template_piece {
    bool variable;
    struct str text; /* what to copy, or the variable's name */
};

struct template
{
    struct template_piece *pieces;
    uint32_t count;
};

/* Splits. "{name}" is a variable when a pattern of the route can set it, else plain text (JSON in a
 * header, say). -ENOMEM. */
int template_compile(struct str text, const struct route_match *route, struct arena *a,
                     struct template *ret);

/* Fills in; a variable that the matching pattern did not set is empty. The result is the template's
 * own text when it has no variables, else in the arena. STR_NULL when that is full. */
struct str template_expand(const struct template *t, const struct vars *v, struct arena *a);

#endif
