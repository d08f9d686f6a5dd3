/* Recognising field names: a perfect hash over length and one letter, then one comparison. */
#include "http/field_id.h"

#include "base/assert.h"
#include "http/lower.h"

const struct http_field_row http_field_rows[HTTP_F_MAX] = {
#define F(id, text, letter, kind) [HTTP_F_##id] = {text ":", sizeof(text) - 1, HTTP_FIELD_##kind},
#include "http/field.h"
#undef F
};

const uint64_t http_field_hop_ids = 0
#define F(id, text, letter, kind)                                                                  \
    | (HTTP_FIELD_##kind == HTTP_FIELD_HOP ? HTTP_F_BIT(HTTP_F_##id) : 0)
#include "http/field.h"
#undef F
    ;

/* A collision is a duplicate designator, which -Werror refuses. */
const uint8_t http_field_slots[256] = {
#define F(id, text, letter, kind) [HTTP_FIELD_SLOT(sizeof(text) - 1, letter)] = HTTP_F_##id,
#include "http/field.h"
#undef F
};

enum http_field_id http_field_id_of_token(const char *name, size_t len)
{
    const struct http_field_row *row;
    uint8_t id;

    if (unlikely(len < 2))
        return HTTP_F_OTHER;
    id = http_field_slots[HTTP_FIELD_SLOT(len, name[len - 2])];
    row = &http_field_rows[id];
    if (row->len != len || !lower_same(name, row->name, len))
        return HTTP_F_OTHER;
    return (enum http_field_id)id;
}

enum http_field_id http_field_id_of(struct str name)
{
    enum http_field_id id;

    if (unlikely(name.len < 2))
        return HTTP_F_OTHER;
    id = (enum http_field_id)http_field_slots[HTTP_FIELD_SLOT(name.len, name.ptr[name.len - 2])];
    /* lower_same() is not exact where there are control bytes. */
    return str_eq_nocase(name, http_field_id_text(id)) ? id : HTTP_F_OTHER;
}

enum http_field_id http_field_id_taken_for(struct str name)
{
    char text[sizeof(http_field_rows[0].name)];

    if (name.len > sizeof(text))
        return HTTP_F_OTHER;
    for (size_t i = 0; i < name.len; i++)
        text[i] = (char)(name.ptr[i] == '_' ? '-' : name.ptr[i]);
    return http_field_id_of(str_n(text, name.len));
}

enum http_field_kind http_field_kind_of(enum http_field_id id)
{
    ASSERT_HOT(id < HTTP_F_MAX);
    return (enum http_field_kind)http_field_rows[id].kind;
}

struct str http_field_id_text(enum http_field_id id)
{
    ASSERT_HOT(id < HTTP_F_MAX);
    return str_n(http_field_rows[id].name, http_field_rows[id].len);
}
