/* Origins: a bounded queue before workers whose time is lognormal, with whatever faults hold. */
#include <math.h>
#include <stdlib.h>

#include "drill/run.h"
#include "http/h1.h"

#define BUFFER_BYTES   (20 * KIB)
#define BODY_MAX       (64 * MIB)
#define PIECE_BYTES    (16 * KIB)
#define DRIP_PIECES    10
#define QUANTILE_99    2.3263478740408408 /* of the normal distribution */
#define ERROR_STATUS   503
#define MIN_SERVICE_NS (10 * NS_PER_US)
#define MAX_SERVICE_NS 3600e9
#define NORMAL_TINIEST 0x1p-53

struct origin_conn {
    struct drill_stand *stand;
    struct stream *stream;
    struct h1_reader reader;
    struct http_head head;
    char buf[BUFFER_BYTES];
};

void drill_stand_init(struct drill_stand *o, struct drill_run *r, uint32_t index)
{
    const struct drill_origin *c = &r->scenario->origins[index];

    *o = (struct drill_stand){.run = r, .config = c, .cold_since_ns = -1};
    o->workers = (struct weir_semaphore)WEIR_SEMAPHORE(c->concurrency);
    o->ailment.factor = 1;
    rng_seed(&o->rng, mix64(r->seed + 101 + index));
    if (c->p99_ns > c->median_ns)
        o->log_sigma = log((double)c->p99_ns / (double)c->median_ns) / QUANTILE_99;
}

/* Box and Muller, "A note on the generation of random normal deviates", 1958. */
static double draw_normal(struct rng *rng)
{
    double u = MAX(rng_unit(rng), NORMAL_TINIEST), v = rng_unit(rng);

    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static double cold_factor(const struct drill_stand *o)
{
    int64_t cold_ns = o->config->cold_ns, passed;

    if (o->cold_since_ns < 0)
        return 1;
    passed = weir_now() - o->cold_since_ns;
    if (passed >= cold_ns)
        return 1;
    return 1 + (o->config->cold_factor - 1) * (1 - (double)passed / (double)cold_ns);
}

static int64_t draw_service_ns(struct drill_stand *o)
{
    double ns = (double)o->config->median_ns * exp(o->log_sigma * draw_normal(&o->rng));

    ns *= o->ailment.factor * cold_factor(o);
    if (ns < (double)MIN_SERVICE_NS)
        return MIN_SERVICE_NS;
    return (int64_t)MIN(ns, MAX_SERVICE_NS);
}

/* -- answers -- */

static int respond(struct origin_conn *c, int status, uint64_t total, int64_t pause_ns)
{
    static const char zeroes[PIECE_BYTES]; /* what is in a body is nobody's business */
    bool bodiless = c->head.method == HTTP_HEAD;
    uint64_t most = pause_ns != 0 ? MIN(1 + total / DRIP_PIECES, PIECE_BYTES) : PIECE_BYTES;
    uint64_t sent = 0;
    char text[256];
    struct buf head = buf_on(text, sizeof(text));
    struct h1_writer w;
    int rc = 0;

    h1_put_status_line(&head, status);
    buf_printf(&head, "Content-Length: %llu\r\n", (unsigned long long)total);
    h1_put_end(&head);
    h1_writer_init(&w, c->stream, bodiless ? HTTP_BODY_NONE : HTTP_BODY_LENGTH, total);
    if (bodiless)
        total = 0;
    do {
        size_t len = (size_t)MIN(total - sent, most);

        rc = h1_writer_send(&w, sent == 0 ? buf_str(&head) : STR(""), str_n(zeroes, len),
                            sent + len == total, STR(""));
        sent += len;
        if (rc == 0 && pause_ns != 0 && sent < total)
            rc = weir_sleep(pause_ns);
    } while (rc == 0 && sent < total);
    return rc;
}

/* Reads on and says nothing until the other side gives up. */
static int swallow(struct origin_conn *c)
{
    char piece[1024];

    while (stream_read(c->stream, piece, sizeof(piece)) > 0)
        ;
    return -EPIPE;
}

/* -- work -- */

static struct drill_second *this_second(struct drill_stand *o)
{
    return drill_second_at(o->run, drill_now(o->run));
}

/* 0 with a worker; -EAGAIN: the queue is full; -EPIPE: nobody is there any more. */
static int wait_for_worker(struct origin_conn *c)
{
    struct drill_stand *o = c->stand;
    uint32_t life = o->life;
    int rc;

    if (weir_semaphore_try_acquire(&o->workers, 1))
        return 0;
    if (o->waiting >= o->config->queue)
        return -EAGAIN;
    o->waiting++;
    rc = weir_semaphore_acquire(&o->workers, 1);
    o->waiting--;
    if (rc < 0)
        return rc;
    if (life != o->life ||
        (o->config->on_disconnect == DRILL_DROP_QUEUED && stream_hung_up(c->stream))) {
        weir_semaphore_release(&o->workers, 1);
        return -EPIPE;
    }
    return 0;
}

static int work(struct origin_conn *c)
{
    struct drill_stand *o = c->stand;
    uint32_t life = o->life;
    struct drill_second *s;
    int rc = weir_sleep(draw_service_ns(o));

    if (rc == 0 && life != o->life)
        rc = -EPIPE;
    s = this_second(o);
    if (rc == 0 && s != NULL) {
        s->served++;
        s->wasted += stream_hung_up(c->stream);
    }
    if (rc == 0)
        rc = respond(c, 200, o->config->response_bytes, o->ailment.pause_ns);
    weir_semaphore_release(&o->workers, 1);
    return rc;
}

static int serve(struct origin_conn *c)
{
    struct drill_stand *o = c->stand;
    struct drill_second *s = this_second(o);
    int rc;

    if (o->ailment.black_hole) {
        if (s != NULL && !str_eq(c->head.path, o->config->health))
            s->attempts++;
        return swallow(c);
    }
    if (str_eq(c->head.path, o->config->health))
        return respond(c, o->ailment.percent == 100 ? ERROR_STATUS : 200, 0, 0);
    if (s != NULL)
        s->attempts++;
    if (o->ailment.percent != 0 && rng_below(&o->rng, 100) < o->ailment.percent)
        return respond(c, ERROR_STATUS, 0, 0);
    rc = wait_for_worker(c);
    if (rc == -EAGAIN) {
        if (s != NULL)
            s->shed++;
        return respond(c, ERROR_STATUS, 0, 0);
    }
    return rc == 0 ? work(c) : rc;
}

static void serve_conn(void *arg)
{
    struct origin_conn *c = arg;
    struct h1_refusal refusal;
    struct h1_body body;
    int rc = 0;

    h1_reader_init(&c->reader, c->stream, c->buf, sizeof(c->buf), NULL);
    while (rc == 0) {
        rc = h1_read_request(&c->reader, &c->head, &refusal);
        if (rc == 0) {
            h1_body_init(&body, &c->reader, &c->head);
            rc = h1_body_drain(&body, BODY_MAX);
        }
        if (rc == 0)
            rc = serve(c);
        if (rc == 0)
            h1_reader_next(&c->reader);
    }
    stream_close(c->stream);
    free(c);
}

void drill_stand_run(void *arg)
{
    struct drill_stand *o = arg;
    struct listener *l;

    if (listener_open(&o->config->addr, BACKLOG_MAX, &l) < 0)
        return; /* an address of its own in a world of its own: out of memory */
    WEIR_SCOPE (scope) {
        struct stream *stream;

        while (listener_accept(l, &stream) == 0) {
            struct origin_conn *c = malloc(sizeof(*c));

            if (c != NULL)
                *c = (struct origin_conn){.stand = o, .stream = stream};
            if (c == NULL || weir_scope_go(scope, "origin", serve_conn, c) < 0) {
                stream_close(stream);
                free(c);
            }
        }
    }
    listener_close(l);
}
