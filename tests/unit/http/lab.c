#include "lab.h"

#include <weir/scope.h>

struct lab *lab_now;

static int main_fn(void *arg)
{
    struct lab *lab = arg;

    CHECK_EQ(addr_parse(lab->sim != NULL ? STR("10.0.0.1:80") : STR("127.0.0.1:0"), &lab->addr), 0);
    lab->body(lab);
    return 0;
}

void lab_run(uint64_t seed, void (*body)(struct lab *lab))
{
    struct lab lab = {.seed = seed, .body = body, .sim = seed != 0 ? sim_new(seed) : NULL};
    struct weir_options o = {.size = sizeof(o), .world = lab.sim, .workers = 2};
    struct sim_stats stats;

    rng_seed(&lab.rng, seed + 99);
    lab_now = &lab;
    assert_int_equal(weir_main(main_fn, &lab, &o), 0);
    lab_now = NULL;
    if (lab.sim == NULL)
        return;
    sim_get_stats(lab.sim, &stats);
    assert_int_equal(stats.open_sockets, 0);
    sim_free(lab.sim);
}

void lab_run_seeds(uint64_t count, void (*body)(struct lab *lab))
{
    for (uint64_t seed = 1; seed <= count; seed++)
        lab_run(seed, body);
}

void lab_bad_link(struct lab *lab)
{
    struct rng *r = &lab->rng;
    struct sim_link link = {
        .latency_ns = (int64_t)rng_below(r, 3 * NS_PER_MS),
        .jitter_ns = (int64_t)rng_below(r, 2) * NS_PER_MS,
        .segment_max = (uint32_t)rng_below(r, 2) * (1 + (uint32_t)rng_below(r, 300)),
        .window_bytes = 1 + (uint32_t)rng_below(r, 3000),
        .stall_chance = rng_unit(r) < 0.3 ? 0.02 : 0,
        .stall_ns = 5 * NS_PER_MS,
    };

    if (lab->sim != NULL)
        sim_set_link(lab->sim, NULL, &link);
}

struct http_server *lab_serve_with(struct lab *lab, struct http_server_options o)
{
    struct http_server *s;

    CHECK_EQ(http_server_start(&lab->addr, &o, &s), 0);
    CHECK_EQ(http_server_addr(s, &lab->addr), 0);
    return s;
}

struct http_server *lab_serve(struct lab *lab, http_handler_fn *handler, void *arg)
{
    return lab_serve_with(lab, (struct http_server_options){.handler = handler, .arg = arg});
}

void lab_stop(struct http_server *s)
{
    WEIR_DEADLINE (weir_now() + NS_PER_SEC) {
        http_server_stop(s);
    }
}

struct http_client lab_client(const struct lab *lab)
{
    return (struct http_client){.addr = lab->addr};
}

struct stream *lab_dial(const struct lab *lab)
{
    struct stream *s;

    CHECK_EQ(stream_dial(&lab->addr, &s), 0);
    return s;
}

void lab_say(struct stream *s, struct str text)
{
    CHECK_EQ(stream_write(s, text.ptr, text.len), 0);
}

struct str lab_read_to_end(struct stream *s)
{
    static char all[64 * 1024];
    size_t len = 0;

    while (len < sizeof(all)) {
        ssize_t n = stream_read(s, all + len, sizeof(all) - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return str_n(all, len);
}

bool lab_contains(struct str text, struct str part)
{
    return memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

struct speech {
    struct stream *stream;
    struct str text;
};

/* The server may close before it has heard everything. */
static void speak(void *arg)
{
    struct speech *speech = arg;

    (void)stream_write(speech->stream, speech->text.ptr, speech->text.len);
}

struct str lab_talk(const struct lab *lab, struct str text)
{
    struct speech speech = {lab_dial(lab), text};
    struct str answer = STR("");

    WEIR_DEADLINE (weir_now() + 20 * NS_PER_SEC) {
        WEIR_SCOPE (scope) {
            CHECK_EQ(weir_scope_go(scope, "speak", speak, &speech), 0);
            answer = lab_read_to_end(speech.stream);
        }
    }
    stream_close(speech.stream);
    return answer;
}
