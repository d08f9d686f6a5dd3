/* What the gateway makes of requests and responses, byte for byte. */
#include "lab.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: shop.test\r\n\r\n"

static void forwarding_fields(struct lab *lab)
{
    lab_talk(lab, "GET /x?q=1 HTTP/1.1\r\nHost: Shop.test:81\r\nX-Forwarded-For: 6.6.6.6\r\n"
                  "X-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"
                  "X-Request-Id: mine\r\nConnection: X-Hop, Authorization\r\nX-Hop: 1\r\n"
                  "Authorization: keep\r\nKeep-Alive: 5\r\nTE: gzip, trailers\r\nX-Stays: a b\r\n"
                  "\r\n");
    expect_origin_saw(lab, "GET /x?q=1 HTTP/1.1\r\nHost: 10.0.0.1:8001\r\n");
    expect_origin_saw(lab, "\r\nX-Forwarded-Host: Shop.test:81\r\n");
    expect_origin_saw(lab, "\r\nX-Forwarded-Proto: http\r\n");
    expect_origin_saw(lab, "\r\nX-Forwarded-Port: 81\r\n");
    expect_origin_saw(lab, "\r\nVia: 1.1 weir-");
    expect_origin_saw(lab, "\r\nX-Stays: a b\r\n");
    expect_origin_saw(lab, "\r\nAuthorization: keep\r\n");
    expect_origin_saw(lab, "\r\nConnection: TE\r\nTE: trailers\r\n");
    expect_origin_not_saw(lab, "6.6.6.6");
    expect_origin_not_saw(lab, "evil");
    expect_origin_not_saw(lab, "X-Request-Id: mine");
    expect_origin_not_saw(lab, "X-Hop");
    expect_origin_not_saw(lab, "Keep-Alive");
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_client_got(lab, "\r\nX-Request-Id: ");
    expect_client_not_got(lab, "Via");
}

static void an_edge_overwrites_what_clients_claim(void **state)
{
    lab_run(forwarding_fields, NULL, NULL);
}

static void trusted_fields(struct lab *lab)
{
    lab_talk(lab, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n"
                  "X-Forwarded-Proto: https\r\nX-Request-Id: mine\r\nVia: 1.1 front\r\n\r\n");
    expect_origin_saw(lab, "\r\nX-Forwarded-For: 6.6.6.6, ");
    expect_origin_saw(lab, "\r\nX-Forwarded-Proto: https\r\n");
    expect_origin_not_saw(lab, "X-Forwarded-Proto: http\r\n");
    expect_origin_saw(lab, "\r\nX-Request-Id: mine\r\n");
    expect_origin_saw(lab, "\r\nVia: 1.1 front\r\n");
    expect_client_got(lab, "\r\nX-Request-Id: mine\r\n");
}

static void a_trusted_proxy_is_believed_and_continued(void **state)
{
    lab_run(trusted_fields, NULL, "forward: {trusted_proxies: [0.0.0.0/0, \"::/0\"]}");
}

static void loops(struct lab *lab)
{
    char via[64], request[256];
    const char *at;

    lab_talk(lab, GET("/"));
    at = strstr(lab->seen, "Via: ");
    expect(lab, at != NULL);
    if (at == NULL)
        return;
    snprintf(via, sizeof(via), "%.*s", (int)strcspn(at, "\r"), at);
    snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\n%s, 1.1 other\r\n\r\n", via);
    expect_status(lab, request, 502);
    expect_client_got(lab, "\r\nX-Weir-Cause: proxy_loop_detected\r\n");
    expect_status(lab, "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 weir, 1.1 weir-00\r\n\r\n", 200);
}

static void our_own_request_is_a_loop_and_a_namesakes_is_not(void **state)
{
    lab_run(loops, NULL, NULL);
}

static void refusals(struct lab *lab)
{
    static const struct {
        const char *request, *status, *cause;
    } cases[] = {
        {GET("/a/../../b"), "400", "http_request_error"},
        {GET("/a%00"), "400", "http_request_error"},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405", "method_not_allowed"},
        {"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n", "405", "method_not_allowed"},
        {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400", "http_request_error"},
        {"GET / HTTP/1.1\r\n\r\n", "400", "http_request_error"},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505", "version_not_supported"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", "413", "body_too_large"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n70\r\n"
         "0123456789012345678901234567890123456789012345678901234567890123456789"
         "012345678901234567890123456789012345678901\r\n",
         "413", "body_too_large"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400",
         "client_body_error"},
    };
    char status[32], cause[64];

    lab->hold = true; /* nothing here depends on an answer */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(status, sizeof(status), "HTTP/1.1 %s ", cases[i].status);
        snprintf(cause, sizeof(cause), "\r\nX-Weir-Cause: %s\r\n", cases[i].cause);
        lab_talk(lab, cases[i].request);
        expect_client_got(lab, status);
        expect_client_got(lab, cause);
        expect_client_got(lab, "\r\nDate: ");
        expect_client_got(lab, "\r\nConnection: close\r\n");
        expect_client_not_got(lab, "secret");
        expect(lab, lab->closed);
    }
}

static void what_cannot_be_served_is_refused_with_its_cause(void **state)
{
    lab_run(refusals, NULL, "limits: {body_size: 100}");
}

static void own_answers(struct lab *lab)
{
    expect_status(lab, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204);
    expect_status(lab, "OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", 204);
    expect(lab, lab->requests == 0);
    lab_talk(lab, "OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n");
    expect_origin_saw(lab, "\r\nMax-Forwards: 2\r\n");
    expect_status(lab, GET("/nowhere"), 404);
    expect_client_got(lab, "\r\nX-Weir-Cause: route_not_found\r\n");
    expect_client_got(lab, "{\"error\":\"route_not_found\",\"status\":404,\"request_id\":\"");
}

static void the_gateway_answers_what_is_its_own(void **state)
{
    lab_run(own_answers, "  - {id: x, uri: \"lb://o\", predicates: [\"Path=/x\"]}\n", NULL);
}

static void filters(struct lab *lab)
{
    lab->answer = "HTTP/1.1 200 OK\r\nServer: o\r\nX-Twice: 1\r\nContent-Length: 2\r\n\r\nok";
    lab_talk(lab, GET("/strip/a/b"));
    expect_origin_saw(lab, "GET /v2/b HTTP/1.1\r\n");
    lab_talk(lab, GET("/strip/"));
    expect_origin_saw(lab, "GET /v2/ HTTP/1.1\r\n");
    lab_talk(lab, GET("/set/one/two?k=v"));
    expect_origin_saw(lab, "GET /two/one?k=v HTTP/1.1\r\n");
    lab_talk(lab, GET("/rewrite/x/y"));
    expect_origin_saw(lab, "GET /done/x/y HTTP/1.1\r\n");
    lab_talk(lab, "GET /headers/7 HTTP/1.1\r\nHost: shop.test\r\nX-Set: old\r\nX-Gone: 1\r\n"
                  "X-Add: 1\r\n\r\n");
    expect_origin_saw(lab, "\r\nX-Add: 1\r\n");
    expect_origin_saw(lab, "\r\nX-Add: id-7\r\n");
    expect_origin_saw(lab, "\r\nX-Set: new\r\n");
    expect_origin_not_saw(lab, "old");
    expect_origin_not_saw(lab, "X-Gone");
    expect_origin_saw(lab, "\r\nHost: shop.test\r\n");
    expect_client_got(lab, "\r\nX-Res: 7\r\n");
    expect_client_got(lab, "\r\nX-Twice: 2\r\n");
    expect_client_not_got(lab, "X-Twice: 1");
    expect_client_not_got(lab, "Server");
    expect_status(lab, GET("/status"), 202);
    expect_status(lab, GET("/go?a=1"), 302);
    expect_client_got(lab, "\r\nLocation: https://weir.test/go\r\n");
    expect_client_not_got(lab, "X-Weir-Cause");
}

static void each_filter_does_what_spring_says(void **state)
{
    lab_run(filters,
            "  - {id: strip, uri: \"lb://o\", predicates: [\"Path=/strip/**\"],\n"
            "     filters: [StripPrefix=2, \"PrefixPath=/v2\"]}\n"
            "  - {id: set, uri: \"lb://o\", predicates: [\"Path=/set/{a}/{b}\"],\n"
            "     filters: [\"SetPath=/{b}/{a}\"]}\n"
            "  - {id: rewrite, uri: \"lb://o\", predicates: [\"Path=/rewrite/**\"],\n"
            "     filters: [\"RewritePath=/rewrite/(?<r>.*), /done/$\\\\{r}\"]}\n"
            "  - {id: headers, uri: \"lb://o\", predicates: [\"Path=/headers/{id}\"],\n"
            "     filters: [\"AddRequestHeader=X-Add, id-{id}\", \"SetRequestHeader=X-Set, new\",\n"
            "       RemoveRequestHeader=X-Gone, PreserveHostHeader, \"AddResponseHeader=X-Res, "
            "{id}\",\n"
            "       \"SetResponseHeader=X-Twice, 2\", RemoveResponseHeader=Server]}\n"
            "  - {id: status, uri: \"lb://o\", predicates: [\"Path=/status\"],\n"
            "     filters: [SetStatus=202]}\n"
            "  - {id: go, uri: \"no://op\", predicates: [\"Path=/go\"],\n"
            "     filters: [\"RedirectTo=302, https://weir.test/go\"]}\n",
            NULL);
}

static void climbing(struct lab *lab)
{
    expect_status(lab, GET("/a../admin"), 400);
    expect_client_got(lab, "\r\nX-Weir-Cause: http_request_error\r\n");
    expect(lab, lab->requests == 0);
    lab_talk(lab, GET("/ax?y"));
    expect_origin_saw(lab, "GET /x?y HTTP/1.1\r\n");
}

static void a_rewritten_path_is_checked_again(void **state)
{
    lab_run(climbing,
            "  - {id: r, uri: \"lb://o\", predicates: [\"Path=/**\"],\n"
            "     filters: [\"RewritePath=/a(?<r>.*), $\\\\{r}\"]}\n",
            NULL);
}

static void old_clients(struct lab *lab)
{
    lab->answer = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    expect_status(lab, "GET / HTTP/1.0\r\n\r\n", 200);
    expect_client_not_got(lab, "HTTP/1.1 103");
    expect_client_not_got(lab, "Transfer-Encoding");
    expect_client_got(lab, "\r\nConnection: close\r\n");
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, lab->closed);
    expect_origin_saw(lab, "GET / HTTP/1.1\r\n");
    lab_talk(lab, GET("/"));
    expect_client_got(lab, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 ");
    expect_client_got(lab, "\r\nTransfer-Encoding: chunked\r\n");
    expect_client_got(lab, "2\r\nok\r\n0\r\n\r\n");
}

static void old_clients_get_what_they_know(void **state)
{
    lab_run(old_clients, NULL, NULL);
}

static void bodiless(struct lab *lab)
{
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n";
    lab_talk(lab, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_client_got(lab, "\r\nContent-Length: 1234\r\n");
    expect(lab, lab->requests == 2);
    expect(lab, lab->connections == 1);
    lab->answer = "HTTP/1.1 304 X\r\nETag: \"1\"\r\n\r\n";
    expect_status(lab, GET("/"), 304);
    expect_client_not_got(lab, "Content-Length");
}

static void responses_without_a_body_keep_the_connection(void **state)
{
    lab_run(bodiless, NULL, NULL);
}

/* The endpoint answers while the last piece of the body waits for room on the way to it. */
static void answer_over_the_last_piece(struct lab *lab)
{
    const struct sim_link narrow = {.latency_ns = 50 * NS_PER_US, .window_bytes = 2 * KIB};
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n\r\n";
    char rest[8000 + sizeof(GET("/next"))] = GET("/next");
    struct stream *s;

    memmove(rest + 8000, rest, sizeof(GET("/next")));
    memset(rest, '2', 8000);
    sim_set_link(lab->world, &lab->origin_addr, &narrow);
    lab->early = true;
    lab->delay_ns = 10 * NS_PER_MS;
    ASSERT(stream_dial(&lab->gateway_addr, &s) == 0);
    expect(lab, stream_write(s, head, sizeof(head) - 1) == 0);
    weir_sleep(NS_PER_MS);
    expect(lab, stream_write(s, rest, sizeof(rest) - 1) == 0);
    lab_collect(lab, s, 5 * NS_PER_SEC);
    expect_client_got(lab, "\r\n\r\nokHTTP/1.1 200 OK\r\n");
    expect_client_not_got(lab, "Connection: close");
    expect_origin_saw(lab, "GET /next HTTP/1.1\r\n");
    expect(lab, lab->connections == 2); /* the first one did not get all that was announced */
}

static void a_client_that_sent_its_whole_body_keeps_its_connection(void **state)
{
    lab_run(answer_over_the_last_piece, NULL, NULL);
}

static void cuts(struct lab *lab)
{
    lab->close_after = true;
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    lab_talk(lab, GET("/"));
    expect_client_got(lab, "only this");
    expect(lab, lab->cut);
    lab->answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    lab_talk(lab, GET("/"));
    expect_client_not_got(lab, "0\r\n\r\n");
    expect(lab, lab->cut);
    lab->answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
    expect_status(lab, GET("/"), 502);
    expect_client_got(lab, "\r\nX-Weir-Cause: http_response_transfer_coding\r\n");
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
    lab_talk(lab, GET("/"));
    expect_client_got(lab, "\r\nX-Weir-Cause: http_protocol_error\r\n");
    lab->answer = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    lab_talk(lab, GET("/"));
    expect_client_got(lab, "\r\nX-Weir-Cause: http_upgrade_failed\r\n");
}

static void a_broken_response_is_never_taken_for_a_whole_one(void **state)
{
    lab_run(cuts, NULL, NULL);
}

static void surplus(struct lab *lab)
{
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                  "Content-Length: 6\r\n\r\npoison";
    for (int i = 0; i < 3; i++) {
        lab_talk(lab, GET("/"));
        expect_client_got(lab, "\r\n\r\nok");
        expect_client_not_got(lab, "poison");
    }
    expect(lab, lab->connections == 3);
}

static void bytes_behind_a_response_poison_nobody(void **state)
{
    lab_run(surplus, NULL, NULL);
}

static void interim_flood(struct lab *lab)
{
    static char many[40 * 32 + 64];

    for (int i = 0; i < 33; i++)
        strcat(many, "HTTP/1.1 103 X\r\n\r\n");
    strcat(many, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    lab->answer = many;
    expect_status(lab, GET("/"), 502);
    expect_client_not_got(lab, "HTTP/1.1 200 ");
}

static void a_flood_of_interim_responses_ends(void **state)
{
    lab_run(interim_flood, NULL, NULL);
}

static void upgrades(struct lab *lab)
{
    lab->answer = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello";
    lab_talk(lab, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                  "Upgrade: h2c, websocket\r\nHTTP2-Settings: AAA\r\n\r\n");
    expect_origin_saw(lab, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
    expect_origin_not_saw(lab, "h2c");
    expect_origin_not_saw(lab, "HTTP2-Settings");
    expect_client_got(lab, "HTTP/1.1 101 ");
    expect_client_got(lab, "\r\n\r\nhello");
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
    lab_talk(lab, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                  "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_origin_saw(lab, "GET /evil HTTP/1.1\r\n"); /* as a request of its own */
    expect_origin_not_saw(lab, "websocket");
    lab_talk(lab, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    expect_origin_not_saw(lab, "Upgrade");
}

static void a_tunnel_opens_after_101_only(void **state)
{
    lab_run(upgrades, NULL, NULL);
}

static void timeouts(struct lab *lab)
{
    lab->hold = true;
    lab_talk_for(lab, GET("/"), 10 * NS_PER_SEC);
    expect_client_got(lab, "HTTP/1.1 504 ");
    lab_talk_for(lab, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 30 * NS_PER_SEC);
    expect_client_got(lab, "HTTP/1.1 408 ");
    expect_client_got(lab, "\r\nX-Weir-Cause: client_header_timeout\r\n");
    lab_talk_for(lab, "", 100 * NS_PER_SEC);
    expect(lab, lab->reply[0] == 0);
    expect(lab, lab->closed); /* idle: without a word */
    lab_talk_for(lab, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 60 * NS_PER_SEC);
    expect_client_got(lab, "HTTP/1.1 408 ");
    expect_client_got(lab, "\r\nX-Weir-Cause: client_body_timeout\r\n");
}

static void every_silence_has_its_end(void **state)
{
    lab_run(timeouts, NULL, NULL);
}

static void retries(struct lab *lab)
{
    lab->answer = NULL;
    lab->close_after = true;
    expect_status(lab, GET("/"), 502);
    expect_client_got(lab, "\r\nX-Weir-Cause: connection_terminated\r\n");
    expect(lab, lab->requests == 3);
    expect_status(lab, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 502);
    expect(lab, lab->requests == 4);
}

static void what_may_have_been_done_is_not_done_again(void **state)
{
    lab_run(retries, NULL, NULL);
}

static void pipelining(struct lab *lab)
{
    const char *one, *two;

    lab_talk(lab, GET("/1") "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                            "GET /missing%zz HTTP/1.1\r\nHost: a\r\n\r\n" GET("/never"));
    one = strstr(lab->reply, "HTTP/1.1 200 ");
    expect(lab, one != NULL);
    if (one == NULL)
        return;
    two = strstr(one + 1, "HTTP/1.1 200 ");
    expect(lab, two != NULL);
    if (two == NULL)
        return;
    expect(lab, strstr(two, "HTTP/1.1 400 ") != NULL);
    expect(lab, lab->requests == 2); /* nothing is read behind an error */
    expect_origin_saw(lab, "\r\n\r\nabc");
    expect(lab, lab->closed);
}

static void pipelined_requests_are_answered_in_order_up_to_an_error(void **state)
{
    lab_run(pipelining, NULL, NULL);
}

static void proxy_status(struct lab *lab)
{
    lab->reset_after = true;
    lab->answer = NULL;
    lab_talk(lab, GET("/"));
    expect_client_got(lab, "\r\nProxy-Status: weir; error=connection_terminated; "
                           "next-hop=\"10.0.0.1:8001\"\r\n");
}

static void proxy_status_tells_those_who_asked(void **state)
{
    lab_run(proxy_status, NULL, "forward: {proxy_status: true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edge_overwrites_what_clients_claim),
        cmocka_unit_test(a_trusted_proxy_is_believed_and_continued),
        cmocka_unit_test(our_own_request_is_a_loop_and_a_namesakes_is_not),
        cmocka_unit_test(what_cannot_be_served_is_refused_with_its_cause),
        cmocka_unit_test(the_gateway_answers_what_is_its_own),
        cmocka_unit_test(each_filter_does_what_spring_says),
        cmocka_unit_test(a_rewritten_path_is_checked_again),
        cmocka_unit_test(old_clients_get_what_they_know),
        cmocka_unit_test(responses_without_a_body_keep_the_connection),
        cmocka_unit_test(a_client_that_sent_its_whole_body_keeps_its_connection),
        cmocka_unit_test(a_broken_response_is_never_taken_for_a_whole_one),
        cmocka_unit_test(bytes_behind_a_response_poison_nobody),
        cmocka_unit_test(a_flood_of_interim_responses_ends),
        cmocka_unit_test(a_tunnel_opens_after_101_only),
        cmocka_unit_test(every_silence_has_its_end),
        cmocka_unit_test(what_may_have_been_done_is_not_done_again),
        cmocka_unit_test(pipelined_requests_are_answered_in_order_up_to_an_error),
        cmocka_unit_test(proxy_status_tells_those_who_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
