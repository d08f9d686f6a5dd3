/* What a head offers to those who read and change it: look-up, adding, dropping, text tables. */
#include "http/message.h"

#include "http/field_id.h"

static const struct str method_texts[HTTP_METHOD_MAX] = {
    [HTTP_OTHER] = {"", 0},          [HTTP_GET] = {"GET", 3},         [HTTP_HEAD] = {"HEAD", 4},
    [HTTP_POST] = {"POST", 4},       [HTTP_PUT] = {"PUT", 3},         [HTTP_DELETE] = {"DELETE", 6},
    [HTTP_CONNECT] = {"CONNECT", 7}, [HTTP_OPTIONS] = {"OPTIONS", 7}, [HTTP_TRACE] = {"TRACE", 5},
    [HTTP_PATCH] = {"PATCH", 5},
};

static enum http_method method_if(struct str text, enum http_method m)
{
    return str_eq(text, method_texts[m]) ? m : HTTP_OTHER;
}

enum http_method http_method_of(struct str text)
{
    if (text.len < 3)
        return HTTP_OTHER;
    switch (text.ptr[0]) {
    case 'G':
        return method_if(text, HTTP_GET);
    case 'H':
        return method_if(text, HTTP_HEAD);
    case 'P':
        if (text.ptr[1] == 'O')
            return method_if(text, HTTP_POST);
        return method_if(text, text.ptr[1] == 'U' ? HTTP_PUT : HTTP_PATCH);
    case 'D':
        return method_if(text, HTTP_DELETE);
    case 'C':
        return method_if(text, HTTP_CONNECT);
    case 'O':
        return method_if(text, HTTP_OPTIONS);
    case 'T':
        return method_if(text, HTTP_TRACE);
    default:
        return HTTP_OTHER;
    }
}

struct str http_method_text(enum http_method m)
{
    return m < HTTP_METHOD_MAX ? method_texts[m] : STR("");
}

bool http_method_idempotent(enum http_method m)
{
    switch (m) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_PUT:
    case HTTP_DELETE:
    case HTTP_OPTIONS:
    case HTTP_TRACE:
        return true;
    default:
        return false;
    }
}

struct http_field *http_head_find_id(struct http_head *h, enum http_field_id id)
{
    if (!http_head_has(h, id))
        return NULL;
    for (uint32_t i = 0; i < h->field_count; i++)
        if (h->fields[i].id == id && !h->fields[i].dropped)
            return &h->fields[i];
    return NULL;
}

static bool field_is(const struct http_field *f, enum http_field_id id, struct str name)
{
    if (id != HTTP_F_OTHER)
        return f->id == id;
    return f->id == HTTP_F_OTHER && f->name_len == name.len &&
           str_eq_nocase(http_field_name(f), name);
}

struct http_field *http_head_find(struct http_head *h, struct str name)
{
    enum http_field_id id = http_field_id_of(name);

    if (id != HTTP_F_OTHER)
        return http_head_find_id(h, id);
    for (uint32_t i = 0; i < h->field_count; i++)
        if (!h->fields[i].dropped && field_is(&h->fields[i], id, name))
            return &h->fields[i];
    return NULL;
}

int http_head_add(struct http_head *h, struct str name, struct str value)
{
    return http_head_add_id(h, http_field_id_of(name), name, value);
}

int http_head_drop(struct http_head *h, struct str name)
{
    enum http_field_id id = http_field_id_of(name);
    int dropped = 0;

    if (id != HTTP_F_OTHER && !http_head_has(h, id))
        return 0;
    for (uint32_t i = 0; i < h->field_count; i++) {
        struct http_field *f = &h->fields[i];

        if (!f->dropped && field_is(f, id, name)) {
            f->dropped = true;
            dropped++;
        }
    }
    return dropped;
}

void http_head_drop_ids(struct http_head *h, uint64_t ids)
{
    if ((h->seen & ids) == 0)
        return;
    for (uint32_t i = 0; i < h->field_count; i++)
        h->fields[i].dropped |= (ids >> h->fields[i].id) & 1;
}

bool http_list_has(struct str value, struct str token)
{
    struct str part;

    if (value.ptr == NULL)
        return false;
    while (str_split(&value, ',', &part))
        if (str_eq_nocase(str_trim(part), token))
            return true;
    return false;
}

/* Drops what Connection names: options such as "close" name no field and find none. */
static void drop_named(struct http_head *h, struct str list)
{
    struct str part;

    if (list.ptr == NULL)
        return;
    while (str_split(&list, ',', &part)) {
        part = str_trim(part);
        if (part.len != 0 && http_field_kind_of(http_field_id_of(part)) == HTTP_FIELD_PLAIN)
            http_head_drop(h, part);
    }
}

/* A response without a body may say how long that body would have been (HEAD, 304): there the
 * writer makes no Content-Length and the one that came is the answer. */
static bool keeps_length(const struct http_head *h)
{
    return h->body == HTTP_BODY_NONE && h->status >= 200 && h->status != 204;
}

void http_head_drop_hop_by_hop(struct http_head *h)
{
    uint64_t ids = http_field_hop_ids;

    http_head_drop_ids(h, keeps_length(h) ? ids : ids | HTTP_F_BIT(HTTP_F_CONTENT_LENGTH));
    if (!http_head_has(h, HTTP_F_CONNECTION))
        return;
    for (uint32_t i = 0; i < h->field_count; i++)
        if (h->fields[i].id == HTTP_F_CONNECTION)
            drop_named(h, http_field_value(&h->fields[i]));
}

struct str http_status_reason(int status)
{
    switch (status) {
#define S(code, text)                                                                              \
    case code:                                                                                     \
        return STR(text);
#include "http/status.h"
#undef S
    default:
        return STR("");
    }
}
