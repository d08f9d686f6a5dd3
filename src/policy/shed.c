/* Load shedding: pressure from samples, admission by priority, capacity by Little's law. */
#include <weir/shed.h>

#include "base/assert.h"
#include "policy/atomic.h"

enum {
    SLICES = 10,
    PRESSURE_MAX = 1000,
    SCALE_BITS = 20,
    NUMBER_SHIFT = 40,
    NUMBER_MASK = 0xffffff
};

#define SLICE_NS   NS_PER_SEC
#define VALUE_MASK ((UINT64_C(1) << NUMBER_SHIFT) - 1)

struct weir_shed_options weir_shed_defaults(void)
{
    return (struct weir_shed_options){
        .size = sizeof(struct weir_shed_options),
        .ranges = {[WEIR_SHED_CPU] = {500, 1000}, [WEIR_SHED_QUEUE] = {NS_PER_MS, 50 * NS_PER_MS}},
        .smooth_ns = NS_PER_SEC,
        .refuse_from = {600, 750, 900, WEIR_SHED_NEVER},
        .hysteresis = 100,
        .capacity_from = 600,
    };
}

static bool options_valid(const struct weir_shed_options *o)
{
    if (o->size != sizeof(*o) || o->smooth_ns < 0 || o->capacity_from > WEIR_SHED_NEVER)
        return false;
    for (unsigned i = 0; i < WEIR_SHED_SOURCES; i++)
        if (o->ranges[i].full != 0 &&
            (o->ranges[i].calm < 0 || o->ranges[i].full <= o->ranges[i].calm))
            return false;
    for (unsigned i = 0; i < WEIR_SHED_PRIORITIES; i++)
        if (o->refuse_from[i] > WEIR_SHED_NEVER ||
            (i > 0 && o->refuse_from[i] < o->refuse_from[i - 1]))
            return false;
    return true;
}

int weir_shed_init(struct weir_shed *s, const struct weir_shed_options *options, int64_t now_ns)
{
    if (!options_valid(options))
        return -EINVAL;
    *s = (struct weir_shed){
        .options_ = *options,
        .capacity_ = UINT32_MAX,
        .fed_ns_ = INT64_MIN,
        .birth_ns_ = now_ns,
    };
    return 0;
}

/* 24 bits; slice 0 is never used, so that zeroed words are no slice. */
static uint64_t slice_number(const struct weir_shed *s, int64_t now_ns)
{
    return ((uint64_t)(MAX(now_ns - s->birth_ns_, INT64_C(0)) / SLICE_NS) + 1) & NUMBER_MASK;
}

static bool in_window(uint64_t word, uint64_t now)
{
    return word != 0 && ((now - (word >> NUMBER_SHIFT)) & NUMBER_MASK) < SLICES;
}

/* The most completions in a slice times the shortest call; UINT32_MAX: none has completed. */
static uint32_t capacity_of(const struct weir_shed *s, uint64_t now)
{
    uint64_t calls = 0, shortest_us = UINT64_MAX;
    unsigned __int128 running;

    for (unsigned i = 0; i < SLICES; i++) {
        uint64_t count = relaxed_load(&s->slices_[i][0]);
        uint64_t us = relaxed_load(&s->slices_[i][1]);

        if (in_window(count, now))
            calls = MAX(calls, count & VALUE_MASK);
        if (in_window(us, now))
            shortest_us = MIN(shortest_us, us & VALUE_MASK);
    }
    if (calls == 0 || shortest_us == UINT64_MAX)
        return UINT32_MAX;
    running = (unsigned __int128)calls * shortest_us / (SLICE_NS / NS_PER_US);
    return running < UINT32_MAX ? (uint32_t)running : UINT32_MAX - 1;
}

static uint32_t pressure_of(const struct weir_shed_range *r, int64_t value)
{
    if (r->full == 0 || value <= r->calm)
        return 0;
    if (value >= r->full)
        return PRESSURE_MAX;
    return (uint32_t)((__int128)(value - r->calm) * PRESSURE_MAX / (r->full - r->calm));
}

static uint32_t worst_of(const struct weir_shed *s, const struct weir_shed_sample *sample,
                         uint32_t *ret_source)
{
    const int64_t values[WEIR_SHED_SOURCES] = {
        [WEIR_SHED_CPU] = sample->cpu_permille,
        [WEIR_SHED_QUEUE] = sample->queue_delay_ns,
        [WEIR_SHED_MEMORY] = (int64_t)MIN(sample->memory_bytes, (uint64_t)INT64_MAX),
        [WEIR_SHED_RUNNING] = (int64_t)MIN(sample->running, (uint64_t)INT64_MAX),
    };
    uint32_t worst = 0;

    *ret_source = WEIR_SHED_CPU;
    for (unsigned i = 0; i < WEIR_SHED_SOURCES; i++) {
        uint32_t pressure = pressure_of(&s->options_.ranges[i], values[i]);

        if (pressure > worst) {
            worst = pressure;
            *ret_source = i;
        }
    }
    return worst;
}

/* The first sample is taken as it is. */
static void smooth(struct weir_shed *s, uint32_t target, int64_t now_ns)
{
    int64_t to = (int64_t)target << SCALE_BITS;
    int64_t tau = s->options_.smooth_ns;
    int64_t dt = s->fed_ns_ == INT64_MIN ? 0 : MAX(now_ns - s->fed_ns_, INT64_C(0));

    if (tau == 0 || s->fed_ns_ == INT64_MIN)
        s->smoothed_ = to;
    else
        s->smoothed_ += (int64_t)((__int128)(to - s->smoothed_) * dt / ((__int128)tau + dt));
    s->fed_ns_ = s->fed_ns_ == INT64_MIN ? now_ns : MAX(s->fed_ns_, now_ns);
}

/* Under the lock: what the pressure means for admission. */
static void decide(struct weir_shed *s, int64_t now_ns)
{
    const struct weir_shed_options *o = &s->options_;
    uint32_t pressure = (uint32_t)((s->smoothed_ + (1 << (SCALE_BITS - 1))) >> SCALE_BITS);
    uint32_t was = s->admitted_, lowest = 0;

    for (unsigned i = 0; i < WEIR_SHED_PRIORITIES; i++) {
        uint32_t slack = i < was ? MIN(o->hysteresis, o->refuse_from[i]) : 0;

        if (pressure >= o->refuse_from[i] - slack && pressure > 0 &&
            o->refuse_from[i] < WEIR_SHED_NEVER)
            lowest = i + 1;
    }
    relaxed_store(&s->admitted_, lowest);
    relaxed_store(&s->pressure_, pressure);
    relaxed_store(&s->capacity_, pressure >= o->capacity_from
                                     ? capacity_of(s, slice_number(s, now_ns))
                                     : UINT32_MAX);
}

int weir_shed_set(struct weir_shed *s, const struct weir_shed_options *options, int64_t now_ns)
{
    if (!options_valid(options))
        return -EINVAL;
    word_lock(&s->lock_);
    s->options_ = *options;
    decide(s, now_ns);
    word_unlock(&s->lock_);
    return 0;
}

uint32_t weir_shed_feed(struct weir_shed *s, const struct weir_shed_sample *sample, int64_t now_ns)
{
    uint32_t source, target, pressure;

    word_lock(&s->lock_);
    target = worst_of(s, sample, &source);
    relaxed_store(&s->source_, source);
    smooth(s, target, now_ns);
    decide(s, now_ns);
    pressure = s->pressure_;
    word_unlock(&s->lock_);
    return pressure;
}

/* Replaces the word of an older slice, so that clearing and the first entry are one step. */
static void record(uint64_t *word, uint64_t number, uint64_t value, bool add)
{
    uint64_t was = relaxed_load(word), is;

    do {
        uint64_t old = was & VALUE_MASK;

        if (was != 0 && was >> NUMBER_SHIFT == number) {
            if (!add && value >= old)
                return;
            is = add ? MIN(old + value, VALUE_MASK) : value;
        } else {
            is = value;
        }
    } while (!cas(word, &was, number << NUMBER_SHIFT | is));
}

void weir_shed_done(struct weir_shed *s, int64_t took_ns, int64_t now_ns)
{
    uint64_t number = slice_number(s, now_ns);
    uint64_t us = (uint64_t)(MAX(took_ns, NS_PER_US) / NS_PER_US);

    record(&s->slices_[number % SLICES][1], number, MIN(us, VALUE_MASK), false);
    record(&s->slices_[number % SLICES][0], number, 1, true);
}

static int refuse(struct weir_shed *s, enum weir_shed_reason reason,
                  enum weir_shed_reason *ret_reason)
{
    __atomic_fetch_add(&s->refused_[reason - 1], 1, __ATOMIC_RELAXED);
    if (ret_reason != NULL)
        *ret_reason = reason;
    return -EAGAIN;
}

int weir_shed_admit(struct weir_shed *s, unsigned priority, uint32_t running,
                    enum weir_shed_reason *ret_reason)
{
    if (unlikely(MIN(priority, WEIR_SHED_PRIORITIES - 1u) < relaxed_load(&s->admitted_)))
        return refuse(s, WEIR_SHED_BY_PRIORITY, ret_reason);
    if (unlikely(running > 1 && running > relaxed_load(&s->capacity_)))
        return refuse(s, WEIR_SHED_BY_CAPACITY, ret_reason);
    if (ret_reason != NULL)
        *ret_reason = WEIR_SHED_ADMITTED;
    return 0;
}

struct weir_shed_view weir_shed_view(const struct weir_shed *s)
{
    return (struct weir_shed_view){
        .pressure = relaxed_load(&s->pressure_),
        .source = (enum weir_shed_source)relaxed_load(&s->source_),
        .admitted_priority = relaxed_load(&s->admitted_),
        .capacity = relaxed_load(&s->capacity_),
        .refused_by_priority = relaxed_load(&s->refused_[0]),
        .refused_by_capacity = relaxed_load(&s->refused_[1]),
    };
}

const char *weir_shed_source_text(enum weir_shed_source source)
{
    static const char *const texts[] = {"cpu", "queue", "memory", "running"};

    ASSERT((unsigned)source < WEIR_SHED_SOURCES);
    return texts[source];
}

const char *weir_shed_reason_text(enum weir_shed_reason reason)
{
    static const char *const texts[] = {"admitted", "priority", "capacity"};

    ASSERT((unsigned)reason < ARRAY_LEN(texts));
    return texts[reason];
}
