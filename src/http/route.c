/* A table of handlers by method and path. A page of rows is scanned faster than an index is built,
 * and who has thousands has a program of his own. */
#include "http/handler.h"

/* "GET /users/{id}" into "GET" and "/users/{id}"; the method may be missing. */
static struct str split_pattern(const char *pattern, struct str *ret_method)
{
    const char *blank = strchr(pattern, ' ');

    *ret_method = STR_NULL;
    if (blank == NULL)
        return str_of(pattern);
    *ret_method = str_n(pattern, (size_t)(blank - pattern));
    return str_trim(str_of(blank));
}

static struct str take_segment(struct str *rest)
{
    const char *slash = memchr(rest->ptr, '/', rest->len);
    struct str segment = str_n(rest->ptr, slash != NULL ? (size_t)(slash - rest->ptr) : rest->len);

    *rest = str_n(rest->ptr + segment.len, rest->len - segment.len);
    return segment;
}

static bool is_param(struct str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

static bool match_segment(struct weir_http_request *q, struct str wanted, struct str got)
{
    struct str value;

    if (!is_param(wanted))
        return str_eq(wanted, got);
    if (got.len == 0 || q->param_count == PARAMS_MAX)
        return false;
    value = arena_str(q->call->arena, got);
    if (value.ptr == NULL)
        return false;
    q->params[q->param_count++] =
        (struct route_param){str_n(wanted.ptr + 1, wanted.len - 2), value.ptr};
    return true;
}

/* Both texts are runs of "/segment"; a pattern that ends with "/" leaves the rest of the path be.
 */
static bool match_path(struct weir_http_request *q, struct str pattern, struct str path)
{
    q->param_count = 0;
    while (pattern.len != 0 && path.len != 0 && pattern.ptr[0] == '/' && path.ptr[0] == '/') {
        pattern = str_n(pattern.ptr + 1, pattern.len - 1);
        path = str_n(path.ptr + 1, path.len - 1);
        if (pattern.len == 0)
            return true;
        if (!match_segment(q, take_segment(&pattern), take_segment(&path)))
            return false;
    }
    return pattern.len == 0 && path.len == 0;
}

static bool match_method(struct str wanted, struct str got)
{
    return wanted.ptr == NULL || str_eq(wanted, got) ||
           (str_eq(wanted, STR("GET")) && str_eq(got, STR("HEAD")));
}

static int refuse_method(struct weir_http_response *r, const struct buf *allowed)
{
    int error = weir_http_set_header(r, "Allow", allowed->len != 0 ? allowed->ptr : "GET");

    return error != 0 ? error : weir_http_error(r, 405, "method not allowed\n");
}

int weir_http_route(struct weir_http_request *q, struct weir_http_response *r,
                    const struct weir_http_route *routes)
{
    struct str path = str_of(weir_http_path(q)), method = str_of(weir_http_method(q));
    char mem[128];
    struct buf allowed = buf_on(mem, sizeof(mem) - 1);
    bool known = false;

    for (; routes->pattern != NULL; routes++) {
        struct str wanted;

        if (!match_path(q, split_pattern(routes->pattern, &wanted), path))
            continue;
        if (match_method(wanted, method)) {
            if (routes->arg != NULL)
                q->arg = routes->arg;
            return routes->handler(q, r);
        }
        buf_printf(&allowed, "%s" STR_FMT, known ? ", " : "", STR_ARG(wanted));
        known = true;
    }
    q->param_count = 0;
    if (!known)
        return weir_http_error(r, 404, "not found\n");
    mem[allowed.len] = '\0';
    return refuse_method(r, &allowed);
}
