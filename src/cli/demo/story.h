/* What went wrong and what the gateway did about it, told from the records of requests: like
 * failures of one second become one sentence with a count. */
#ifndef WEIR_CLI_DEMO_STORY_H
#define WEIR_CLI_DEMO_STORY_H

#include "base/lock.h"
#include "cli/demo/service.h"
#include "cli/demo/view.h"
#include "telemetry/access.h"

#define STORY_KINDS_MAX 16 /* different failures of one second; further ones are only counted */

/* Requests whose first try failed alike. */
struct story_kind {
    unsigned failed_port; /* of that try's endpoint; 0: no endpoint was tried */
    enum cause outcome;
    int status;             /* of its answer, when it had one */
    bool saved;             /* the client got its answer all the same */
    unsigned answered_port; /* by this endpoint, when saved */
    int client_status;      /* what the client got, when not */
    uint32_t count;
};

struct story {
    struct access_sink sink; /* -- fixed -- */
    struct demo_fleet *fleet;
    struct spinlock lock; /* -- below: under it -- */
    struct story_kind kinds[STORY_KINDS_MAX];
    uint32_t kind_count;
    uint32_t untold;
};

void story_init(struct story *s, struct demo_fleet *fleet);

/* Tells what was gathered since the last call: for each kind emit(arg, tone, sentence, count). */
typedef void story_emit_fn(void *arg, enum demo_tone tone, const char *text, uint32_t count);
void story_tell(struct story *s, story_emit_fn *emit, void *arg);

#endif
