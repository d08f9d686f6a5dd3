/* What went wrong and what the gateway did about it. */
#include "cli/demo/story.h"

static unsigned port_of(struct str address)
{
    struct addr a;

    return addr_parse(address, &a) == 0 ? addr_port(&a) : 0;
}

/* False: nothing to tell. */
static bool classify(const struct access_record *r, struct story_kind *ret)
{
    bool lost = r->status >= 500 || (r->cause != CAUSE_NONE && r->status == 0);
    const struct access_attempt *first = &r->attempts[0];

    *ret = (struct story_kind){.saved = !lost, .client_status = lost ? r->status : 0};
    if (r->attempt_count != 0) {
        ret->failed_port = port_of(first->endpoint);
        ret->outcome = first->outcome;
        ret->status = first->status >= 500 ? first->status : 0;
    }
    if (lost)
        return true;
    ret->answered_port = port_of(r->endpoint);
    return r->attempt_count > 1;
}

static bool same_kind(const struct story_kind *a, const struct story_kind *b)
{
    return a->failed_port == b->failed_port && a->outcome == b->outcome && a->status == b->status &&
           a->saved == b->saved && a->answered_port == b->answered_port &&
           a->client_status == b->client_status;
}

static void add_kind(struct story *s, const struct story_kind *k)
{
    for (uint32_t i = 0; i < s->kind_count; i++) {
        if (same_kind(&s->kinds[i], k)) {
            s->kinds[i].count++;
            return;
        }
    }
    if (s->kind_count == STORY_KINDS_MAX) {
        s->untold++;
        return;
    }
    s->kinds[s->kind_count] = *k;
    s->kinds[s->kind_count++].count = 1;
}

static void on_record(struct access_sink *sink, const struct access_record *r)
{
    struct story *s = container_of(sink, struct story, sink);
    struct story_kind k;

    if (!classify(r, &k))
        return;
    spin_lock(&s->lock);
    add_kind(s, &k);
    spin_unlock(&s->lock);
}

void story_init(struct story *s, struct demo_fleet *fleet)
{
    memset(s, 0, sizeof(*s));
    s->sink.write = on_record;
    s->fleet = fleet;
}

static const char *name_of(struct story *s, unsigned port)
{
    const struct demo_endpoint *e = demo_fleet_by_port(s->fleet, port);

    return e != NULL ? e->name : "no endpoint";
}

/* The table's names are for machines; these say the same to a newcomer. */
static void put_what(const struct story_kind *k, struct buf *b)
{
    struct str name = cause_name(k->outcome);

    if (k->status != 0) {
        buf_printf(b, "answered %d", k->status);
        return;
    }
    for (size_t i = 0; i < name.len; i++)
        buf_putc(b, name.ptr[i] == '_' ? ' ' : name.ptr[i]);
}

static void put_outcome(struct story *s, const struct story_kind *k, struct buf *b)
{
    if (!k->saved) {
        buf_printf(b, "the client got ");
        if (k->client_status != 0)
            buf_printf(b, "%d", k->client_status);
        else
            buf_printf(b, "no answer");
    } else if (k->answered_port == k->failed_port) {
        buf_printf(b, "tried again there, answered");
    } else {
        buf_printf(b, "%s answered instead", name_of(s, k->answered_port));
    }
}

static void tell_kind(struct story *s, const struct story_kind *k, story_emit_fn *emit, void *arg)
{
    char text[DEMO_EVENT_MAX];
    struct buf b = buf_on(text, sizeof(text) - 1);

    if (k->failed_port != 0) {
        buf_printf(&b, "%s: ", name_of(s, k->failed_port));
        put_what(k, &b);
    } else {
        buf_printf(&b, "no endpoint to ask");
    }
    buf_printf(&b, "; ");
    put_outcome(s, k, &b);
    text[b.len] = '\0';
    emit(arg, k->saved ? DEMO_GOOD : DEMO_BAD, text, k->count);
}

void story_tell(struct story *s, story_emit_fn *emit, void *arg)
{
    struct story_kind kinds[STORY_KINDS_MAX];

    spin_lock(&s->lock);
    uint32_t count = s->kind_count;
    memcpy(kinds, s->kinds, count * sizeof(kinds[0]));
    uint32_t untold = s->untold;
    s->kind_count = 0;
    s->untold = 0;
    spin_unlock(&s->lock);
    for (uint32_t i = 0; i < count; i++)
        tell_kind(s, &kinds[i], emit, arg);
    if (untold != 0)
        emit(arg, DEMO_BAD, "and more failures of other kinds", untold);
}
