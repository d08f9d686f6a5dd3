/* Why a predicate does not hold, for people: what it looked at. */
#include "gateway/predicate.h"

static void put_quoted(struct buf *out, struct str s)
{
    buf_lit(out, "\"");
    buf_put_json(out, s);
    buf_lit(out, "\"");
}

/* All values of the field, as many as fit. */
static void put_header(const struct predicate *p, const struct match_input *in, struct buf *out)
{
    bool found = false;

    for (uint32_t i = 0; i < in->head->field_count; i++) {
        const struct http_field *f = &in->head->fields[i];

        if (!str_eq_nocase(http_field_name(f), p->config->name))
            continue;
        if (!found)
            buf_printf(out, "the header " STR_FMT " is ", STR_ARG(p->config->name));
        else
            buf_lit(out, ", ");
        put_quoted(out, http_field_value(f));
        found = true;
    }
    if (!found)
        buf_printf(out, "there is no header " STR_FMT, STR_ARG(p->config->name));
}

static void put_query(const struct match_input *in, struct buf *out)
{
    if (in->head->query.ptr == NULL) {
        buf_lit(out, "there is no query");
        return;
    }
    buf_lit(out, "the query is ");
    put_quoted(out, in->head->query);
}

void predicate_seen(const struct predicate *p, const struct match_input *in, struct buf *out)
{
    switch (p->kind) {
    case PREDICATE_PATH:
        buf_printf(out, "the path is " STR_FMT, STR_ARG(in->path));
        break;
    case PREDICATE_HOST:
        buf_printf(out, "the host is " STR_FMT ", port %u", STR_ARG(in->host), in->port);
        break;
    case PREDICATE_METHOD:
        buf_printf(out, "the method is " STR_FMT, STR_ARG(in->head->method_text));
        break;
    case PREDICATE_HEADER:
        put_header(p, in, out);
        break;
    case PREDICATE_QUERY:
        put_query(in, out);
        break;
    case PREDICATE_MAX:
        break;
    }
}
