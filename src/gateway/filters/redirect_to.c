/* RedirectTo=status,url: answers with a redirect; flag: the request's query is passed along. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

static struct str location(struct exchange *x, const struct filter_settings *s)
{
    struct str url = template_expand(&s->value, &x->vars, &x->arena);
    size_t len = url.len + x->query.len + 1;
    struct buf out;
    char *mem;

    if (url.ptr == NULL || !s->config->flag || x->query.ptr == NULL)
        return url;
    mem = arena_alloc(&x->arena, len);
    if (mem == NULL)
        return STR_NULL;
    out = buf_on(mem, len);
    buf_puts(&out, url);
    buf_putc(&out, str_find(url, '?') < 0 ? '?' : '&');
    buf_puts(&out, x->query);
    return buf_str(&out);
}

int redirect_to(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct str url = location(x, s);

    if (url.ptr == NULL)
        return exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "RedirectTo: arena full");
    exchange_answer(x, (int)s->config->number, STR(""));
    (void)exchange_add_response_field(x, STR("Location"), url);
    return 0;
}
