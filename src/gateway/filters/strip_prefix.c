/* StripPrefix=n: takes the first n segments off the path. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/path.h"

int strip_prefix(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct str rest = x->path, segment;

    for (int64_t i = 0; i < s->config->number; i++) {
        if (!path_segment(&rest, &segment))
            break;
    }
    x->path = rest.len != 0 ? rest : STR("/");
    return chain_next(next, x);
}
