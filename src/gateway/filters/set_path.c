/* SetPath=/template/{variable}: replaces the path. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

int set_path(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct str path = template_expand(&s->value, &x->vars, &x->arena);

    if (path.ptr == NULL)
        return exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "SetPath: arena full");
    if (exchange_set_path(x, path) < 0)
        return 0;
    return chain_next(next, x);
}
