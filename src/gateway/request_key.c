/* Keys of limits: see request_key.h. */
#include "gateway/request_key.h"

#include "base/hash.h"
#include "gateway/gateway_impl.h"
#include "gateway/hash_key.h"

static bool is_trusted(const struct generation *gen, const struct addr *a)
{
    for (uint32_t i = 0; i < gen->trusted_count; i++) {
        if (cidr_has(&gen->trusted[i], a))
            return true;
    }
    return false;
}

/* "192.0.2.1", "2001:db8::1", also with a port: an address of X-Forwarded-For. */
static int parse_forwarded(struct str s, struct addr *ret)
{
    char text[80];
    struct buf b = buf_on(text, sizeof(text));
    const char *colon;

    if (s.ptr == NULL || s.len == 0)
        return -EINVAL;
    colon = memchr(s.ptr, ':', s.len);
    if (colon == NULL)
        buf_printf(&b, STR_FMT ":0", STR_ARG(s));
    else if (s.ptr[0] != '[' && memrchr(s.ptr, ':', s.len) != colon)
        buf_printf(&b, "[" STR_FMT "]:0", STR_ARG(s));
    else if (s.ptr[s.len - 1] == ']')
        buf_printf(&b, STR_FMT ":0", STR_ARG(s));
    else
        buf_puts(&b, s);
    if (b.overflow || str_starts(s, STR("unix")))
        return -EINVAL;
    return addr_parse(buf_str(&b), ret);
}

/* Takes the last element off the list; false when there is none. */
static bool take_last(struct str *list, struct str *ret)
{
    const char *comma = list->len != 0 ? memrchr(list->ptr, ',', list->len) : NULL;
    size_t start = comma != NULL ? (size_t)(comma - list->ptr) + 1 : 0;

    if (list->len == 0)
        return false;
    *ret = str_trim(str_n(list->ptr + start, list->len - start));
    list->len = comma != NULL ? start - 1 : 0;
    return true;
}

/* From the right, for each says who came to it: as far as proxies are trusted, and one further. The
 * last element is the peer, which prepare_request has added. */
static void client_behind_proxies(struct exchange *x, struct addr *client)
{
    struct http_field *f = http_head_find_id(&x->request, HTTP_F_X_FORWARDED_FOR);
    struct str rest = f != NULL ? http_field_value(f) : STR(""), element;

    if (!take_last(&rest, &element))
        return;
    while (take_last(&rest, &element)) {
        struct addr a;

        if (parse_forwarded(element, &a) < 0)
            return;
        *client = a;
        if (!is_trusted(x->generation, &a))
            return;
    }
}

/* The address, which is copied to where the key keeps it. */
static struct str client_part(struct exchange *x, struct request_key *key)
{
    struct addr client = *stream_peer(x->reader->stream);

    if (unlikely(x->trusted))
        client_behind_proxies(x, &client);
    if (client.sa.sa_family == AF_INET)
        memcpy(key->client, &client.in.sin_addr, sizeof(client.in.sin_addr));
    else if (client.sa.sa_family == AF_INET6)
        memcpy(key->client, &client.in6.sin6_addr, sizeof(key->client));
    return str_n((const char *)key->client, client.sa.sa_family == AF_INET ? 4 : 8);
}

static struct str part_of(struct exchange *x, const struct config_key *c, uint32_t i,
                          struct request_key *key)
{
    const struct hash_input in = {.head = &x->request, .path = x->path, .query = x->query};
    struct str part;

    if (c->parts[i].on == HASH_CLIENT_IP)
        return client_part(x, key);
    part = hash_key_part(c->parts[i].on, c->parts[i].name, &in);
    return part.len != 0 ? part : STR_NULL;
}

void request_key_get(struct exchange *x, const struct config_key *c, const uint64_t secret[2],
                     struct request_key *ret)
{
    *ret = (struct request_key){.text = STR("")};
    for (uint32_t i = 0; i < c->count; i++) {
        ret->text = part_of(x, c, i, ret);
        if (ret->text.ptr == NULL)
            return;
        ret->hashes[i] = c->count > 1 ? siphash13(secret, ret->text) : 0;
    }
    if (c->count > 1)
        ret->text = str_n((const char *)ret->hashes, c->count * sizeof(ret->hashes[0]));
}
