/* Priority: how much a request matters when there is too much to do. What the route's metadata says
 * holds already (exchange_match()). A header may say it for
 * clients that are trusted proxies; of others it is not believed. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

static enum priority priority_of(struct str text, enum priority fallback)
{
    static const struct str names[] = {{"sheddable", 9}, {"low", 3}, {"normal", 6}, {"high", 4}};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_nocase(text, names[i]))
            return PRIORITY_SHEDDABLE + i;
    }
    return fallback;
}

int set_priority(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct http_field *f = NULL;

    if (s->config->number != CONFIG_PRIORITY_ROUTE)
        x->priority = PRIORITY_SHEDDABLE + (unsigned)s->config->number;
    if (s->config->name.len != 0 && x->trusted)
        f = http_head_find(&x->request, s->config->name);
    if (f != NULL)
        x->priority = priority_of(http_field_value(f), x->priority);
    return chain_next(next, x);
}
