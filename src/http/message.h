/* HTTP messages, whatever the version on the wire: a head (start line and fields) and how its body
 * is framed. All text points into memory that the reader of the message owns. */
#ifndef WEIR_HTTP_MESSAGE_H
#define WEIR_HTTP_MESSAGE_H

#include "base/text.h"

enum http_method {
    HTTP_OTHER, /* some other token; see head.method_text */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
    HTTP_METHOD_MAX,
};

enum http_method http_method_of(struct str text); /* methods are case-sensitive */
struct str http_method_text(enum http_method m);
bool http_method_idempotent(enum http_method m); /* RFC 9110 section 9.2.2 */

/* Fields that weir itself looks at, recognised while parsing. One table, http/field.h. */
enum http_field_id {
    HTTP_F_OTHER,
    HTTP_F_HOST,
    HTTP_F_CONNECTION,
    HTTP_F_CONTENT_LENGTH,
    HTTP_F_TRANSFER_ENCODING,
    HTTP_F_KEEP_ALIVE,
    HTTP_F_PROXY_CONNECTION,
    HTTP_F_PROXY_AUTHENTICATE,
    HTTP_F_PROXY_AUTHORIZATION,
    HTTP_F_TE,
    HTTP_F_TRAILER,
    HTTP_F_UPGRADE,
    HTTP_F_EXPECT,
    HTTP_F_DATE,
    HTTP_F_SERVER,
    HTTP_F_VIA,
    HTTP_F_FORWARDED,
    HTTP_F_X_FORWARDED_FOR,
    HTTP_F_X_FORWARDED_PROTO,
    HTTP_F_X_FORWARDED_HOST,
    HTTP_F_X_FORWARDED_PORT,
    HTTP_F_X_REQUEST_ID,
    HTTP_F_LOCATION,
    HTTP_F_CONTENT_TYPE,
    HTTP_F_AUTHORIZATION,
    HTTP_F_COOKIE,
    HTTP_F_RETRY_AFTER,
    HTTP_F_MAX_FORWARDS,
    HTTP_F_TRACEPARENT,
    HTTP_F_USER_AGENT,
    HTTP_F_ACCEPT,
    HTTP_F_ACCEPT_ENCODING,
    HTTP_F_IDEMPOTENCY_KEY,
    HTTP_F_X_REAL_IP,
    HTTP_F_MAX,
};

#define HTTP_F_BIT(id) (UINT64_C(1) << (id)) /* in a set of ids */

/* What says who asks and which way the request came: to be believed of trusted proxies only. */
#define HTTP_F_CLAIMS                                                                              \
    (HTTP_F_BIT(HTTP_F_FORWARDED) | HTTP_F_BIT(HTTP_F_X_FORWARDED_FOR) |                           \
     HTTP_F_BIT(HTTP_F_X_FORWARDED_PROTO) | HTTP_F_BIT(HTTP_F_X_FORWARDED_HOST) |                  \
     HTTP_F_BIT(HTTP_F_X_FORWARDED_PORT) | HTTP_F_BIT(HTTP_F_X_REAL_IP) |                          \
     HTTP_F_BIT(HTTP_F_X_REQUEST_ID))

struct http_field {
    const char *name;  /* as it came; compare without case */
    const char *value; /* without leading and trailing blanks */
    uint32_t value_len;
    uint16_t name_len;
    uint8_t id;   /* enum http_field_id */
    bool dropped; /* not to be forwarded (hop-by-hop, replaced, removed by a filter) */
};

enum http_body_kind {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
    HTTP_BODY_CLOSE, /* ends with the connection; responses only */
};

#define HTTP_FIELDS_MAX 128 /* hard bound; limits.headers_count may lower it */

struct http_head {
    enum http_method method; /* requests */
    struct str method_text;
    struct str target;    /* as it came: origin, absolute, authority or asterisk form */
    struct str path;      /* of the target, without query; "*" for OPTIONS * */
    struct str query;     /* without '?'; ptr NULL when there is none */
    struct str authority; /* host[:port] from the absolute form, else from Host */
    int status;           /* responses */
    struct str reason;
    uint8_t version_minor; /* 0 or 1: HTTP/1.x */
    bool keep_alive;       /* the sender is ready to go on after this message */
    bool upgrade;          /* Connection: upgrade with an Upgrade field */
    bool expect_continue;
    bool te_trailers;
    enum http_body_kind body;
    uint64_t content_length; /* HTTP_BODY_LENGTH */
    uint32_t field_count;
    uint32_t head_bytes; /* size on the wire */
    uint64_t seen;       /* bit per http_field_id that occurs */
    struct http_field fields[HTTP_FIELDS_MAX];
};

static inline struct str http_field_name(const struct http_field *f)
{
    return str_n(f->name, f->name_len);
}

static inline struct str http_field_value(const struct http_field *f)
{
    return str_n(f->value, f->value_len);
}

static inline bool http_head_has(const struct http_head *h, enum http_field_id id)
{
    return (h->seen >> id) & 1;
}

/* The first such field that is not dropped, or NULL. */
struct http_field *http_head_find_id(struct http_head *h, enum http_field_id id);
struct http_field *http_head_find(struct http_head *h, struct str name);

/* Appends; the text is borrowed. -ENOSPC at HTTP_FIELDS_MAX. */
int http_head_add(struct http_head *h, struct str name, struct str value);
/* The same for a name whose id is known. */
static inline int http_head_add_id(struct http_head *h, enum http_field_id id, struct str name,
                                   struct str value)
{
    if (h->field_count >= HTTP_FIELDS_MAX)
        return -ENOSPC;
    if (name.len > UINT16_MAX || value.len > UINT32_MAX)
        return -EINVAL;
    h->fields[h->field_count++] = (struct http_field){
        .name = name.ptr,
        .value = value.ptr,
        .name_len = (uint16_t)name.len,
        .value_len = (uint32_t)value.len,
        .id = (uint8_t)id,
    };
    h->seen |= HTTP_F_BIT(id);
    return 0;
}

/* Drops every field of that name; returns how many. */
int http_head_drop(struct http_head *h, struct str name);
/* Drops all fields of these ids, a set of HTTP_F_BIT(id). */
void http_head_drop_ids(struct http_head *h, uint64_t ids);

/* The id of a field name (any case). */
enum http_field_id http_field_id_of(struct str name);

/* The id that a recipient may take the name for which reads '_' as '-', as CGI and its heirs do. */
enum http_field_id http_field_id_taken_for(struct str name);

/* True when the comma-separated list value contains the token (any case). */
bool http_list_has(struct str value, struct str token);

/* Marks hop-by-hop fields as dropped (RFC 9110 section 7.6.1): Connection and what it names (never
 * Host, Content-Length, Authorization, Cookie and the like), Keep-Alive, Proxy-Connection, TE,
 * Transfer-Encoding, Upgrade, Proxy-Authenticate, Proxy-Authorization; also Content-Length, which
 * the writer makes anew from the framing. */
void http_head_drop_hop_by_hop(struct http_head *h);

struct str http_status_reason(int status); /* "Not Found"; "" when unknown */

#endif
