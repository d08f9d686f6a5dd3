/* Who asked for what: see sim.h. */
#include <stdio.h>

#include "tests/sim/sim.h"

void sim_violation(struct sim *s, const char *fmt, ...)
{
    char text[sizeof(s->failure)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (s->verbose)
        printf("%10.6f VIOLATION %s\n", (double)weir_now() / 1e9, text);
    if (s->failed)
        return;
    s->failed = true;
    memcpy(s->failure, text, sizeof(text));
}

void sim_trace(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (!s->verbose)
        return;
    printf("%10.6f ", (double)weir_now() / 1e9);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

struct sim_request *sim_new_request(struct sim *s)
{
    struct sim_request *r;

    if (s->request_count == SIM_REQUESTS_MAX)
        return NULL;
    r = &s->requests[s->request_count++];
    *r = (struct sim_request){.id = s->request_count};
    s->counts.requests++;
    return r;
}

struct sim_request *sim_find_request(struct sim *s, uint64_t id)
{
    return id >= 1 && id <= s->request_count ? &s->requests[id - 1] : NULL;
}

static uint64_t word_at(uint32_t id, enum sim_direction d, uint64_t index)
{
    return mix64(((uint64_t)id << 33 | (uint64_t)d << 32) + index * UINT64_C(0x9e3779b97f4a7c15) +
                 1);
}

void sim_content_fill(uint32_t id, enum sim_direction d, uint64_t offset, char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(word_at(id, d, (offset + i) / 8) >> ((offset + i) % 8 * 8));
}

bool sim_content_check(uint32_t id, enum sim_direction d, uint64_t offset, struct str piece)
{
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.ptr[i] != (char)(word_at(id, d, (offset + i) / 8) >> ((offset + i) % 8 * 8)))
            return false;
    }
    return true;
}
