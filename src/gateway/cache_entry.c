/* Stored responses and their bodies: see cache.h. */
#include <stdlib.h>

#include "gateway/cache_impl.h"

/* -- bodies -- */

struct cache_body *cache_body_new(size_t cap)
{
    struct cache_body *b = malloc(sizeof(*b) + cap);

    if (b != NULL) {
        atomic_init(&b->refs, 1);
        b->len = 0;
        b->cap = cap;
    }
    return b;
}

bool cache_body_add(struct cache_body **b, struct str piece, size_t max)
{
    struct cache_body *grown = *b;
    size_t need = grown->len + piece.len;

    if (need < piece.len || need > max)
        return false;
    if (need > grown->cap) {
        size_t cap = MIN(need * 2, max);

        grown = realloc(grown, sizeof(*grown) + cap);
        if (grown == NULL)
            return false;
        grown->cap = cap;
        *b = grown;
    }
    if (piece.len != 0)
        memcpy(grown->data + grown->len, piece.ptr, piece.len);
    grown->len = need;
    return true;
}

struct cache_body *cache_body_ref(struct cache_body *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void cache_body_unref(struct cache_body *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

/* -- what selects among the entries of a key -- */

static bool next_name(struct str *names, struct str *ret)
{
    return names->len != 0 && str_split(names, ',', ret);
}

/* Calls visit with each value of the request for the names, and with "\n" behind each name: no
 * value holds one. */
typedef bool visit_fn(void *arg, struct str part);

static bool visit_values(struct str names, const struct http_head *request, visit_fn *visit,
                         void *arg)
{
    struct str name;

    while (next_name(&names, &name)) {
        for (uint32_t i = 0; i < request->field_count; i++) {
            const struct http_field *f = &request->fields[i];

            if (f->dropped || !str_eq_nocase(http_field_name(f), name))
                continue;
            if (!visit(arg, http_field_value(f)) || !visit(arg, STR(",")))
                return false;
        }
        if (!visit(arg, STR("\n")))
            return false;
    }
    return true;
}

static bool visit_match(void *arg, struct str part)
{
    struct str *rest = arg;

    if (!str_starts(*rest, part))
        return false;
    *rest = str_n(rest->ptr + part.len, rest->len - part.len);
    return true;
}

bool cache_entry_answers(const struct cache_entry *e, const struct http_head *request)
{
    struct str rest = e->vary_values;

    return e->vary.len == 0 ||
           (visit_values(e->vary, request, visit_match, &rest) && rest.len == 0);
}

static bool visit_add(void *arg, struct str part)
{
    text_puts(arg, part);
    return true;
}

/* The names in Vary, of all its lines. */
static void read_vary(const struct http_head *response, struct text *names)
{
    for (uint32_t i = 0; i < response->field_count; i++) {
        const struct http_field *f = &response->fields[i];
        struct str rest = http_field_value(f), part;

        if (f->dropped || f->id != HTTP_F_OTHER || !str_eq_nocase(http_field_name(f), STR("Vary")))
            continue;
        while (str_split(&rest, ',', &part)) {
            part = str_trim(part);
            for (size_t j = 0; j < part.len; j++) {
                char c = ascii_lower(part.ptr[j]);

                text_put(names, &c, 1);
            }
            if (part.len != 0)
                text_puts(names, STR(","));
        }
    }
}

/* -- entries -- */

static bool is_kept(const struct http_field *f)
{
    return !f->dropped && !(f->id == HTTP_F_OTHER && str_eq_nocase(http_field_name(f), STR("Age")));
}

struct texts {
    struct text vary, values;
};

static size_t block_bytes(struct str key, const struct http_head *response, const struct texts *t)
{
    size_t bytes = sizeof(struct cache_entry) + key.len + t->vary.len + t->values.len;

    for (uint32_t i = 0; i < response->field_count; i++) {
        const struct http_field *f = &response->fields[i];

        if (is_kept(f))
            bytes += sizeof(*f) + f->name_len + f->value_len;
    }
    return bytes;
}

static struct str keep(char **at, struct str s)
{
    char *here = *at;

    if (s.len != 0)
        memcpy(here, s.ptr, s.len);
    *at += s.len;
    return str_n(here, s.len);
}

static void copy_fields(struct cache_entry *e, const struct http_head *response, char **at)
{
    for (uint32_t i = 0; i < response->field_count; i++) {
        const struct http_field *from = &response->fields[i];
        struct http_field *to;
        struct str name;

        if (!is_kept(from))
            continue;
        to = &e->fields[e->field_count++];
        *to = *from;
        name = keep(at, http_field_name(from));
        to->name = name.ptr;
        to->value = keep(at, http_field_value(from)).ptr;
        e->seen |= HTTP_F_BIT(from->id);
        if (from->id != HTTP_F_OTHER)
            continue;
        if (str_eq_nocase(name, STR("ETag")))
            e->etag = http_field_value(to);
        else if (str_eq_nocase(name, STR("Last-Modified")))
            e->last_modified = http_field_value(to);
    }
}

static struct cache_entry *new_entry(const struct texts *t, struct str key,
                                     const struct http_head *response)
{
    size_t bytes = block_bytes(key, response, t);
    struct cache_entry *e = malloc(bytes);
    uint32_t kept = 0;
    char *at;

    if (e == NULL)
        return NULL;
    *e = (struct cache_entry){.bytes = bytes, .status = response->status};
    for (uint32_t i = 0; i < response->field_count; i++)
        kept += is_kept(&response->fields[i]);
    e->fields = (struct http_field *)(e + 1);
    at = (char *)(e->fields + kept);
    copy_fields(e, response, &at);
    e->key = keep(&at, key);
    e->vary = keep(&at, str_n(t->vary.ptr, t->vary.len));
    e->vary_values = keep(&at, str_n(t->values.ptr, t->values.len));
    atomic_init(&e->refs, 1);
    list_init(&e->link);
    return e;
}

struct cache_entry *cache_entry_new(uint64_t hash, struct str key, const struct http_head *request,
                                    const struct http_head *response,
                                    const struct http_freshness *freshness, int64_t response_ns,
                                    struct cache_body *body)
{
    struct texts t = {{.max = 4 * KIB}, {.max = 64 * KIB}};
    struct cache_entry *e = NULL;

    read_vary(response, &t.vary);
    (void)visit_values(str_n(t.vary.ptr, t.vary.len), request, visit_add, &t.values);
    if (!t.vary.overflow && !t.values.overflow)
        e = new_entry(&t, key, response);
    text_done(&t.vary);
    text_done(&t.values);
    if (e == NULL) {
        cache_body_unref(body);
        return NULL;
    }
    e->hash = hash;
    e->freshness = *freshness;
    e->response_ns = response_ns;
    if (body != NULL)
        cache_entry_complete(e, body);
    return e;
}

void cache_entry_complete(struct cache_entry *e, struct cache_body *body)
{
    e->body = body;
    e->bytes += sizeof(*body) + body->cap;
}

void cache_entry_unref(struct cache_entry *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    cache_body_unref(e->body);
    free(e);
}
