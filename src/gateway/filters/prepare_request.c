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

static struct str client_host(struct exchange *x)
{
    char *mem = arena_alloc(&x->arena, ADDR_TEXT_MAX);
    struct buf out = buf_on(mem, mem != NULL ? ADDR_TEXT_MAX : 0);

    const struct addr *peer = stream_peer(x->reader->stream);
    const uint8_t *v4 = (const uint8_t *)&peer->in.sin_addr;

    if (unlikely(peer->sa.sa_family != AF_INET)) {
        addr_format_host(peer, &out);
        return buf_str(&out);
    }
    for (int i = 0; i < 4; i++) { /* inet_ntop() would take longer than all else here */
        if (i != 0)
            buf_putc(&out, '.');
        buf_put_u64(&out, v4[i]);
    }
    return buf_str(&out);
}

static struct str port_text(struct exchange *x)
{
    char *mem = arena_alloc(&x->arena, 8);
    struct buf out = buf_on(mem, mem != NULL ? 8 : 0);

    buf_put_u64(&out, x->port);
    return buf_str(&out);
}

/* "1.1.1.1" behind what a trusted proxy said. */
static struct str append_to(struct exchange *x, struct http_field *f, struct str value)
{
    char *text =
        arena_printf(&x->arena, STR_FMT ", " STR_FMT, STR_ARG(http_field_value(f)), STR_ARG(value));

    return text != NULL ? str_of(text) : value;
}

static int add_if_absent(struct exchange *x, enum http_field_id id, struct str name,
                         struct str value)
{
    if (http_head_find_id(&x->request, id) != NULL || value.len == 0)
        return 0;
    return exchange_add_request_field(x, name, value);
}

/* Drops what an untrusted client says about itself. */
static void drop_claims(struct http_head *h)
{
    const uint64_t claims =
        UINT64_C(1) << HTTP_F_X_FORWARDED_FOR | UINT64_C(1) << HTTP_F_X_FORWARDED_PROTO |
        UINT64_C(1) << HTTP_F_X_FORWARDED_HOST | UINT64_C(1) << HTTP_F_X_FORWARDED_PORT |
        UINT64_C(1) << HTTP_F_FORWARDED | UINT64_C(1) << HTTP_F_X_REQUEST_ID;

    for (uint32_t i = 0; i < h->field_count; i++) {
        struct http_field *f = &h->fields[i];

        if ((claims >> f->id) & 1)
            f->dropped = true;
        else if (f->id == HTTP_F_OTHER && f->name_len >= 9 && (f->name[0] | 0x20) == 'x' &&
                 (str_eq_nocase(http_field_name(f), STR("X-Real-IP")) ||
                  str_eq_nocase(http_field_name(f), STR("X_Forwarded_For"))))
            f->dropped = true;
    }
}

static int add_forwarded(struct exchange *x)
{
    struct http_field *before;
    struct str client = client_host(x);
    int rc;

    if (!x->trusted)
        drop_claims(&x->request);
    before = http_head_find_id(&x->request, HTTP_F_X_FORWARDED_FOR);
    if (before != NULL) {
        client = append_to(x, before, client);
        before->dropped = true;
    }
    rc = exchange_add_request_field(x, STR("X-Forwarded-For"), client);
    if (rc == 0)
        rc = add_if_absent(x, HTTP_F_X_FORWARDED_PROTO, STR("X-Forwarded-Proto"), STR("http"));
    if (rc == 0)
        rc = add_if_absent(x, HTTP_F_X_FORWARDED_HOST, STR("X-Forwarded-Host"),
                           x->request.authority);
    if (rc == 0)
        rc = add_if_absent(x, HTTP_F_X_FORWARDED_PORT, STR("X-Forwarded-Port"), port_text(x));
    if (rc == 0)
        rc = add_if_absent(x, HTTP_F_X_REQUEST_ID, STR("X-Request-Id"), x->request_id);
    if (rc == 0)
        rc = exchange_add_request_field(x, STR("Via"), x->generation->via);
    return rc;
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
    http_head_drop(&x->request, STR("Host")); /* made anew for each endpoint */
    if (add_forwarded(x) < 0)
        return 0;
    return chain_next(next, x);
}
