/* RewritePath=regexp,replacement: replaces every match in the path, which is still encoded. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

#define RESULT_MAX (8 * KIB)

int rewrite_path(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct str path;
    int rc = replacement_apply(&s->replacement, x->path, RESULT_MAX, &x->arena, &path);

    if (rc < 0)
        return exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "RewritePath: %s",
                               rc == -E2BIG ? "the result is too long"
                                            : "the expression needs too many steps");
    if (exchange_set_path(x, path) < 0)
        return 0;
    return chain_next(next, x);
}
