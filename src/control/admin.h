/* The admin listener: health, readiness, metrics and what is inside the gateway, as JSON. On a
 * listener of its own, so that it answers while the gateway sheds load. */
#ifndef WEIR_CONTROL_ADMIN_H
#define WEIR_CONTROL_ADMIN_H

#include "gateway/gateway.h"
#include "http/server.h"

struct admin;

/* One page. A path that ends in '/' (other than "/" itself) stands for everything below it. */
struct admin_page {
    struct str path;
    struct str methods; /* "GET" stands for GET and HEAD; otherwise one method: "POST" */
    struct str help;    /* one line for the index */
    int (*serve)(struct admin *a, struct http_call *call, void *arg) WEIR_PARKS;
    void *arg;
};

struct admin_options {
    const struct addr *addr;        /* loopback or a Unix socket: the configuration sees to it */
    struct gateway *gateway;        /* borrowed; outlives the admin */
    const struct admin_page *pages; /* in addition to the built-in ones; borrowed */
    size_t page_count;
};

/* Listens. 0, or what the world said (-EADDRINUSE, ...). Inside the runtime. */
int admin_start(const struct admin_options *o, struct admin **ret);
/* Where it listens. */
int admin_addr(const struct admin *a, struct addr *ret);
/* From now on /readyz answers 503 "stopping", so that balancers in front look elsewhere while
 * requests in flight end; everything else goes on. */
void admin_stopping(struct admin *a);
/* Ends requests in flight by the caller's deadline and frees. NULL is fine. */
void admin_stop(struct admin *a) WEIR_PARKS;

struct gateway *admin_gateway(struct admin *a);

/* {"error": message} with that status; for pages. */
int admin_reply_error(struct http_call *call, int status, const char *message) WEIR_PARKS;
/* Replies 200 with the JSON text. */
int admin_reply_json(struct http_call *call, int status, struct str json) WEIR_PARKS;

#endif
