/* Arguments of the filters that bound what comes in: sizes, and what requests are told apart by. */
#include <stdio.h>

#include "config/argument.h"
#include "config/forms.h"
#include "config/value.h"

/* Spring's "16000B" is 16000 here. */
static bool parse_size(const struct argument *a)
{
    struct str s = a->text;
    int64_t bytes;

    if (s.len > 1 && (s.ptr[s.len - 1] | 0x20) == 'b' && s.ptr[s.len - 2] >= '0' &&
        s.ptr[s.len - 2] <= '9')
        s.len--;
    if (value_parse_size(s, &bytes) < 0 || bytes < a->arg->min || bytes > a->arg->max)
        return argument_wrong(a, "expected a size like 5MB, 16KiB or 16000");
    *(int64_t *)argument_field(a) = bytes;
    return true;
}

static const struct {
    struct str prefix; /* with a colon: a name follows */
    enum config_hash_on on;
} key_kinds[] = {
    {{"client_ip", 9}, HASH_CLIENT_IP}, {{"path", 4}, HASH_PATH},    {{"header:", 7}, HASH_HEADER},
    {{"cookie:", 7}, HASH_COOKIE},      {{"query:", 6}, HASH_QUERY},
};

static bool parse_key_part(const struct argument *a, struct config_key *key, struct str part)
{
    for (size_t i = 0; i < ARRAY_LEN(key_kinds); i++) {
        struct str prefix = key_kinds[i].prefix;
        bool named = str_ends(prefix, STR(":"));
        struct str name = STR("");

        if (named ? !str_starts(part, prefix) : !str_eq(part, prefix))
            continue;
        if (named)
            name = str_trim(str_n(part.ptr + prefix.len, part.len - prefix.len));
        if (named && (name.len == 0 || !form_is_plain_text(name) ||
                      (key_kinds[i].on == HASH_HEADER && !form_is_token(name))))
            return argument_wrong(a, "a name is missing behind the colon, or cannot be one");
        key->parts[key->count].on = key_kinds[i].on;
        key->parts[key->count++].name = reader_str(a->r, name);
        return true;
    }
    return argument_wrong(a, "expected route, or one or several of client_ip, header:NAME, "
                             "cookie:NAME, query:NAME and path, joined by +");
}

static bool parse_key(const struct argument *a)
{
    struct config_key key = {0};
    struct str rest = a->text, part;

    if (!str_eq(a->text, STR("route"))) {
        while (str_split(&rest, '+', &part)) {
            if (key.count == CONFIG_KEY_PARTS_MAX)
                return argument_wrong(a, "a key has at most 4 parts");
            if (!parse_key_part(a, &key, str_trim(part)))
                return false;
        }
    }
    *(struct config_key *)argument_field(a) = key;
    return true;
}

struct str argument_key_kind(enum config_hash_on on)
{
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(key_kinds) && key_kinds[i].on != on)
        i++;
    return key_kinds[i].prefix;
}

bool argument_parse_limit(const struct argument *a)
{
    return a->arg->kind == ARG_SIZE ? parse_size(a) : parse_key(a);
}
