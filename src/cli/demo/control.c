/* Killing and reviving endpoints, by key, by script and over the admin API. */
#include "cli/demo/demo.h"

void demo_kill(struct demo *d, struct demo_endpoint *e)
{
    if (demo_endpoint_kill(e))
        model_note(&d->model, DEMO_NEUTRAL, "%s: killed", e->name);
}

int demo_revive(struct demo *d, struct demo_endpoint *e)
{
    int rc = demo_endpoint_revive(e);

    if (rc == 0)
        model_note(&d->model, DEMO_NEUTRAL, "%s: revived", e->name);
    else if (rc < 0)
        model_note(&d->model, DEMO_BAD, "%s: cannot be revived: %s", e->name, strerrordesc_np(-rc));
    return rc;
}

void demo_toggle(struct demo *d, struct demo_endpoint *e)
{
    if (atomic_load(&e->killed))
        demo_revive(d, e);
    else
        demo_kill(d, e);
}

/* The endpoint named by what follows the last slash of the path. */
static struct demo_endpoint *named_endpoint(struct demo *d, struct str path)
{
    struct str name = path;

    for (struct str part, rest = path; str_split(&rest, '/', &part);)
        name = part;
    return demo_fleet_find(&d->fleet, name);
}

static int reply_no_such(struct http_call *call)
{
    return admin_reply_error(call, 404,
                             "no such endpoint; there are orders-1, orders-2, users-1, users-2, "
                             "inventory-1, inventory-2");
}

static int reply_state(struct http_call *call, const struct demo_endpoint *e)
{
    char text[128];
    struct buf b = buf_on(text, sizeof(text));

    buf_printf(&b, "{\"endpoint\": \"%s\", \"alive\": %s}\n", e->name,
               atomic_load(&e->killed) ? "false" : "true");
    return admin_reply_json(call, 200, buf_str(&b));
}

int demo_serve_kill(struct admin *a, struct http_call *call, void *arg)
{
    struct demo *d = arg;
    struct demo_endpoint *e = named_endpoint(d, call->request->path);

    if (e == NULL)
        return reply_no_such(call);
    demo_kill(d, e);
    return reply_state(call, e);
}

int demo_serve_revive(struct admin *a, struct http_call *call, void *arg)
{
    struct demo *d = arg;
    struct demo_endpoint *e = named_endpoint(d, call->request->path);

    if (e == NULL)
        return reply_no_such(call);
    if (demo_revive(d, e) < 0)
        return admin_reply_error(call, 503, "its port is taken");
    return reply_state(call, e);
}
