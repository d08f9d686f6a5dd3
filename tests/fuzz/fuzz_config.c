/* Configuration from any bytes. Whatever they are, loading them twice says the same, a refusal has
 * a reason with a place inside the text, and what loads keeps the promises of config.h. */
#include "config/config.h"
#include "fuzz.h"

struct run {
    int rc;
    struct config *config;
    struct diag_list *diags;
    struct text said;
};

static struct run load(struct str text)
{
    struct run r = {.diags = malloc(sizeof(*r.diags))};

    FUZZ_CHECK(r.diags != NULL);
    diag_list_init(r.diags);
    r.rc = config_load(text, "fuzz", r.diags, &r.config);
    diag_write(r.diags, "fuzz", &r.said);
    return r;
}

static void done(struct run *r)
{
    config_unref(r->config);
    diag_list_done(r->diags);
    free(r->diags);
    text_done(&r->said);
}

static unsigned count_lines(struct str text)
{
    unsigned lines = 1;

    for (size_t i = 0; i < text.len; i++) /* YAML's line ends; a few more do no harm */
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r' || (unsigned char)text.ptr[i] >= 0x80;
    return lines;
}

static void check_diags(const struct diag_list *l, struct str text)
{
    unsigned lines = count_lines(text);

    for (unsigned i = 0; i < l->count; i++) {
        FUZZ_CHECK(l->items[i].line <= lines + 1);
        FUZZ_CHECK(i == 0 || l->items[i - 1].line <= l->items[i].line);
        FUZZ_CHECK(l->items[i].message[0] != '\0');
    }
}

static void check_upstream(const struct config_upstream *u)
{
    FUZZ_CHECK(u->id.len != 0 && u->endpoint_count >= 1);
    FUZZ_CHECK(u->balance < BALANCE_MAX && u->hash_on < HASH_ON_MAX);
    FUZZ_CHECK(u->timeouts.first_byte_ns > 0 && u->timeouts.total_ns > 0);
    FUZZ_CHECK(u->timeouts.connect_ns > 0 && u->timeouts.read_ns > 0);
    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        FUZZ_CHECK(u->endpoints[i].address.text.len != 0);
        FUZZ_CHECK(u->endpoints[i].weight >= 1 && u->endpoints[i].weight <= 1000);
    }
}

static void check_route(const struct config *c, const struct config_route *r)
{
    FUZZ_CHECK(r->id.len != 0 && r->uri.len != 0 && r->enabled && r->predicate_count >= 1);
    FUZZ_CHECK(r->uri_kind == URI_NONE || r->upstream < c->upstream_count);
    for (uint32_t i = 0; i < r->predicate_count; i++) {
        const struct config_predicate *p = &r->predicates[i];

        FUZZ_CHECK(p->text.len != 0 && p->kind < PREDICATE_MAX);
        FUZZ_CHECK(p->value_count >= 1 || p->name.len != 0);
        FUZZ_CHECK(p->regex == NULL || p->regex->code != NULL);
    }
    for (uint32_t i = 0; i < r->filter_count; i++) {
        const struct config_filter *f = &r->filters[i];

        FUZZ_CHECK(f->text.len != 0 && f->kind < FILTER_MAX);
        FUZZ_CHECK(memchr(f->value.ptr != NULL ? f->value.ptr : "", '\n', f->value.len) == NULL);
    }
}

static void check_config(const struct config *c)
{
    FUZZ_CHECK(c->listener_count >= 1);
    for (uint32_t i = 0; i < c->upstream_count; i++)
        check_upstream(&c->upstreams[i]);
    for (uint32_t i = 0; i < c->route_count; i++) {
        FUZZ_CHECK(i == 0 || c->routes[i - 1].order <= c->routes[i].order);
        check_route(c, &c->routes[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_exact((const char *)data, size);
    struct str text = str_n(copy, size);
    struct run a = load(text), b = load(text);

    FUZZ_CHECK(a.rc == b.rc && a.said.len == b.said.len);
    FUZZ_CHECK(a.said.len == 0 || memcmp(a.said.ptr, b.said.ptr, a.said.len) == 0);
    FUZZ_CHECK((a.rc == 0) == (a.diags->errors == 0));
    check_diags(a.diags, text);
    if (a.rc == 0)
        check_config(a.config);
    done(&a);
    done(&b);
    free(copy);
    return 0;
}
