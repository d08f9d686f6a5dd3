/* PrefixPath=/prefix: puts a prefix in front of the path. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

int prefix_path(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct str prefix = template_expand(&s->value, &x->vars, &x->arena);
    size_t len = prefix.len + x->path.len;
    char *mem = arena_alloc(&x->arena, len + 1);
    struct buf out;

    if (mem == NULL || prefix.ptr == NULL)
        return exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "PrefixPath: arena full");
    out = buf_on(mem, len);
    buf_puts(&out, prefix);
    buf_puts(&out, x->path);
    if (exchange_set_path(x, buf_str(&out)) < 0)
        return 0;
    return chain_next(next, x);
}
