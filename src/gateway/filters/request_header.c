/* AddRequestHeader, SetRequestHeader, RemoveRequestHeader. Host is not an ordinary field: setting
 * it says what the endpoint is told instead of its own address. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

static int put(struct exchange *x, const struct filter_settings *s)
{
    struct str value = template_expand(&s->value, &x->vars, &x->arena);

    if (value.ptr == NULL) {
        exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "request header: arena full");
        return -ENOSPC;
    }
    if (http_field_id_of(s->config->name) == HTTP_F_HOST) {
        x->forward_host = value;
        return 0;
    }
    return exchange_add_request_field(x, s->config->name, value);
}

int add_request_header(struct exchange *x, const struct chain *next)
{
    if (put(x, chain_settings(next)) < 0)
        return 0;
    return chain_next(next, x);
}

int set_request_header(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);

    http_head_drop(&x->request, s->config->name);
    if (put(x, s) < 0)
        return 0;
    return chain_next(next, x);
}

int remove_request_header(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);

    http_head_drop(&x->request, s->config->name);
    return chain_next(next, x);
}
