/* What a proxy must change in every request (RFC 9110 section 7.6): fields of the connection go,
 * fields that tell who asked and which way it came are added. An untrusted client's word about that
 * is overwritten, a trusted proxy's is kept and continued. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"

/* The pseudonym holds a number of this process, so another weir of the same name in front or
 * behind is no loop, but meeting our own request again is one at the first time. */
static bool went_through_here(struct exchange *x)
{
    struct str rest, part, name = x->generation->pseudonym;

    if (!http_head_has(&x->request, HTTP_F_VIA))
        return false;
    for (uint32_t i = 0; i < x->request.field_count; i++) {
        if (x->request.fields[i].id != HTTP_F_VIA)
            continue;
        rest = http_field_value(&x->request.fields[i]);
        while (str_split(&rest, ',', &part)) {
            part = str_trim(part);
            while (part.len != 0 && part.ptr[0] != ' ')
                part = str_n(part.ptr + 1, part.len - 1);
            if (str_starts(str_trim(part), name))
                return true;
        }
    }
    return false;
}

/* Max-Forwards counts for OPTIONS (and TRACE, which is refused before). 0: ours to answer. */
static bool is_last_hop(struct exchange *x)
{
    struct http_field *f = http_head_find_id(&x->request, HTTP_F_MAX_FORWARDS);
    uint64_t left;
    char *text;

    if (f == NULL || x->request.method != HTTP_OPTIONS ||
        str_to_u64(http_field_value(f), 1000000, &left) < 0)
        return false;
    if (left == 0)
        return true;
    text = arena_printf(&x->arena, "%u", (unsigned)(left - 1));
    if (text != NULL) {
        f->value = text;
        f->value_len = (uint32_t)strlen(text);
    }
    return false;
}

/* The protocols of Upgrade but h2c, which would carry requests past everything here (RFC 9113
 * section 3.1). A request with a body is not upgraded: where its end is would be open to doubt. */
static struct str upgrade_offer(struct exchange *x)
{
    struct http_field *f = http_head_find_id(&x->request, HTTP_F_UPGRADE);
    struct str rest, part;
    struct buf out;
    char *mem;

    if (f == NULL || x->request.body != HTTP_BODY_NONE || x->request.version_minor == 0)
        return STR_NULL;
    mem = arena_alloc(&x->arena, f->value_len);
    out = buf_on(mem, mem != NULL ? f->value_len : 0);
    rest = http_field_value(f);
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0 || str_eq_nocase(part, STR("h2c")))
            continue;
        if (out.len != 0)
            buf_putc(&out, ',');
        buf_puts(&out, part);
    }
    return out.len != 0 && !out.overflow ? buf_str(&out) : STR_NULL;
}

static char *put(char *at, struct str s)
{
    if (s.len != 0)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static char *put_octet(char *at, unsigned v)
{
    if (v >= 100)
        *at++ = (char)('0' + v / 100);
    if (v >= 10)
        *at++ = (char)('0' + v / 10 % 10);
    *at++ = (char)('0' + v % 10);
    return at;
}

/* The address of the client, at most ADDR_TEXT_MAX bytes. */
static char *put_client(char *at, const struct addr *peer)
{
    const uint8_t *v4 = (const uint8_t *)&peer->in.sin_addr;
    struct buf out = buf_on(at, ADDR_TEXT_MAX);

    if (unlikely(peer->sa.sa_family != AF_INET)) {
        addr_format_host(peer, &out);
        return at + out.len;
    }
    for (int i = 0; i < 4; i++) { /* inet_ntop() would take longer than all else here */
        at = put_octet(at, v4[i]);
        *at++ = '.';
    }
    return at - 1;
}

/* Drops what an untrusted client says about itself. */
static void drop_claims(struct http_head *h)
{
    http_head_drop_ids(h, HTTP_F_CLAIMS);
    for (uint32_t i = 0; i < h->field_count; i++) {
        struct http_field *f = &h->fields[i];

        /* All of them that have a hyphen begin with an x. */
        if (f->id == HTTP_F_OTHER && f->name_len >= 9 && (f->name[0] | 0x20) == 'x' &&
            (HTTP_F_CLAIMS >> http_field_id_taken_for(http_field_name(f))) & 1)
            f->dropped = true;
    }
}

/* Where the lines of the fields that are added are made, one behind the other: so they go out in
 * one piece (h1_put_fields()). */
struct lines {
    struct exchange *x;
    char *at;
    char *value; /* of the line begun last */
    int rc;
};

static inline void begin_line(struct lines *l, struct str name)
{
    l->value = put(put(l->at, name), STR(": "));
}

/* at: where the value ends. */
static inline void end_line(struct lines *l, enum http_field_id id, struct str name, char *at)
{
    l->rc |= http_head_add_id(&l->x->request, id, str_n(l->at, name.len),
                              str_n(l->value, (size_t)(at - l->value)));
    l->at = put(at, STR("\r\n"));
}

static inline void add_line(struct lines *l, enum http_field_id id, struct str name,
                            struct str value)
{
    begin_line(l, name);
    end_line(l, id, name, put(l->value, value));
}

static inline void add_if_absent(struct lines *l, enum http_field_id id, struct str name,
                                 struct str value)
{
    if (value.len != 0 &&
        (!http_head_has(&l->x->request, id) || http_head_find_id(&l->x->request, id) == NULL))
        add_line(l, id, name, value);
}

/* "1.1.1.1", or that behind what a trusted proxy said. */
static void add_forwarded_for(struct lines *l, struct http_field *before)
{
    char *at;

    begin_line(l, STR("X-Forwarded-For"));
    at = l->value;
    if (unlikely(before != NULL)) {
        at = put(put(at, http_field_value(before)), STR(", "));
        before->dropped = true;
    }
    at = put_client(at, stream_peer(l->x->reader->stream));
    end_line(l, HTTP_F_X_FORWARDED_FOR, STR("X-Forwarded-For"), at);
}

/* More than the names, the lines' ends, the scheme and the port take. */
#define LINES_FIXED 192

static int add_forwarded(struct exchange *x)
{
    struct str host = x->request.authority, via = x->generation->via;
    struct http_field *before = http_head_find_id(&x->request, HTTP_F_X_FORWARDED_FOR);
    size_t room = LINES_FIXED + ADDR_TEXT_MAX + (before != NULL ? before->value_len : 0) +
                  host.len + x->request_id.len + via.len;
    struct lines l = {.x = x, .at = arena_alloc(&x->arena, room)};
    char digits[8];
    struct buf port = buf_on(digits, sizeof(digits));

    if (l.at == NULL) {
        exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "forwarded: arena full");
        return -ENOMEM;
    }
    buf_put_u64(&port, x->port);
    add_forwarded_for(&l, before);
    add_if_absent(&l, HTTP_F_X_FORWARDED_PROTO, STR("X-Forwarded-Proto"), STR("http"));
    add_if_absent(&l, HTTP_F_X_FORWARDED_HOST, STR("X-Forwarded-Host"), host);
    add_if_absent(&l, HTTP_F_X_FORWARDED_PORT, STR("X-Forwarded-Port"), buf_str(&port));
    add_if_absent(&l, HTTP_F_X_REQUEST_ID, STR("X-Request-Id"), x->request_id);
    add_line(&l, HTTP_F_VIA, STR("Via"), via);
    if (l.rc != 0)
        exchange_refuse(x, CAUSE_HEADER_TOO_LARGE, "no room for the fields that tell the way");
    return l.rc;
}

int prepare_request(struct exchange *x, const struct chain *next)
{
    if (unlikely(went_through_here(x)))
        return exchange_refuse(x, CAUSE_PROXY_LOOP_DETECTED, NULL);
    if (unlikely(is_last_hop(x)))
        return exchange_answer(x, 204, STR(""));
    if (unlikely(x->request.upgrade))
        x->upgrade = upgrade_offer(x);
    http_head_drop_hop_by_hop(&x->request);
    if (unlikely(x->request.version_minor == 0)) {
        http_head_drop(&x->request, STR("Expect")); /* means nothing before 1.1 */
        x->request.te_trailers = false;
    }
    http_head_drop_ids(&x->request, HTTP_F_BIT(HTTP_F_HOST)); /* made anew for each endpoint */
    if (!x->trusted)
        drop_claims(&x->request);
    if (add_forwarded(x) < 0)
        return 0;
    return chain_next(next, x);
}
