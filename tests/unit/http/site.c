#include "site.h"

#include "net/conn.h"

struct opening {
    struct site *site;
    struct weir_listener *listener;
};

static void serve(void *arg)
{
    struct opening o = *(struct opening *)arg;

    free(arg);
    o.site->result = weir_http_serve_on(o.listener, o.site->handler, o.site->arg, &o.site->options);
}

void site_open(struct site *site, struct weir_scope *scope)
{
    struct opening *o = malloc(sizeof(*o));
    char address[WEIR_ADDRESS_MAX];

    CHECK(o != NULL);
    o->site = site;
    site->options.size = sizeof(site->options);
    CHECK_EQ(address_text(&site->lab->addr, address, sizeof(address)), 0);
    CHECK_EQ(weir_listen(address, &o->listener), 0);
    CHECK_EQ(weir_listener_address(o->listener, address, sizeof(address)), 0);
    CHECK_EQ(address_parse(address, &site->lab->addr), 0);
    snprintf(site->url, sizeof(site->url), "http://%.50s", address);
    CHECK_EQ(weir_scope_go(scope, "serve", serve, o), 0);
}

struct weir_http_reply *site_get(struct site *site, struct weir_http_client *c, const char *path)
{
    struct weir_http_reply *reply = NULL;
    char url[200];

    snprintf(url, sizeof(url), "%s%s", site->url, path);
    CHECK_EQ(weir_http_get(c, url, &reply), 0);
    return reply;
}

bool body_is(const struct weir_http_reply *reply, const char *text)
{
    return reply->body_bytes == strlen(text) && strcmp(reply->body, text) == 0;
}
