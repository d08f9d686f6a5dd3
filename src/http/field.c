/* Recognising field names: a perfect hash over length and one letter, then one comparison. */
#include "http/field_id.h"

#include "base/assert.h"

struct field_row {
    char name[28];
    uint8_t len;
    uint8_t kind;
};

static const struct field_row rows[HTTP_F_MAX] = {
#define F(id, text, letter, kind) [HTTP_F_##id] = {text, sizeof(text) - 1, HTTP_FIELD_##kind},
#include "http/field.h"
#undef F
};

#define SLOT(len, letter) (((len) + (unsigned char)(letter)*31u) & 127u)

/* A collision is a duplicate designator, which -Werror refuses. */
static const uint8_t slots[128] = {
#define F(id, text, letter, kind) [SLOT(sizeof(text) - 1, letter)] = HTTP_F_##id,
#include "http/field.h"
#undef F
};

/* The table keeps lower-case names; setting bit 5 lowers letters and changes no digit or hyphen.
 * That a few bytes that are no letters also collapse does not matter: see http_field_id_of(). */
#define LOWER_8 UINT64_C(0x2020202020202020)

static inline uint64_t load8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t load4(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t load2(const char *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline bool same_short(const char *name, const char *lower, size_t len)
{
    if (len >= 4)
        return (load4(name) | (uint32_t)LOWER_8) == load4(lower) &&
               (load4(name + len - 4) | (uint32_t)LOWER_8) == load4(lower + len - 4);
    return (load2(name) | (uint16_t)LOWER_8) == load2(lower) &&
           (load2(name + len - 2) | (uint16_t)LOWER_8) == load2(lower + len - 2);
}

static inline bool same_name(const char *name, const char *lower, size_t len)
{
    if (len < 8)
        return same_short(name, lower, len);
    for (size_t i = 0; i + 8 < len; i += 8)
        if ((load8(name + i) | LOWER_8) != load8(lower + i))
            return false;
    return (load8(name + len - 8) | LOWER_8) == load8(lower + len - 8);
}

enum http_field_id http_field_id_of_token(const char *name, size_t len)
{
    uint8_t id;

    if (unlikely(len < 2))
        return HTTP_F_OTHER;
    id = slots[SLOT(len, name[len - 2] | 0x20)];
    if (rows[id].len != len || !same_name(name, rows[id].name, len))
        return HTTP_F_OTHER;
    return (enum http_field_id)id;
}

enum http_field_id http_field_id_of(struct str name)
{
    enum http_field_id id = http_field_id_of_token(name.ptr, name.len);

    /* Bit 5 alone would let "\rost" style bytes pass for letters; parsed names have none. */
    if (id != HTTP_F_OTHER && !str_eq_nocase(name, str_n(rows[id].name, rows[id].len)))
        return HTTP_F_OTHER;
    return id;
}

enum http_field_kind http_field_kind_of(enum http_field_id id)
{
    ASSERT_HOT(id < HTTP_F_MAX);
    return (enum http_field_kind)rows[id].kind;
}

struct str http_field_id_text(enum http_field_id id)
{
    ASSERT_HOT(id < HTTP_F_MAX);
    return str_n(rows[id].name, rows[id].len);
}
