/* A gateway with one scripted origin in the simulated world: bytes in, bytes out. */
#ifndef WEIR_TESTS_GATEWAY_LAB_H
#define WEIR_TESTS_GATEWAY_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/gateway.h"
#include "net/stream.h"
#include "world/sim.h"

#define LAB_TEXT (64 * KIB)

struct lab {
    struct world *world;
    struct gateway *gateway;
    struct addr gateway_addr, origin_addr;
    const char *upstream; /* settings of it; NULL: "breaker: off" */

    /* What the origin does with each request (head and a body by length): sends answer (NULL:
     * nothing), then closes or not. */
    const char *answer;
    bool close_after;
    bool reset_after;
    int64_t delay_ns;     /* before it answers */
    bool early;           /* does not wait for the body */
    bool hold;            /* does not answer at all, keeps the connection */
    char seen[LAB_TEXT];  /* the bytes of its last request, as they came */
    unsigned requests;    /* how many it saw */
    unsigned connections; /* how many it accepted */

    char reply[LAB_TEXT]; /* what the client got: everything up to the end or a silence */
    bool cut;             /* ... and it ended with a reset */
    bool closed;          /* ... and with an end */
    char failure[LAB_TEXT];
};

typedef void lab_script(struct lab *lab);

extern uint64_t lab_seed; /* of the worlds to come; 1 unless a test changes it */

/* Runs the script as the client, with the configuration: routes and upstream "o" to the origin; the
 * parts are YAML, filters a list. NULL: the usual. */
void lab_run(lab_script *script, const char *routes, const char *more);
/* The same with settings of the upstream in the place of "breaker: off". */
void lab_run_upstream(lab_script *script, const char *routes, const char *more,
                      const char *upstream);

/* Applies another configuration of that form. 0, or what was wrong, told. */
int lab_apply(struct lab *lab, const char *routes, const char *more);

/* Sends bytes on a new connection and collects what comes, for so long. */
void lab_talk(struct lab *lab, const char *bytes);
void lab_talk_for(struct lab *lab, const char *bytes, int64_t ns);
/* Collects what comes on it, for so long, and closes it. */
void lab_collect(struct lab *lab, struct stream *s, int64_t ns);

/* Whether a request line, field or anything else stands in what was seen. */
bool lab_origin_saw(struct lab *lab, const char *text);
bool lab_client_got(struct lab *lab, const char *text);

/* Checks inside a script: a failure is kept and told when the world has ended (a jump out of a
 * coroutine would leave it standing). The first one counts. */
void lab_fail(struct lab *lab, int line, const char *what, const char *text, const char *in);

#define expect(lab, condition)                                                                     \
    ((condition) ? (void)0 : lab_fail(lab, __LINE__, #condition, "", (lab)->reply))
#define expect_origin_saw(lab, text)                                                               \
    (lab_origin_saw(lab, text) ? (void)0                                                           \
                               : lab_fail(lab, __LINE__, "the origin saw", text, (lab)->seen))
#define expect_origin_not_saw(lab, text)                                                           \
    (lab_origin_saw(lab, text)                                                                     \
         ? lab_fail(lab, __LINE__, "the origin did not see", text, (lab)->seen)                    \
         : (void)0)
#define expect_client_got(lab, text)                                                               \
    (lab_client_got(lab, text) ? (void)0                                                           \
                               : lab_fail(lab, __LINE__, "the client got", text, (lab)->reply))
/* Asks, and gets a response with that status. */
#define expect_status(lab, bytes, status)                                                          \
    do {                                                                                           \
        lab_talk(lab, bytes);                                                                      \
        expect_client_got(lab, "HTTP/1.1 " #status " ");                                           \
    } while (0)
#define expect_client_not_got(lab, text)                                                           \
    (lab_client_got(lab, text)                                                                     \
         ? lab_fail(lab, __LINE__, "the client did not get", text, (lab)->reply)                   \
         : (void)0)

#endif
