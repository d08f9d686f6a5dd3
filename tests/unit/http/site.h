/* A server of <weir/http.h> in the lab, beside the coroutine that talks to it. */
#ifndef WEIR_TESTS_HTTP_SITE_H
#define WEIR_TESTS_HTTP_SITE_H

#include <weir/http.h>

#include "lab.h"

struct site {
    struct lab *lab;
    weir_http_handler *handler;
    void *arg;
    struct weir_http_options options;
    int result; /* of the server, once it has ended */
    char url[64];
};

/* Listens, sets lab->addr and url, serves in the scope until that is cancelled. */
void site_open(struct site *site, struct weir_scope *scope);

/* A reply, to be freed by the caller. path with its '/'. */
struct weir_http_reply *site_get(struct site *site, struct weir_http_client *c, const char *path);

bool body_is(const struct weir_http_reply *reply, const char *text);

#endif
