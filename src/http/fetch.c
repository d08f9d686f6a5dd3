/* <weir/http.h>: the client, and the connections that it keeps. */
#include <stdlib.h>
#include <weir/http.h>

#include "base/duration.h"
#include "base/list.h"
#include "base/lock.h"
#include "http/client.h"
#include "http/handler.h"
#include "http/url.h"
#include "net/conn.h"

#define KEPT_MAX      16
#define KEPT_NS       (30 * NS_PER_SEC)
#define REPLY_MAX     (8 * MIB)
#define REPLY_HEAD    (32 * KIB) /* beyond what h1_limits_default lets through */
#define SENT_HEAD_MAX (12 * KIB)

struct connection {
    struct list node;
    struct http_client http;
    int64_t since_ns; /* kept since then */
    char address[URL_ADDRESS_MAX];
};

struct weir_http_client {
    struct spinlock lock;
    struct list kept; /* the newest first */
    unsigned count;
};

struct reply {
    struct weir_http_reply public;
    struct text fields, body;
};

/* ---- connections ---- */

static void free_connection(struct connection *c)
{
    http_client_done(&c->http);
    free(c);
}

static void free_all(struct list *connections)
{
    struct list *node;

    while ((node = list_pop_front(connections)) != NULL)
        free_connection(list_entry(node, struct connection, node));
}

/* Closes what is not to be kept any longer. */
static void drop_old(struct weir_http_client *client)
{
    int64_t now_ns = weir_now();
    struct list dropped;

    list_init(&dropped);
    spin_lock(&client->lock);
    list_for_each_safe (node, &client->kept) {
        struct connection *c = list_entry(node, struct connection, node);

        if (now_ns - c->since_ns < KEPT_NS && !stream_hung_up(c->http.stream))
            continue;
        list_remove(node);
        list_push_back(&dropped, node);
        client->count--;
    }
    spin_unlock(&client->lock);
    free_all(&dropped);
}

static struct connection *take_kept(struct weir_http_client *client, const char *address)
{
    struct connection *found = NULL;

    drop_old(client);
    spin_lock(&client->lock);
    list_for_each (node, &client->kept) {
        struct connection *c = list_entry(node, struct connection, node);

        if (strcmp(c->address, address) == 0) {
            found = c;
            list_remove(node);
            client->count--;
            break;
        }
    }
    spin_unlock(&client->lock);
    return found;
}

/* The oldest makes room. */
static void keep(struct weir_http_client *client, struct connection *c)
{
    struct list *oldest = NULL;

    c->since_ns = weir_now();
    spin_lock(&client->lock);
    list_push_front(&client->kept, &c->node);
    if (++client->count > KEPT_MAX) {
        oldest = client->kept.prev;
        list_remove(oldest);
        client->count--;
    }
    spin_unlock(&client->lock);
    if (oldest != NULL)
        free_connection(list_entry(oldest, struct connection, node));
}

static int connect_to(const char *address, struct connection **ret)
{
    struct connection *c = calloc(1, sizeof(*c));
    int r;

    if (c == NULL)
        return -ENOMEM;
    r = dial_address(address, &c->http.stream);
    if (r != 0) {
        free(c);
        return r;
    }
    c->http.addr = *stream_peer(c->http.stream);
    memcpy(c->address, address, strlen(address) + 1);
    *ret = c;
    return 0;
}

/* One that is kept, or a new one. What cannot be sent twice goes out only where the server has not
 * closed yet as far as we can tell. */
static int take_connection(struct weir_http_client *client, const char *address,
                           enum http_method method, struct connection **ret)
{
    struct connection *c = client != NULL ? take_kept(client, address) : NULL;

    if (c != NULL && !http_method_idempotent(method) && !stream_quiet(c->http.stream)) {
        free_connection(c);
        c = NULL;
    }
    if (c == NULL)
        return connect_to(address, ret);
    *ret = c;
    return 0;
}

static void give_connection(struct weir_http_client *client, struct connection *c)
{
    if (client != NULL && c->http.stream != NULL)
        keep(client, c);
    else
        free_connection(c);
}

struct weir_http_client *weir_http_client_new(void)
{
    struct weir_http_client *c = calloc(1, sizeof(*c));

    if (c != NULL)
        list_init(&c->kept);
    return c;
}

void weir_http_client_free(struct weir_http_client *c)
{
    if (c == NULL)
        return;
    free_all(&c->kept);
    free(c);
}

/* ---- requests ---- */

static int put_headers(struct buf *out, const char *const *headers, struct str *host)
{
    for (; headers != NULL && headers[0] != NULL; headers += 2) {
        struct str name = str_of(headers[0]), value = str_of(headers[1]);

        if (headers[1] == NULL || !header_valid(name, value))
            return -EINVAL;
        if (http_field_id_of(name) == HTTP_F_HOST)
            *host = value;
        else
            h1_put_field(out, name, value);
    }
    return out->overflow ? -E2BIG : 0;
}

static struct reply *reply_new(size_t body_max)
{
    struct reply *reply = calloc(1, sizeof(*reply));

    if (reply != NULL) {
        reply->fields.max = REPLY_HEAD;
        reply->body.max = body_max;
    }
    return reply;
}

static void complete_reply(struct reply *reply, const struct http_client_response *response)
{
    reply->public.status = response->status;
    reply->public.body = reply->body.ptr != NULL ? reply->body.ptr : "";
    reply->public.body_bytes = reply->body.len;
}

static int send_call(struct weir_http_client *client, const struct url *url,
                     struct http_client_request *q, struct weir_http_reply **ret)
{
    struct reply *reply = container_of(q->keep_body, struct reply, body);
    struct http_client_response response;
    struct connection *c;
    int r = take_connection(client, url->address, http_method_of(q->method), &c);

    if (r != 0)
        return r;
    r = http_client_do(&c->http, q, NULL, 0, &response);
    give_connection(client, c);
    if (r != 0)
        return r;
    complete_reply(reply, &response);
    *ret = &reply->public;
    return 0;
}

static int build_call(const struct weir_http_call *call, struct url *url, struct buf *fields,
                      struct buf *target, struct http_client_request *ret)
{
    struct str method = call->method != NULL ? str_of(call->method) : STR("GET");
    int r = url_parse(call->url, url);

    if (r != 0)
        return r;
    if (!token_valid(method) || http_method_of(method) == HTTP_CONNECT)
        return -EINVAL;
    ret->method = method;
    ret->host = url->authority;
    ret->body = str_n(call->body, call->body_bytes);
    if (url->target.len == 0 || url->target.ptr[0] != '/')
        buf_putc(target, '/');
    buf_puts(target, url->target);
    ret->target = buf_str(target);
    r = put_headers(fields, call->headers, &ret->host);
    ret->fields = buf_str(fields);
    return target->overflow ? -E2BIG : r;
}

int weir_http_do(struct weir_http_client *client, const struct weir_http_call *call,
                 struct weir_http_reply **ret)
{
    struct reply *reply = reply_new(call->reply_max != 0 ? call->reply_max : REPLY_MAX);
    struct http_client_request q = {.close = client == NULL};
    char *mem = malloc(2 * SENT_HEAD_MAX);
    struct buf fields = buf_on(mem, SENT_HEAD_MAX);
    struct buf target = buf_on(mem + SENT_HEAD_MAX, SENT_HEAD_MAX);
    struct url url;
    int r = -ENOMEM;

    if (mem != NULL && reply != NULL) {
        q.keep_fields = &reply->fields;
        q.keep_body = &reply->body;
        r = build_call(call, &url, &fields, &target, &q);
        if (r == 0)
            r = send_call(client, &url, &q, ret);
    }
    free(mem);
    if (r != 0)
        weir_http_reply_free(reply != NULL ? &reply->public : NULL);
    return r;
}

int weir_http_get(struct weir_http_client *client, const char *url, struct weir_http_reply **ret)
{
    const struct weir_http_call call = {.url = url};

    return weir_http_do(client, &call, ret);
}

/* ---- replies ---- */

const char *weir_http_reply_header(const struct weir_http_reply *reply, const char *name)
{
    const struct text *fields = &container_of(reply, const struct reply, public)->fields;
    const char *at = fields->ptr;

    while (at != NULL && at != fields->ptr + fields->len) {
        const char *value = at + strlen(at) + 1;

        if (str_eq_nocase(str_of(at), str_of(name)))
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

void weir_http_reply_free(struct weir_http_reply *public)
{
    struct reply *reply;

    if (public == NULL)
        return;
    reply = container_of(public, struct reply, public);
    text_done(&reply->fields);
    text_done(&reply->body);
    free(reply);
}
