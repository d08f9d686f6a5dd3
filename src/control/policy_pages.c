/* Pages of policies: see policy_pages.h. */
#include "control/policy_pages.h"

#include "http/escape.h"

#define PAGE_BYTES_MAX (64 * MIB)
#define ID_PREFIX      STR("/api/policies/")

static int reply_policies(struct admin *a, struct http_call *call, const struct str *id)
{
    struct text body = {.max = PAGE_BYTES_MAX};
    int rc = gateway_write_policies(admin_gateway(a), id, &body);

    if (rc == -ENOENT)
        rc = admin_reply_error(call, 404, "there is no such policy; GET /api/policies lists them");
    else if (rc < 0)
        rc = admin_reply_error(call, 503, "the answer does not fit the memory set aside for it");
    else
        rc = admin_reply_json(call, 200, str_n(body.ptr, body.len));
    text_done(&body);
    return rc;
}

int serve_policies(struct admin *a, struct http_call *call, void *arg)
{
    return reply_policies(a, call, NULL);
}

static bool parse_action(struct str query, enum policy_action *ret)
{
    struct str part;

    while (query.ptr != NULL && str_split(&query, '&', &part)) {
        if (!str_starts(part, STR("action=")))
            continue;
        part = str_n(part.ptr + 7, part.len - 7);
        for (unsigned i = 0; i < POLICY_ACTION_MAX; i++) {
            *ret = (enum policy_action)i;
            if (str_eq(part, str_of(policy_action_text(*ret))))
                return true;
        }
    }
    return false;
}

/* Pages of other sites can make a browser on this machine send a POST here, but not without Origin.
 */
static bool from_a_browser(struct http_call *call)
{
    return http_head_find(call->request, STR("Origin")) != NULL;
}

static int reply_unknown_action(struct http_call *call, unsigned actions)
{
    char text[128];
    struct buf b = buf_on(text, sizeof(text) - 1);

    buf_lit(&b, "this kind of policy cannot do that; it knows: ");
    policy_actions_format(actions, &b);
    text[b.len] = '\0';
    return admin_reply_error(call, 409, text);
}

int serve_policy_action(struct admin *a, struct http_call *call, void *arg)
{
    struct str path = call->request->path;
    struct str raw = str_n(path.ptr + ID_PREFIX.len, path.len - ID_PREFIX.len), id;
    char *text = arena_alloc(call->arena, raw.len + 1);
    ssize_t len = text != NULL ? percent_decode(raw, false, text) : -ENOMEM;
    enum policy_action action;
    unsigned actions = 0;

    if (from_a_browser(call))
        return admin_reply_error(call, 403, "a page of a browser may not do this");
    if (len < 0)
        return admin_reply_error(call, 400, "the policy's id is not well escaped");
    if (!parse_action(call->request->query, &action))
        return admin_reply_error(
            call, 400, "expected ?action= with reset, force_open, disable or enable behind it");
    id = str_n(text, (size_t)len);
    switch (gateway_operate_policy(admin_gateway(a), id, action, &actions)) {
    case 0:
        return reply_policies(a, call, &id);
    case -ENOENT:
        return admin_reply_error(call, 404,
                                 "there is no such policy; GET /api/policies lists them");
    case -ENOTSUP:
        return reply_unknown_action(call, actions);
    default:
        return admin_reply_error(call, 503, "out of memory");
    }
}
