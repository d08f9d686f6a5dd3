/* What is not for routes to decide: see admit.h. */
#include "gateway/admit.h"

#include "gateway/path.h"

/* The host in lower case and without port; a dot at its end means the same host. */
static int split_authority(struct str authority, struct arena *a, struct match_input *ret)
{
    const char *colon = authority.len != 0 ? memrchr(authority.ptr, ':', authority.len) : NULL;
    const char *end = authority.ptr + authority.len;
    uint64_t port;
    char *lower;

    ret->port = 80;
    if (colon != NULL && memchr(colon, ']', (size_t)(end - colon)) == NULL) {
        if (str_to_u64(str_n(colon + 1, (size_t)(end - colon - 1)), 65535, &port) == 0)
            ret->port = (uint16_t)port;
        authority.len = (size_t)(colon - authority.ptr);
    }
    if (authority.len > 1 && authority.ptr[authority.len - 1] == '.')
        authority.len--;
    lower = arena_alloc(a, authority.len);
    if (lower == NULL)
        return -ENOMEM;
    str_lower(authority, lower);
    ret->host = str_n(lower, authority.len);
    return 0;
}

static enum admission refuse(enum cause cause, const char *why, enum cause *ret_cause,
                             const char **ret_why)
{
    *ret_cause = cause;
    *ret_why = why;
    return ADMIT_REFUSE;
}

enum admission request_admit(struct http_head *head, uint64_t body_max, struct arena *a,
                             struct match_input *ret, enum cause *ret_cause, const char **ret_why)
{
    int rc;

    if (unlikely(head->method == HTTP_CONNECT || head->method == HTTP_TRACE))
        return refuse(CAUSE_METHOD_NOT_ALLOWED, "this method is not forwarded", ret_cause, ret_why);
    if (unlikely(str_eq(head->path, STR("*"))))
        return ADMIT_ANSWER;
    if (body_max != 0 && head->body == HTTP_BODY_LENGTH && head->content_length > body_max)
        return refuse(CAUSE_BODY_TOO_LARGE, "Content-Length is beyond limits.body_size", ret_cause,
                      ret_why);
    ret->head = head;
    ret->arena = a;
    rc = path_canonical(head->path, a, &ret->path);
    if (rc == -EINVAL)
        return refuse(CAUSE_HTTP_REQUEST_ERROR, "the path has no safe form", ret_cause, ret_why);
    if (rc == 0)
        rc = split_authority(head->authority, a, ret);
    if (rc < 0)
        return refuse(CAUSE_RESOURCES_EXHAUSTED, "the path does not fit the arena", ret_cause,
                      ret_why);
    return ADMIT_ROUTE;
}
