/* The registry of metric series, and the memory of their cells.
 *
 * Cells lie in chunks: METRIC_SHARDS rows of METRIC_CHUNK_CELLS cells, one row per shard. A series
 * has the same columns in every row, so two processors never write to one cache line, while the
 * counters of one processor lie densely. Rows of processors that do not exist are never touched and
 * cost address space only. */
#include "telemetry/metric.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"

static const struct metric_family families[METRIC_ID_MAX] = {
#define METRIC(id, kind_, unit_, name_, help_, ...)                                                \
    [METRIC_##id] = {                                                                              \
        .name = (name_),                                                                           \
        .help = (help_),                                                                           \
        .kind = METRIC_##kind_,                                                                    \
        .unit = METRIC_##unit_,                                                                    \
        .labels = {__VA_ARGS__},                                                                   \
        .label_count = sizeof((const char *[]){NULL, ##__VA_ARGS__}) / sizeof(const char *) - 1},
#include "telemetry/metrics.def"
#undef METRIC
};

#define COLLECTORS_MAX 16

/* Runs of cells of one length. A free run holds the address of the next one in its first cell. */
struct cell_class {
    unsigned run;                /* cells */
    atomic_uint_least64_t *next; /* unused room of the newest chunk */
    unsigned left;               /* cells of it */
    atomic_uint_least64_t *free;
};

static struct {
    pthread_mutex_t lock; /* held briefly, never across a call that parks */
    bool ready;
    struct map by_key;
    struct {
        struct metric *first, *last;
    } family[METRIC_ID_MAX];
    struct cell_class values, histograms;
    uint64_t refused;
} registry = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .values = {.run = 1},
    .histograms = {.run = METRIC_HISTOGRAM_CELLS},
};

static struct {
    pthread_mutex_t lock; /* held while they run, so that removing one waits for it */
    struct {
        metric_collect_fn *fn;
        void *arg;
    } at[COLLECTORS_MAX];
} collectors = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Takes what no series could be made for. */
static atomic_uint_least64_t void_cells[METRIC_SHARDS * METRIC_CHUNK_CELLS] CACHE_ALIGNED;
static struct metric void_series = {.cells = void_cells, .refs = 1, .id = METRIC_ID_MAX};

const struct metric_family *metric_family(enum metric_id id)
{
    ASSERT(id < METRIC_ID_MAX);
    return &families[id];
}

static struct cell_class *class_of(enum metric_id id)
{
    return families[id].kind == METRIC_HISTOGRAM ? &registry.histograms : &registry.values;
}

static atomic_uint_least64_t *alloc_chunk(void)
{
    size_t size = sizeof(atomic_uint_least64_t) * METRIC_SHARDS * METRIC_CHUNK_CELLS;
    uintptr_t p = (uintptr_t)calloc(1, size + CACHE_LINE); /* zero pages; lives for ever */

    return p != 0 ? (void *)((p + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1)) : NULL;
}

static atomic_uint_least64_t *alloc_cells(struct cell_class *c)
{
    atomic_uint_least64_t *cells = c->free;

    if (cells != NULL) {
        c->free = (void *)(uintptr_t)atomic_load_explicit(cells, memory_order_relaxed);
        atomic_store_explicit(cells, 0, memory_order_relaxed);
        return cells;
    }
    if (c->left < c->run) {
        c->next = alloc_chunk();
        c->left = c->next != NULL ? METRIC_CHUNK_CELLS : 0;
        if (c->next == NULL)
            return NULL;
    }
    cells = c->next;
    c->next += c->run;
    c->left -= c->run;
    return cells;
}

/* Writes only where something was counted: the rows of shards never used stay untouched. */
static void free_cells(struct cell_class *c, atomic_uint_least64_t *cells)
{
    for (size_t shard = 0; shard < METRIC_SHARDS; shard++) {
        atomic_uint_least64_t *row = cells + shard * METRIC_CHUNK_CELLS;

        for (unsigned i = 0; i < c->run; i++)
            if (atomic_load_explicit(&row[i], memory_order_relaxed) != 0)
                atomic_store_explicit(&row[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(cells, (uintptr_t)c->free, memory_order_relaxed);
    c->free = cells;
}

/* A series with its key (family, then every value with its length), in no table yet. */
static struct metric *make_series(enum metric_id id, const struct str *values)
{
    unsigned count = families[id].label_count;
    size_t size = sizeof(uint32_t);
    struct metric *m;
    char *p;

    for (unsigned i = 0; i < count; i++)
        size += sizeof(uint32_t) + values[i].len;
    m = calloc(1, sizeof(*m) + size);
    if (m == NULL)
        return NULL;
    m->id = id;
    m->refs = 1;
    m->key = str_n(m->text, size);
    p = m->text;
    memcpy(p, &(uint32_t){(uint32_t)id}, sizeof(uint32_t));
    p += sizeof(uint32_t);
    for (unsigned i = 0; i < count; i++) {
        memcpy(p, &(uint32_t){(uint32_t)values[i].len}, sizeof(uint32_t));
        p += sizeof(uint32_t);
        if (values[i].len != 0)
            memcpy(p, values[i].ptr, values[i].len);
        m->labels[i] = str_n(p, values[i].len);
        p += values[i].len;
    }
    return m;
}

static int register_series(struct metric *m)
{
    int error;

    if (families[m->id].kind == METRIC_HISTOGRAM)
        metric_fill_bounds();
    m->cells = alloc_cells(class_of(m->id));
    if (m->cells == NULL)
        return -ENOMEM;
    error = map_put(&registry.by_key, m->key, m);
    if (error != 0) {
        free_cells(class_of(m->id), m->cells);
        return error;
    }
    m->prev = registry.family[m->id].last;
    if (m->prev != NULL)
        m->prev->next = m;
    else
        registry.family[m->id].first = m;
    registry.family[m->id].last = m;
    return 0;
}

static void unregister_series(struct metric *m)
{
    map_remove(&registry.by_key, m->key);
    if (m->prev != NULL)
        m->prev->next = m->next;
    else
        registry.family[m->id].first = m->next;
    if (m->next != NULL)
        m->next->prev = m->prev;
    else
        registry.family[m->id].last = m->prev;
    free_cells(class_of(m->id), m->cells);
}

/* Label values come from the configuration, which is trusted: a fixed key will do. */
static void lock_registry(void)
{
    static const uint64_t key[2] = {0x7765697220737061, 0x6d65747269637300};

    pthread_mutex_lock(&registry.lock);
    if (!registry.ready) {
        map_init(&registry.by_key, key, METRIC_SERIES_MAX);
        registry.ready = true;
    }
}

struct metric *metric_get(enum metric_id id, const struct str *values)
{
    struct metric *fresh, *found;

    ASSERT(id < METRIC_ID_MAX && (values != NULL || families[id].label_count == 0));
    fresh = make_series(id, values);
    lock_registry();
    found = fresh != NULL ? map_get(&registry.by_key, fresh->key) : NULL;
    if (found != NULL) {
        found->refs++;
    } else if (fresh != NULL && register_series(fresh) == 0) {
        found = TAKE(fresh);
    } else {
        registry.refused++;
        found = &void_series;
    }
    pthread_mutex_unlock(&registry.lock);
    free(fresh);
    return found;
}

struct metric *metric_get1(enum metric_id id, struct str a)
{
    ASSERT(families[id].label_count == 1);
    return metric_get(id, &a);
}

struct metric *metric_get2(enum metric_id id, struct str a, struct str b)
{
    ASSERT(families[id].label_count == 2);
    return metric_get(id, (struct str[]){a, b});
}

struct metric *metric_get3(enum metric_id id, struct str a, struct str b, struct str c)
{
    ASSERT(families[id].label_count == 3);
    return metric_get(id, (struct str[]){a, b, c});
}

void metric_put(struct metric *m)
{
    bool last;

    if (m == NULL || m == &void_series)
        return;
    lock_registry();
    ASSERT(m->refs > 0);
    last = --m->refs == 0;
    if (last)
        unregister_series(m);
    pthread_mutex_unlock(&registry.lock);
    if (last)
        free(m);
}

void metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(m->cells, (uint64_t)value, memory_order_relaxed);
}

int64_t metric_value(const struct metric *m)
{
    uint64_t sum = 0;

    if (m->id < METRIC_ID_MAX && families[m->id].kind == METRIC_HISTOGRAM) {
        struct metric_snapshot s;

        metric_snapshot(m, &s);
        return (int64_t)s.count;
    }
    for (size_t shard = 0; shard < METRIC_SHARDS; shard++)
        sum += atomic_load_explicit(&m->cells[shard * METRIC_CHUNK_CELLS], memory_order_relaxed);
    return (int64_t)sum;
}

int metric_add_collector(metric_collect_fn *fn, void *arg)
{
    int error = -ENOSPC;

    pthread_mutex_lock(&collectors.lock);
    for (size_t i = 0; i < COLLECTORS_MAX && error != 0; i++) {
        if (collectors.at[i].fn == NULL) {
            collectors.at[i].fn = fn;
            collectors.at[i].arg = arg;
            error = 0;
        }
    }
    pthread_mutex_unlock(&collectors.lock);
    return error;
}

void metric_remove_collector(metric_collect_fn *fn, void *arg)
{
    pthread_mutex_lock(&collectors.lock);
    for (size_t i = 0; i < COLLECTORS_MAX; i++)
        if (collectors.at[i].fn == fn && collectors.at[i].arg == arg)
            collectors.at[i].fn = NULL;
    pthread_mutex_unlock(&collectors.lock);
}

static void run_collectors(void)
{
    pthread_mutex_lock(&collectors.lock);
    for (size_t i = 0; i < COLLECTORS_MAX; i++)
        if (collectors.at[i].fn != NULL)
            collectors.at[i].fn(collectors.at[i].arg);
    pthread_mutex_unlock(&collectors.lock);
}

static struct metric *own_series, *own_refused;

static void make_own(void)
{
    own_series = metric_get(METRIC_SERIES, NULL);
    own_refused = metric_get(METRIC_SERIES_REFUSED, NULL);
}

static void collect_own(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t count;
    uint64_t refused;

    pthread_once(&once, make_own);
    lock_registry();
    count = registry.by_key.count;
    refused = registry.refused;
    pthread_mutex_unlock(&registry.lock);
    metric_set(own_series, (int64_t)count);
    metric_set(own_refused, (int64_t)refused);
}

/* The family's series, each with a reference taken. */
static int pin_family(enum metric_id id, struct metric ***ret_series, size_t *ret_count)
{
    struct metric **series;
    size_t count = 0;

    lock_registry();
    for (struct metric *m = registry.family[id].first; m != NULL; m = m->next)
        count++;
    series = malloc((count + 1) * sizeof(struct metric *));
    if (series == NULL) {
        pthread_mutex_unlock(&registry.lock);
        return -ENOMEM;
    }
    count = 0;
    for (struct metric *m = registry.family[id].first; m != NULL; m = m->next) {
        m->refs++;
        series[count++] = m;
    }
    pthread_mutex_unlock(&registry.lock);
    *ret_series = series;
    *ret_count = count;
    return 0;
}

int metric_visit(metric_visit_fn *fn, void *arg)
{
    bool more = true;

    run_collectors();
    collect_own();
    for (unsigned id = 0; id < METRIC_ID_MAX && more; id++) {
        struct metric **series;
        size_t count;
        int error = pin_family((enum metric_id)id, &series, &count);

        if (error != 0)
            return error;
        more = fn(arg, &families[id], NULL);
        for (size_t i = 0; i < count; i++) {
            more = more && fn(arg, &families[id], series[i]);
            metric_put(series[i]);
        }
        free(series);
    }
    return 0;
}
