/* Stopping a server, and connections that are reset amid requests, in the simulated world. */
#include "lab.h"

static int by_path(struct http_call *call)
{
    struct str path = call->request->path;
    int r = 0;

    if (str_eq(path, STR("/sleeps")))
        return weir_sleep(3600 * NS_PER_SEC);
    if (str_eq(path, STR("/slow")))
        r = weir_sleep(500 * NS_PER_MS);
    if (str_eq(path, STR("/parks")))
        r = weir_sleep(5 * NS_PER_MS);
    return r != 0 ? r : http_reply(call, 200, STR("text/plain"), STR("ok"));
}

static int echo_whole(struct http_call *call)
{
    struct str body;
    int r = http_call_body(call, MIB, &body);

    return r != 0 ? r : http_reply(call, 200, STR(""), body);
}

static void fill(char *out, size_t size, struct rng *rng)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (char)rng_next(rng);
}

/* ---- stopping ---- */

struct one {
    struct lab *lab;
    const char *path;
    int result;
    int status;
};

static void request_one(void *arg)
{
    struct one *o = arg;
    struct http_client c = lab_client(o->lab);
    struct http_client_response r = {0};

    o->result =
        http_client_do(&c, &(struct http_client_request){.target = str_of(o->path)}, NULL, 0, &r);
    o->status = r.status;
    http_client_done(&c);
}

static void stop_body(struct lab *lab)
{
    struct http_server *s = lab_serve(lab, by_path, NULL);
    struct http_client idle = lab_client(lab);
    struct one slow = {lab, "/slow", 0, 0}, hung = {lab, "/sleeps", 0, 0};
    struct http_client_response r;
    struct stream *late;
    int64_t begin;
    char byte;

    CHECK_EQ(http_client_do(&idle, &(struct http_client_request){0}, NULL, 0, &r), 0);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "slow", request_one, &slow), 0);
        CHECK_EQ(weir_scope_go(scope, "hung", request_one, &hung), 0);
        CHECK_EQ(weir_sleep(100 * NS_PER_MS), 0);
        begin = weir_now();
        lab_stop(s);
        CHECK(weir_now() - begin >= NS_PER_SEC);
        CHECK(weir_now() - begin < 2 * NS_PER_SEC);
    }
    CHECK_EQ(slow.result, 0); /* was in flight and had time */
    CHECK_EQ(slow.status, 200);
    CHECK(hung.result != 0 || hung.status == 500); /* was cut */
    CHECK_EQ(stream_read(idle.stream, &byte, 1), 0);
    CHECK_EQ(stream_dial(&lab->addr, &late), -ECONNREFUSED);
    http_client_done(&idle);
}

static void a_stop_lets_requests_end_and_cuts_the_rest(void **state)
{
    lab_run_seeds(50, stop_body);
}

static void stop_at_once_body(struct lab *lab)
{
    for (int i = 0; i < 3; i++) { /* the address is free again, and nothing is left behind */
        struct http_server *s = lab_serve(lab, by_path, NULL);

        if (i == 1)
            CHECK_EQ(weir_sleep(NS_PER_MS), 0);
        http_server_stop(s);
    }
    http_server_stop(NULL);
}

static void a_server_can_be_stopped_before_it_began(void **state)
{
    lab_run_seeds(20, stop_at_once_body);
}

static void stop_storm_body(struct lab *lab)
{
    struct one ones[10];
    struct http_server *s = lab_serve(lab, by_path, NULL);

    WEIR_SCOPE (scope) {
        for (size_t i = 0; i < ARRAY_LEN(ones); i++) {
            ones[i] = (struct one){lab, i % 3 == 0 ? "/parks" : "/", 0, 0};
            CHECK_EQ(weir_scope_go(scope, "one", request_one, &ones[i]), 0);
        }
        CHECK_EQ(weir_sleep((int64_t)rng_below(&lab->rng, 3 * NS_PER_MS)), 0);
        WEIR_DEADLINE (weir_now() + 100 * NS_PER_SEC) { /* none is cut, on no machine */
            http_server_stop(s);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(ones); i++)
        CHECK(ones[i].result < 0 || ones[i].status == 200);
}

static void stopping_amid_requests_leaves_nothing_half(void **state)
{
    lab_run_seeds(200, stop_storm_body);
}

/* ---- faults ---- */

static void fault_body(struct lab *lab)
{
    struct sim_link link = {
        .latency_ns = NS_PER_MS,
        .segment_max = 1 + (uint32_t)rng_below(&lab->rng, 2000),
        .window_bytes = 4000,
        .reset_chance = 0.01,
    };
    struct http_server *s = lab_serve(lab, echo_whole, NULL);
    struct http_client c = lab_client(lab);
    char out[5000], in[5000];
    int done = 0;

    fill(out, sizeof(out), &lab->rng);
    sim_set_link(lab->sim, NULL, &link);
    for (int i = 0; i < 20; i++) {
        struct http_client_response r;

        int result = http_client_do(
            &c, &(struct http_client_request){.method = STR("PUT"), .body = {out, sizeof(out)}}, in,
            sizeof(in), &r);

        if (result != 0)
            continue;
        done++;
        CHECK_EQ(r.status, 200); /* an answer that came is whole */
        CHECK_EQ(r.body_bytes, sizeof(out));
        CHECK_EQ(memcmp(out, in, sizeof(in)), 0);
    }
    CHECK(done > 0 || link.segment_max < 500);
    http_client_done(&c);
    lab_stop(s);
}

static void an_answer_is_whole_or_an_error(void **state)
{
    lab_run_seeds(200, fault_body);
}

/* Threads and sockets of the machine: what the simulated world, on one thread, cannot show. */
static void the_real_world_is_no_different(void **state)
{
    for (int i = 0; i < 20; i++) {
        lab_run(0, stop_at_once_body);
        lab_run(0, stop_storm_body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_lets_requests_end_and_cuts_the_rest),
        cmocka_unit_test(a_server_can_be_stopped_before_it_began),
        cmocka_unit_test(stopping_amid_requests_leaves_nothing_half),
        cmocka_unit_test(an_answer_is_whole_or_an_error),
        cmocka_unit_test(the_real_world_is_no_different),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
