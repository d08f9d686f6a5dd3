/* Reading a scenario, and what its parts mean together. */
#include "drill/scenario.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/duration.h"
#include "http/message.h"
#include "world/file_read.h"

#define SCENARIO_BYTES_MAX (256 * MIB)

struct load {
    struct drill_scenario *s;
    const char *path;
    struct node *root;
    struct diag_list *diags; /* of the scenario's file */
    struct text *problems;
};

/* The node of item i of a list at the top, or of one of its keys; NULL when it is not there. */
static const struct node *place_of(const struct load *l, const char *list, uint32_t i,
                                   const char *key)
{
    const struct node *n = node_get(l->root, str_of(list)), *value;

    if (n == NULL || n->kind != NODE_LIST)
        return NULL;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next, i--) {
        if (i != 0)
            continue;
        value = key != NULL ? node_get(e->node, str_of(key)) : NULL;
        return value != NULL ? value : e->node;
    }
    return NULL;
}

/* An error at a key of item i of a list. */
static void say(struct load *l, const char *list, uint32_t i, const char *key, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

static void say(struct load *l, const char *list, uint32_t i, const char *key, const char *fmt, ...)
{
    char path[64], message[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "%s[%u].%s", list, i, key);
    config_say_error(l->diags, place_of(l, list, i, key), path, "%s", message);
}

static void check_origins(struct load *l)
{
    struct drill_scenario *s = l->s;

    for (uint32_t i = 0; i < s->origin_count; i++) {
        struct drill_origin *o = &s->origins[i];

        if (o->address.text.ptr == NULL)
            continue;
        if (addr_parse(o->address.text, &o->addr) < 0)
            say(l, "origins", i, "address", "found \"" STR_FMT "\"; expected ADDRESS:PORT",
                STR_ARG(o->address.text));
        for (uint32_t j = 0; j < i; j++) {
            if (addr_eq(&s->origins[j].addr, &o->addr))
                say(l, "origins", i, "address",
                    "found " STR_FMT " for the second time; expected one origin at "
                    "an address",
                    STR_ARG(o->address.text));
        }
        if (o->p99_ns != 0 && o->p99_ns < o->median_ns)
            say(l, "origins", i, "service",
                "p99 is shorter than median; expected at least the median");
    }
}

static uint32_t find_origin(const struct drill_scenario *s, struct str address)
{
    for (uint32_t i = 0; i < s->origin_count; i++)
        if (str_eq(s->origins[i].address.text, address))
            return i;
    return DRILL_ALL;
}

static void check_faults(struct load *l)
{
    struct drill_scenario *s = l->s;

    for (uint32_t i = 0; i < s->fault_count; i++) {
        struct drill_fault *f = &s->faults[i];

        f->origin_index = DRILL_ALL;
        if (f->origin.text.ptr != NULL) {
            f->origin_index = find_origin(s, f->origin.text);
            if (f->origin_index == DRILL_ALL)
                say(l, "faults", i, "origin",
                    "found \"" STR_FMT "\"; expected the address of one of `origins`",
                    STR_ARG(f->origin.text));
        }
        if (f->at_ns + f->for_ns > s->duration_ns)
            say(l, "faults", i, "at",
                "the fault ends after the run; expected at + for to be within "
                "`duration`");
    }
}

static void check_clients(struct load *l)
{
    struct drill_scenario *s = l->s;
    double requests = 0;

    for (uint32_t i = 0; i < s->client_count; i++) {
        struct drill_clients *c = &s->clients[i];
        int64_t until = MIN(c->until_ns, s->duration_ns);

        if (c->rate_text.ptr == NULL || drill_parse_rate(c->rate_text, &c->rate) < 0)
            continue; /* said before */
        if (until > c->from_ns)
            requests += c->rate * (double)(until - c->from_ns) / 1e9;
        if (http_method_of(c->method) == HTTP_OTHER)
            say(l, "clients", i, "method",
                "found \"" STR_FMT "\"; expected GET, HEAD, POST, PUT, DELETE, ...",
                STR_ARG(c->method));
    }
    for (uint32_t i = 0; i < s->fault_count; i++)
        if (s->faults[i].kind == DRILL_SURGE)
            requests += requests * s->faults[i].factor * (double)s->faults[i].for_ns /
                        (double)s->duration_ns;
    if (requests > DRILL_REQUESTS_MAX)
        config_say_error(l->diags, node_get(l->root, STR("clients")), "clients",
                         "these are %.0f requests; expected at most %d in a run", requests,
                         DRILL_REQUESTS_MAX);
}

/* A connection to an address where nothing stands is refused: seldom what was meant. */
static void warn_of_strangers(struct load *l, const struct config *c)
{
    for (uint32_t i = 0; i < c->upstream_count; i++) {
        const struct config_upstream *u = &c->upstreams[i];

        for (uint32_t j = 0; j < u->endpoint_count; j++) {
            if (find_origin(l->s, u->endpoints[j].address.text) != DRILL_ALL)
                continue;
            text_printf(l->problems,
                        "%s: warning: endpoint " STR_FMT " of upstream " STR_FMT
                        " has no origin here: connections to it are refused\n",
                        l->path, STR_ARG(u->endpoints[j].address.text), STR_ARG(u->id));
        }
    }
}

static int read_file(const char *path, struct text *out, struct text *problems)
{
    int rc;

    *out = (struct text){.max = TREE_TEXT_MAX};
    rc = world_file_read(path, out);
    if (rc < 0)
        text_printf(problems, "%s: error: cannot be read: %s\n", path,
                    rc == -EFBIG ? "larger than 16 MiB" : strerrordesc_np(-rc));
    return rc;
}

/* A file as a tree in the scenario's arena; what is wrong goes to problems. */
static int read_tree(struct load *l, const char *path, struct node **ret)
{
    struct diag_list diags;
    struct text text;
    struct node *root = NULL;
    int rc = read_file(path, &text, l->problems);

    diag_list_init(&diags);
    if (rc == 0) {
        rc =
            tree_parse(str_n(text.len != 0 ? text.ptr : "", text.len), &l->s->arena, &diags, &root);
        if (rc == 0 && (root == NULL || node_is_null(root))) {
            diag_add(&diags, DIAG_ERROR, 1, 1, "", "there is nothing in it");
            rc = -EINVAL;
        }
        if (diags.errors != 0)
            rc = -EINVAL;
        diag_write(&diags, path, l->problems);
    }
    diag_list_done(&diags);
    text_done(&text);
    if (rc == 0)
        *ret = root;
    return rc;
}

/* The gateway's file stands beside the scenario unless its path is absolute. It must be right
 * without any replacement, so that what is wrong later is the replacement's doing. */
static int read_gateway_file(struct load *l, struct node **ret)
{
    struct str file = l->s->gateway_file;
    const char *slash = strrchr(l->path, '/');
    int dir_len = file.ptr[0] != '/' && slash != NULL ? (int)(slash - l->path) + 1 : 0;
    char *path = arena_printf(&l->s->arena, "%.*s" STR_FMT, dir_len, l->path, STR_ARG(file));
    struct config *config = NULL;
    struct diag_list diags;
    int rc = path != NULL ? read_tree(l, path, ret) : -ENOMEM;

    if (rc < 0)
        return rc;
    diag_list_init(&diags);
    rc = config_load_node(*ret, &diags, &config);
    diag_write(&diags, path, l->problems);
    diag_list_done(&diags);
    config_unref(config);
    return rc;
}

static int find_gateway(struct load *l, struct node **ret)
{
    struct drill_scenario *s = l->s;

    if ((s->gateway != NULL) == (s->gateway_file.ptr != NULL)) {
        config_say_error(l->diags, l->root, "",
                         "expected one of `gateway` (a configuration) and `gateway_file` (its "
                         "path)");
        return -EINVAL;
    }
    if (s->gateway_file.ptr != NULL)
        return read_gateway_file(l, ret);
    *ret = (struct node *)(uintptr_t)s->gateway;
    return 0;
}

static int load_variants(struct load *l)
{
    static struct drill_variant only = {.name = {"as configured", 13}};
    struct drill_scenario *s = l->s;
    struct node *base;
    int rc = find_gateway(l, &base);

    if (rc < 0)
        return rc;
    if (s->variant_count == 0) {
        s->variants = arena_zalloc(&s->arena, sizeof(only));
        if (s->variants == NULL)
            return -ENOMEM;
        s->variants[s->variant_count++] = only;
    }
    for (uint32_t i = 0; i < s->variant_count; i++) {
        struct drill_variant *v = &s->variants[i];
        struct node *root = drill_variant_apply(base, v->set, &s->arena, l->diags);

        if (root == NULL || config_load_node(root, l->diags, &v->config) < 0)
            return -EINVAL; /* the others would repeat it */
    }
    warn_of_strangers(l, s->variants[0].config);
    return 0;
}

static int load_scenario(struct load *l)
{
    int rc = read_tree(l, l->path, &l->root);

    if (rc < 0)
        return rc;
    rc = config_read_section(&drill_scenario_section, l->root, &l->s->arena, l->diags, l->s);
    if (rc < 0)
        return rc;
    check_origins(l);
    check_faults(l);
    check_clients(l);
    rc = load_variants(l);
    return l->diags->errors != 0 ? -EINVAL : rc;
}

int drill_scenario_load(const char *path, struct text *problems, struct drill_scenario **ret)
{
    struct drill_scenario *s = calloc(1, sizeof(*s));
    struct diag_list diags;
    struct load l = {.s = s, .path = path, .diags = &diags, .problems = problems};
    int rc;

    if (s == NULL)
        return -ENOMEM;
    arena_init(&s->arena, NULL, 0, SCENARIO_BYTES_MAX);
    diag_list_init(&diags);
    rc = load_scenario(&l);
    diag_write(&diags, path, problems);
    diag_list_done(&diags);
    if (rc < 0)
        drill_scenario_free(s);
    else
        *ret = s;
    return rc;
}

void drill_scenario_free(struct drill_scenario *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->variant_count; i++)
        config_unref(s->variants[i].config);
    arena_done(&s->arena);
    free(s);
}

void drill_fault_span(const struct drill_scenario *s, int64_t *ret_from_ns, int64_t *ret_to_ns)
{
    int64_t from = -1, to = -1;

    for (uint32_t i = 0; i < s->fault_count; i++) {
        const struct drill_fault *f = &s->faults[i];

        if (from < 0 || f->at_ns < from)
            from = f->at_ns;
        to = MAX(to, f->at_ns + f->for_ns);
    }
    *ret_from_ns = from;
    *ret_to_ns = to;
}
