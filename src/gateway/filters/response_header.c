/* AddResponseHeader, SetResponseHeader, RemoveResponseHeader: on the way out, for answers of
 * upstreams and our own alike. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

static int put(struct exchange *x, const struct filter_settings *s)
{
    struct str value = template_expand(&s->value, &x->vars, &x->arena);

    if (value.ptr == NULL)
        return exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "response header: arena full");
    (void)exchange_add_response_field(x, s->config->name, value);
    return 0;
}

/* flag: add even when the response has such a field. */
int add_response_header(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    int rc = chain_next(next, x);

    if (rc < 0 || (!s->config->flag && http_head_find(&x->response, s->config->name) != NULL))
        return rc;
    return put(x, s);
}

int set_response_header(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    int rc = chain_next(next, x);

    if (rc < 0)
        return rc;
    http_head_drop(&x->response, s->config->name);
    return put(x, s);
}

int remove_response_header(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    int rc = chain_next(next, x);

    if (rc == 0)
        http_head_drop(&x->response, s->config->name);
    return rc;
}
