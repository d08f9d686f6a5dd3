/* RequestSize and RequestHeaderSize: what the route takes of a request, stricter than limits. A
 * body whose length is not said is counted as it passes (pump.c). */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

int request_size(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    uint64_t max = (uint64_t)s->config->number;

    if (x->request.body == HTTP_BODY_LENGTH && x->request.content_length > max) {
        x->close = true;
        return exchange_refuse(x, CAUSE_BODY_TOO_LARGE, "Content-Length is beyond RequestSize");
    }
    if (x->body_max == 0 || max < x->body_max)
        x->body_max = max;
    return chain_next(next, x);
}

int request_header_size(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    uint64_t max = (uint64_t)s->config->number;

    for (uint32_t i = 0; i < x->request.field_count; i++) {
        const struct http_field *f = &x->request.fields[i];

        if (unlikely((uint64_t)f->name_len + f->value_len > max && !f->dropped))
            return exchange_refuse(x, CAUSE_HEADER_TOO_LARGE,
                                   STR_FMT " is beyond RequestHeaderSize",
                                   STR_ARG(http_field_name(f)));
    }
    return chain_next(next, x);
}
