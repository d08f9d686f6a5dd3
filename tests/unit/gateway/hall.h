/* A gateway between a client and three scripted origins in the simulated world. What an origin does
 * depends on the number of the attempt that comes to it. */
#ifndef WEIR_TESTS_GATEWAY_HALL_H
#define WEIR_TESTS_GATEWAY_HALL_H

#include "lab.h"

#include <weir/scope.h>

#include "gateway/gateway_impl.h"
#include "telemetry/access.h"

#define OK(body)  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" body
#define BUSY      "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"
#define ENDPOINTS 3
#define ROLES     4

/* What attempt number n (from 1) meets, and what became of it. */
struct role {
    int64_t delay_ns;
    const char *answer; /* NULL: the connection is closed */
    bool random;        /* in its place whatever the world's chance says */

    unsigned requests;
    unsigned resets; /* connections that were reset before the answer */
    unsigned endpoint;
};

struct hall {
    struct lab lab;
    struct role roles[ROLES];
    char seen[ROLES][4096];
    lab_script *script;
    const char *routes, *settings;
    struct access_sink sink;
    struct access_attempt attempts[ACCESS_ATTEMPTS_MAX];
    unsigned attempt_count;
    char endpoint[64]; /* of the last record */
    unsigned records;
};

static inline struct hall *hall_of(struct lab *lab)
{
    return container_of(lab, struct hall, lab);
}

/* Runs the script as the client, and checks when it has ended that nothing is held. settings: of
 * the upstream. */
void hall_run_seed(lab_script *script, const char *routes, const char *settings, uint64_t seed);
/* The same with ten seeds and without breakers of endpoints. */
void hall_run(lab_script *script, const char *routes);

/* How many the origins have seen. */
unsigned hall_requests(struct hall *h);
/* Sends bytes on a new connection and collects what comes in 400 ms. */
void hall_ask(struct hall *h, const char *bytes);
/* stream_read() until that time. */
ssize_t hall_read_until(struct stream *s, char *out, size_t size, int64_t until_ns);
/* Of the world: the seed decides. */
uint64_t hall_chance(struct hall *h);
/* Until the access log has been told of the one request. */
void hall_await_record(struct hall *h);

void hall_expect_shows(struct hall *h, int line, const char *what);
#define expect_policy(h, what) hall_expect_shows((h), __LINE__, (what))

#endif
