/* <weir/http.h>: tables of handlers. */
#include "site.h"

static int tell(struct weir_http_request *q, struct weir_http_response *r)
{
    const char *id = weir_http_param(q, "id"), *part = weir_http_param(q, "part");

    return weir_http_printf(r, "%s id=%s part=%s", (const char *)weir_http_arg(q),
                            id != NULL ? id : "-", part != NULL ? part : "-");
}

#define WORD(text) (void *)(uintptr_t)(text)

static const struct weir_http_route inner[] = {
    {"/api/deep", tell, WORD("deep")},
    {0},
};

static int nested(struct weir_http_request *q, struct weir_http_response *r)
{
    return weir_http_route(q, r, inner);
}

static const struct weir_http_route routes[] = {
    {"GET /users/me", tell, WORD("me")},
    {"GET /users/{id}", tell, WORD("user")},
    {"DELETE /users/{id}", tell, WORD("delete")},
    {"GET /users/{id}/parts/{part}", tell, WORD("part")},
    {"POST /users", tell, WORD("add")},
    {"/static/", tell, WORD("static")},
    {"GET /{id}.txt", tell, WORD("literal")},
    {"/api/", nested, NULL},
    {"GET /", tell, WORD("root")},
    {0},
};

static int app(struct weir_http_request *q, struct weir_http_response *r)
{
    return weir_http_route(q, r, routes);
}

static const struct {
    const char *method, *path;
    int status;
    const char *body;
} cases[] = {
    {"GET", "/users/me", 200, "me id=- part=-"},
    {"GET", "/users/7", 200, "user id=7 part=-"},
    {"GET", "/users/a%20b", 200, "user id=a b part=-"},
    {"DELETE", "/users/7", 200, "delete id=7 part=-"},
    {"GET", "/users/7/parts/x", 200, "part id=7 part=x"},
    {"POST", "/users", 200, "add id=- part=-"},
    {"PUT", "/static/a/b", 200, "static id=- part=-"},
    {"GET", "/static/", 200, "static id=- part=-"},
    {"GET", "/{id}.txt", 200, "literal id=- part=-"},
    {"GET", "/api/deep", 200, "deep id=- part=-"},
    {"GET", "/api/other", 404, "not found\n"},
    {"GET", "/anything/else?a=b", 200, "root id=- part=-"},
    {"HEAD", "/users/7", 200, ""},
    {"PUT", "/users/7", 405, "method not allowed\n"},
    {"POST", "/nothing", 405, "method not allowed\n"},
};

static void routes_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = app, .arg = WORD("of the server")};
    struct weir_http_client *c = weir_http_client_new();

    WEIR_SCOPE (scope) {
        site_open(&site, scope);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct weir_http_reply *reply;
            char url[100];
            struct weir_http_call call = {.method = cases[i].method, .url = url};

            snprintf(url, sizeof(url), "%s%s", site.url, cases[i].path);
            CHECK_EQ(weir_http_do(c, &call, &reply), 0);
            CHECK_EQ(reply->status, cases[i].status);
            CHECK_EQ(strcmp(reply->body, cases[i].body), 0);
            if (strcmp(cases[i].path, "/users/7") == 0 && reply->status == 405)
                CHECK_EQ(strcmp(weir_http_reply_header(reply, "Allow"), "GET, DELETE, GET"), 0);
            weir_http_reply_free(reply);
        }
        weir_http_client_free(c);
        weir_scope_cancel(scope);
    }
}

static void the_first_row_that_fits_is_taken(void **state)
{
    lab_run_seeds(5, routes_body);
}

static const struct weir_http_route few[] = {
    {"GET /a", tell, WORD("a")},
    {"POST /a", tell, WORD("a")},
    {"GET /{x}/{x}/{x}/{x}/{x}/{x}/{x}/{x}/{x}", tell, WORD("nine parameters are one too many")},
    {0},
};

static int small_app(struct weir_http_request *q, struct weir_http_response *r)
{
    return weir_http_route(q, r, few);
}

static void few_body(struct lab *lab)
{
    static const struct {
        const char *request, *answer;
    } talks[] = {
        {"GET /b HTTP/1.1", "HTTP/1.1 404 "},
        {"GET / HTTP/1.1", "HTTP/1.1 404 "},
        {"GET /a/ HTTP/1.1", "HTTP/1.1 404 "},
        {"GET //a HTTP/1.1", "HTTP/1.1 404 "},
        {"GET /a/b/c/d/e/f/g/h/i HTTP/1.1", "HTTP/1.1 404 "},
        {"OPTIONS * HTTP/1.1", "HTTP/1.1 404 "},
        {"PUT /a HTTP/1.1", "\r\nAllow: GET, POST\r\n"},
        {"HEAD /a HTTP/1.1", "HTTP/1.1 200 "},
    };
    struct site site = {.lab = lab, .handler = small_app};

    WEIR_SCOPE (scope) {
        site_open(&site, scope);
        for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
            char request[100];

            snprintf(request, sizeof(request), "%s\r\nHost: h\r\nConnection: close\r\n\r\n",
                     talks[i].request);
            CHECK(lab_contains(lab_talk(site.lab, str_of(request)), str_of(talks[i].answer)));
        }
        weir_scope_cancel(scope);
    }
}

static void what_fits_no_row_is_refused_with_404_or_405(void **state)
{
    lab_run_seeds(5, few_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_that_fits_is_taken),
        cmocka_unit_test(what_fits_no_row_is_refused_with_404_or_405),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
