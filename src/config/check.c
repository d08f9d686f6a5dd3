/* Upstreams and listeners, each against the others. */
#include "config/check.h"

#include <stdio.h>

#include "base/map.h"

static const uint64_t map_key[2] = {0x776569725f636f6e, 0x6669675f6d617073};

/* The place of item i of a list at the top of the file. */
static const struct node *item_node(const struct reader *r, const char *list, uint32_t i)
{
    const struct node *n = node_get(r->root, str_of(list));
    const struct node_entry *e = n != NULL ? n->entries : NULL;

    for (; e != NULL && i > 0; i--)
        e = e->next;
    return e != NULL ? e->node : NULL;
}

/* Reports the second of two equal texts; the map holds their nodes. */
static void check_unique(struct reader *r, struct map *seen, struct str text, const struct node *n,
                         const struct path *path, const char *what)
{
    const struct node *first = text.ptr != NULL ? map_get(seen, text) : NULL;

    if (text.ptr == NULL)
        return;
    if (first != NULL)
        reader_error(r, n, path, "%s %s is there already, in line %u", what, reader_quote(r, text),
                     first->line);
    else if (map_put(seen, text, (void *)(uintptr_t)n) < 0)
        r->no_memory = true;
}

static const struct node *sub_node(const struct node *n, const char *key)
{
    const struct node *sub = node_get(n, str_of(key));

    return sub != NULL && !node_is_null(sub) ? sub : n;
}

static bool is_given(const struct node *n, const char *key)
{
    return sub_node(n, key) != n;
}

static void check_endpoints(struct reader *r, const struct config_upstream *u, const struct node *n,
                            const struct path *path)
{
    struct path list = path_key(path, "endpoints");
    const struct node *nodes = node_get(n, STR("endpoints"));
    const struct node_entry *e = nodes != NULL ? nodes->entries : NULL;
    struct map seen;

    map_init(&seen, map_key, 0);
    for (uint32_t i = 0; i < u->endpoint_count && e != NULL; i++, e = e->next) {
        struct path at = path_item(&list, i);

        check_unique(r, &seen, u->endpoints[i].address.text, e->node, &at, "the endpoint");
        u->endpoints[i].local = u->endpoints[i].zone.ptr != NULL && r->config->zone.ptr != NULL &&
                                str_eq(u->endpoints[i].zone, r->config->zone);
    }
    map_done(&seen);
}

static void check_hash(struct reader *r, const struct config_upstream *u, const struct node *n,
                       const struct path *path)
{
    bool named = u->hash_on == HASH_HEADER || u->hash_on == HASH_COOKIE || u->hash_on == HASH_QUERY;
    const struct node *hash = sub_node(n, "hash");
    struct path at = path_key(path, "hash");

    if (hash != n && named && u->hash_name.ptr == NULL)
        reader_error(r, hash, &at,
                     "the setting \"name\" is missing: which header, cookie or query parameter");
    else if (hash != n && u->balance != BALANCE_CONSISTENT_HASH)
        reader_warn(r, hash, &at, "not used: only balance: consistent_hash looks at it");
    if (u->hash_bound > 0 && u->hash_bound < 100) {
        struct path bound = path_key(&at, "bound");

        reader_error(r, sub_node(hash, "bound"), &bound,
                     "found %u%%; expected at least 100%% of the mean load, or 0 for no bound",
                     u->hash_bound);
    }
    if (u->slow_start_ns != 0 && u->balance == BALANCE_CONSISTENT_HASH) {
        at = path_key(path, "slow_start");
        reader_warn(r, sub_node(n, "slow_start"), &at,
                    "not used: consistent_hash keeps keys where they belong");
    }
}

static void check_upstream(struct reader *r, struct config_upstream *u, const struct node *n,
                           const struct path *path)
{
    const struct node *health = sub_node(n, "health");
    struct path at = path_key(path, "health");

    if (health == n)
        u->health.enabled = u->endpoint_count > 1;
    if (u->timeouts.first_byte_ns == 0)
        u->timeouts.first_byte_ns = u->timeouts.read_ns;
    check_hash(r, u, n, path);
    check_endpoints(r, u, n, path);
    if (health->kind == NODE_MAP && health != n && u->health.timeout_ns > u->health.interval_ns) {
        /* The default of a second must not warn people who only shorten the interval. */
        if (is_given(health, "timeout"))
            reader_warn(r, health, &at,
                        "timeout is longer than interval; a check ends when the next is due");
        u->health.timeout_ns = u->health.interval_ns;
    }
    if (u->timeouts.total_ns < u->timeouts.connect_ns) {
        at = path_key(path, "timeouts");
        reader_warn(r, sub_node(n, "timeouts"), &at, "total is shorter than connect");
    }
    if (u->eject.time_max_ns < u->eject.time_ns) {
        at = path_key(path, "eject");
        reader_error(r, sub_node(n, "eject"), &at, "time_max is shorter than time");
    }
}

void check_upstreams(struct reader *r)
{
    struct config *c = r->config;
    struct path list = path_key(NULL, "upstreams");
    struct map seen;

    map_init(&seen, map_key, 0);
    for (uint32_t i = 0; i < c->upstream_count; i++) {
        const struct node *n = item_node(r, "upstreams", i);
        struct path at = path_item(&list, i), id = path_key(&at, "id");

        if (n == NULL || n->kind != NODE_MAP)
            continue;
        check_unique(r, &seen, c->upstreams[i].id, sub_node(n, "id"), &id, "the upstream");
        check_upstream(r, &c->upstreams[i], n, &at);
    }
    map_done(&seen);
}

void check_listeners(struct reader *r)
{
    struct config *c = r->config;
    struct path list = path_key(NULL, "listeners");
    struct map seen;

    map_init(&seen, map_key, 0);
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const struct node *n = item_node(r, "listeners", i);
        struct str address = c->listeners[i].address.text;
        struct path at = path_item(&list, i);

        if (n == NULL || str_ends(address, STR(":0"))) /* any number of ports may be chosen */
            continue;
        check_unique(r, &seen, address, sub_node(n, "address"), &at, "the address");
        if (c->admin_enabled && str_eq(address, c->admin_address.text))
            reader_error(r, sub_node(n, "address"), &at, "the admin API has this address, too");
    }
    map_done(&seen);
}
