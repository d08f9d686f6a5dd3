/* A profile as pprof's profile.proto (github.com/google/pprof/proto), encoded by hand: a dozen
 * fields of two wire types. Not compressed, which pprof reads as well. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/dump.h"
#include "runtime/profile.h"

/* Field numbers. */
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_DURATION = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    SAMPLE_LOCATION = 1,
    SAMPLE_VALUE = 2,
    SAMPLE_LABEL = 3,
    LABEL_KEY = 1,
    LABEL_STR = 2,
    VALUE_TYPE = 1,
    VALUE_UNIT = 2,
    LOCATION_ID = 1,
    LOCATION_ADDRESS = 3,
    LOCATION_LINE = 4,
    LINE_FUNCTION = 1,
    LINE_LINE = 2,
    FUNCTION_ID = 1,
    FUNCTION_NAME = 2,
    FUNCTION_SYSTEM_NAME = 3,
    FUNCTION_FILE = 4,
};

enum {
    TABLE = PROFILE_SITES * PROFILE_FRAMES, /* at most half of it is used */
    MESSAGE_MAX = 1024,
};

/* What has a number already. Strings are found by their text, which stands in the output. */
struct numbers {
    struct text *out;
    uint32_t string_count, location_count;
    struct {
        const void *pc;
        uint32_t id; /* 0: left out */
    } locations[TABLE];
    struct {
        size_t at, len; /* in out */
        uint32_t id;
    } strings[TABLE];
};

/* ---- the wire ---- */

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_putc(b, (char)(v | 0x80));
    buf_putc(b, (char)v);
}

static void put_number(struct buf *b, unsigned field, uint64_t v)
{
    if (v != 0) {
        put_varint(b, field << 3);
        put_varint(b, v);
    }
}

static void put_bytes(struct buf *b, unsigned field, const void *bytes, size_t size)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, size);
    buf_put(b, bytes, size);
}

/* A message of the profile itself. */
static void put_message(struct text *out, unsigned field, const void *bytes, size_t size)
{
    char mem[24];
    struct buf head = buf_on(mem, sizeof(mem));

    put_varint(&head, field << 3 | 2);
    put_varint(&head, size);
    text_put(out, head.ptr, head.len);
    text_put(out, bytes, size);
}

/* ---- what is referred to by number ---- */

static uint64_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

/* "" has number 0. */
static uint32_t string_number(struct numbers *n, const char *text)
{
    size_t len = strlen(text);
    uint32_t at = (uint32_t)hash_bytes(text, len) % TABLE;

    if (len == 0 && n->string_count > 0)
        return 0;
    for (; n->strings[at].len != 0; at = (at + 1) % TABLE) {
        if (n->strings[at].len == len && n->out->ptr != NULL &&
            memcmp(n->out->ptr + n->strings[at].at, text, len) == 0)
            return n->strings[at].id;
    }
    put_message(n->out, PROFILE_STRING, text, len);
    n->strings[at].at = n->out->len - len;
    n->strings[at].len = len;
    n->strings[at].id = n->string_count++;
    return n->strings[at].id;
}

/* Every location has a function of its own, of the same number: those of the same name and file are
 * one to pprof. */
static uint32_t write_location(struct numbers *n, const void *pc, const struct symbol *s)
{
    char mem[64], address[24], line_mem[32];
    struct buf b = buf_on(mem, sizeof(mem)), line = buf_on(line_mem, sizeof(line_mem));
    uint32_t id = ++n->location_count;
    uint32_t name, file;

    snprintf(address, sizeof(address), "%p", pc);
    name = string_number(n, s->function[0] != 0 ? s->function : address);
    file = string_number(n, s->file);
    put_number(&b, FUNCTION_ID, id);
    put_number(&b, FUNCTION_NAME, name);
    put_number(&b, FUNCTION_SYSTEM_NAME, name);
    put_number(&b, FUNCTION_FILE, file);
    put_message(n->out, PROFILE_FUNCTION, b.ptr, b.len);
    b.len = 0;
    put_number(&line, LINE_FUNCTION, id);
    put_number(&line, LINE_LINE, (uint64_t)s->line);
    put_number(&b, LOCATION_ID, id);
    put_number(&b, LOCATION_ADDRESS, (uintptr_t)pc);
    put_bytes(&b, LOCATION_LINE, line.ptr, line.len);
    put_message(n->out, PROFILE_LOCATION, b.ptr, b.len);
    return id;
}

/* 0: a frame that says nothing. */
static uint32_t location_number(struct numbers *n, const void *pc)
{
    uint32_t at = (uint32_t)hash_bytes((const char *)&pc, sizeof(pc)) % TABLE;
    struct symbol s;

    for (; n->locations[at].pc != NULL; at = (at + 1) % TABLE) {
        if (n->locations[at].pc == pc)
            return n->locations[at].id;
    }
    symbol_find(pc, &s);
    n->locations[at].pc = pc;
    if (s.file[0] != 0 && !symbol_is_scaffolding(&s))
        n->locations[at].id = write_location(n, pc, &s);
    return n->locations[at].id;
}

/* ---- the profile ---- */

static void write_type(struct numbers *n, unsigned field, const char *type, const char *unit)
{
    char mem[32];
    struct buf b = buf_on(mem, sizeof(mem));

    put_number(&b, VALUE_TYPE, string_number(n, type));
    put_number(&b, VALUE_UNIT, string_number(n, unit));
    put_message(n->out, field, b.ptr, b.len);
}

static void write_sample(struct numbers *n, const struct profile_site *site)
{
    char mem[MESSAGE_MAX], ids_mem[PROFILE_FRAMES * 5], small_mem[64];
    struct buf b = buf_on(mem, sizeof(mem)), ids = buf_on(ids_mem, sizeof(ids_mem));
    struct buf small = buf_on(small_mem, sizeof(small_mem));

    for (unsigned i = 0; i < site->frame_count; i++) {
        uint32_t id = location_number(n, site->frames[i]);

        if (id != 0)
            put_varint(&ids, id);
    }
    put_bytes(&b, SAMPLE_LOCATION, ids.ptr, ids.len);
    put_varint(&small, site->count);
    put_varint(&small, site->ns);
    put_bytes(&b, SAMPLE_VALUE, small.ptr, small.len);
    if (site->reason != WAIT_NONE) {
        small.len = 0;
        put_number(&small, LABEL_KEY, string_number(n, "reason"));
        put_number(&small, LABEL_STR, string_number(n, dump_reason(site->reason)));
        put_bytes(&b, SAMPLE_LABEL, small.ptr, small.len);
    }
    put_message(n->out, PROFILE_SAMPLE, b.ptr, b.len);
}

int profile_pprof(enum weir_profile kind, const struct profile_data *p, struct text *out)
{
    struct numbers *n = calloc(1, sizeof(*n));
    char mem[32];
    struct buf b = buf_on(mem, sizeof(mem));

    if (n == NULL)
        return -ENOMEM;
    n->out = out;
    string_number(n, "");
    write_type(n, PROFILE_SAMPLE_TYPE, kind == WEIR_PROFILE_SCHED ? "wakeups" : "contentions",
               "count");
    write_type(n, PROFILE_SAMPLE_TYPE, "delay", "nanoseconds");
    write_type(n, PROFILE_PERIOD_TYPE, "delay", "nanoseconds");
    put_number(&b, PROFILE_PERIOD, (uint64_t)p->rate_ns);
    put_number(&b, PROFILE_DURATION, (uint64_t)(p->until_ns - p->since_ns));
    text_put(out, b.ptr, b.len);
    for (uint32_t i = 0; i < p->used; i++)
        write_sample(n, &p->sites[i]);
    if (p->lost.count != 0)
        write_sample(n, &p->lost);
    free(n);
    return 0;
}
