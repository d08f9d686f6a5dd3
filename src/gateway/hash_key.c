/* Finding the key of consistent hashing: see hash_key.h. */
#include "gateway/hash_key.h"

/* The value of "name=" in a list whose parts are separated by sep, or STR_NULL. */
static struct str value_in(struct str list, char sep, struct str name)
{
    struct str part;

    while (list.ptr != NULL && str_split(&list, sep, &part)) {
        ssize_t eq;

        part = str_trim(part);
        eq = str_find(part, '=');
        if (eq >= 0 && str_eq(str_n(part.ptr, (size_t)eq), name))
            return str_n(part.ptr + eq + 1, part.len - (size_t)eq - 1);
    }
    return STR_NULL;
}

static struct str client_key(const struct addr *client)
{
    if (client->sa.sa_family == AF_INET)
        return str_n((const char *)&client->in.sin_addr, 4);
    if (client->sa.sa_family == AF_INET6)
        return str_n((const char *)&client->in6.sin6_addr, 16);
    return STR("unix");
}

struct str hash_key_part(enum config_hash_on on, struct str name, const struct hash_input *in)
{
    struct http_field *f;

    switch (on) {
    case HASH_HEADER:
        f = http_head_find(in->head, name);
        return f != NULL ? http_field_value(f) : STR_NULL;
    case HASH_COOKIE:
        f = http_head_find_id(in->head, HTTP_F_COOKIE);
        return f != NULL ? value_in(http_field_value(f), ';', name) : STR_NULL;
    case HASH_QUERY:
        return value_in(in->query, '&', name);
    case HASH_PATH:
        return in->path;
    default:
        return client_key(in->client);
    }
}

struct str hash_key(const struct config_upstream *u, const struct hash_input *in)
{
    return hash_key_part(u->hash_on, u->hash_name, in);
}
