/* <weir/http.h>: what a handler sees of a request. Text is terminated where it lies, or copied to
 * the arena of the call where it has to change. */
#include "http/escape.h"
#include "http/handler.h"

const char *request_text(struct str s)
{
    char *end = (char *)(uintptr_t)s.ptr + s.len;

    if (s.len == 0)
        return "";
    *end = '\0';
    return s.ptr;
}

static int decode_path(struct weir_http_request *q, struct str raw)
{
    char *path = arena_alloc(q->call->arena, raw.len + 1);
    ssize_t len;

    if (path == NULL)
        return -ENOMEM;
    len = percent_decode(raw, false, path);
    if (len < 0)
        return -EBADMSG;
    path[len] = '\0';
    q->path = path;
    return 0;
}

int request_init(struct weir_http_request *q, struct http_call *call, void *arg, uint64_t body_max)
{
    struct str path = call->request->path;

    q->call = call;
    q->arg = arg;
    q->path = NULL;
    q->body_max = body_max;
    q->piece = STR("");
    q->body_error = 0;
    q->body_begun = false;
    q->param_count = 0;
    return unlikely(str_find(path, '%') >= 0) ? decode_path(q, path) : 0;
}

void *weir_http_arg(const struct weir_http_request *q)
{
    return q->arg;
}

const char *weir_http_method(struct weir_http_request *q)
{
    const struct http_head *h = q->call->request;

    return h->method != HTTP_OTHER ? http_method_text(h->method).ptr : request_text(h->method_text);
}

/* Where nothing of the target follows, terminating the path leaves the target whole. */
const char *weir_http_path(struct weir_http_request *q)
{
    const struct http_head *h = q->call->request;

    if (q->path == NULL) {
        if (h->path.ptr + h->path.len == h->target.ptr + h->target.len)
            q->path = request_text(h->path);
        else
            q->path = arena_str(q->call->arena, h->path).ptr;
    }
    return q->path != NULL ? q->path : "";
}

const char *weir_http_target(struct weir_http_request *q)
{
    return request_text(q->call->request->target);
}

/* The decoded text, or NULL. */
static char *decode_parameter(struct weir_http_request *q, struct str raw)
{
    char *text = arena_alloc(q->call->arena, raw.len + 1);
    ssize_t len;

    if (text == NULL)
        return NULL;
    len = percent_decode(raw, true, text);
    if (len < 0)
        return NULL;
    text[len] = '\0';
    return text;
}

static bool is_parameter(struct weir_http_request *q, struct str raw, struct str name)
{
    const char *text;

    if (str_find(raw, '%') < 0 && str_find(raw, '+') < 0)
        return str_eq(raw, name);
    text = decode_parameter(q, raw);
    return text != NULL && str_eq(str_of(text), name);
}

const char *weir_http_query(struct weir_http_request *q, const char *name)
{
    struct str rest = q->call->request->query, part, wanted = str_of(name);

    while (rest.ptr != NULL && str_split(&rest, '&', &part)) {
        ssize_t equals = str_find(part, '=');
        size_t name_len = equals < 0 ? part.len : (size_t)equals;

        if (part.len == 0 || !is_parameter(q, str_n(part.ptr, name_len), wanted))
            continue;
        if (equals < 0)
            return "";
        return decode_parameter(q, str_n(part.ptr + name_len + 1, part.len - name_len - 1));
    }
    return NULL;
}

const char *weir_http_header(struct weir_http_request *q, const char *name)
{
    const struct http_field *f = http_head_find(q->call->request, str_of(name));

    return f != NULL ? request_text(http_field_value(f)) : NULL;
}

bool weir_http_header_at(struct weir_http_request *q, size_t i, const char **ret_name,
                         const char **ret_value)
{
    const struct http_head *h = q->call->request;

    if (i >= h->field_count)
        return false;
    *ret_value = request_text(http_field_value(&h->fields[i]));
    *ret_name = request_text(http_field_name(&h->fields[i]));
    return true;
}

const char *weir_http_peer(struct weir_http_request *q)
{
    char text[ADDR_TEXT_MAX];
    struct buf out = buf_on(text, sizeof(text));

    addr_format(q->call->peer, &out);
    return arena_str(q->call->arena, buf_str(&out)).ptr;
}

void *weir_http_alloc(struct weir_http_request *q, size_t size)
{
    return arena_alloc(q->call->arena, size);
}

const char *weir_http_param(struct weir_http_request *q, const char *name)
{
    for (unsigned i = 0; i < q->param_count; i++) {
        if (str_eq(q->params[i].name, str_of(name)))
            return q->params[i].value;
    }
    return NULL;
}

/* The next piece into q->piece. What is known of its length is held against the bound at once. */
static ssize_t next_piece(struct weir_http_request *q)
{
    struct h1_body *b = q->call->body;
    ssize_t n = q->body_error;

    if (n == 0 && b->kind == HTTP_BODY_LENGTH && b->received + b->remaining > q->body_max)
        n = -E2BIG;
    if (n == 0)
        n = h1_body_next(b, &q->piece);
    if (n > 0 && b->received > q->body_max)
        n = -E2BIG;
    if (n <= 0)
        q->piece = STR("");
    if (n < 0)
        q->body_error = (int)n;
    return n;
}

ssize_t weir_http_read(struct weir_http_request *q, void *data, size_t size)
{
    size_t len;

    q->body_begun = true;
    if (q->piece.len == 0) {
        ssize_t n = next_piece(q);

        if (n <= 0)
            return n;
    }
    len = MIN(size, q->piece.len);
    memcpy(data, q->piece.ptr, len);
    q->piece = str_n(q->piece.ptr + len, q->piece.len - len);
    return (ssize_t)len;
}

int weir_http_body(struct weir_http_request *q, const char **ret, size_t *ret_size)
{
    struct str body;
    int r;

    if (q->body_begun)
        return -EALREADY;
    q->body_begun = true;
    r = http_call_body(q->call, MIN(q->body_max, (uint64_t)SIZE_MAX / 2), &body);
    if (r != 0) {
        q->body_error = r;
        return r;
    }
    *ret = body.ptr;
    if (ret_size != NULL)
        *ret_size = body.len;
    return 0;
}
