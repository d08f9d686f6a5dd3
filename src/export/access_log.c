/* The way of a line: formatted in memory of the worker's thread, copied into the front buffer under
 * a spinlock; the writer swaps front and back and writes the back one where blocking harms nobody.
 */
#include "export/access_log.h"

#include <stdlib.h>
#include <weir/chan.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/lock.h"
#include "base/log.h"
#include "telemetry/metric.h"
#include "world/file.h"

#define BUFFER_DEFAULT (1 * MIB)
#define FLUSH_DEFAULT  (20 * NS_PER_MS)

struct access_log {
    struct access_sink sink;
    uint32_t cap; /* of each buffer */
    int64_t flush_ns;
    struct weir_chan *wake; /* one token: there is something to do */
    struct metric *lines, *dropped_full, *dropped_error;
    atomic_bool reopen;
    atomic_uint refs; /* whoever started it, and the writer */
    struct weir_wait_group writing;

    struct spinlock lock;
    /* under the lock */
    char *front;
    uint32_t front_len;
    bool front_half; /* more than half full: the writer has been told not to wait */

    /* the writer's */
    char *back;
    int fd;
    bool torn;  /* the file ends in the middle of a line */
    char *path; /* NULL: standard output */
};

static void wake_writer(struct access_log *l)
{
    weir_chan_try_send(l->wake, &(char){0}); /* full: it is awake already */
}

/* Copies the line in. False: no room. */
static bool append(struct access_log *l, struct str line)
{
    bool first, half;

    spin_lock(&l->lock);
    if (line.len > l->cap - l->front_len) {
        spin_unlock(&l->lock);
        return false;
    }
    first = l->front_len == 0;
    memcpy(l->front + l->front_len, line.ptr, line.len);
    l->front_len += (uint32_t)line.len;
    half = !l->front_half && l->front_len > l->cap / 2;
    l->front_half |= half;
    spin_unlock(&l->lock);
    if (first || half)
        wake_writer(l);
    return true;
}

static void write_record(struct access_sink *sink, const struct access_record *r)
{
    /* Nothing here parks, so memory of the thread will do: a line is too large for a stack of which
     * there may be many thousands. */
    static _Thread_local char line[ACCESS_LOG_LINE_MAX];
    struct access_log *l = container_of(sink, struct access_log, sink);
    struct buf b = buf_on(line, sizeof(line));

    access_log_format(r, &b);
    if (b.overflow || !append(l, buf_str(&b)))
        metric_inc(l->dropped_full);
}

/* Takes what has gathered; the other buffer is in front then. */
static struct str swap_buffers(struct access_log *l)
{
    struct str batch;
    char *taken;

    spin_lock(&l->lock);
    taken = l->front;
    batch = str_n(taken, l->front_len);
    l->front = l->back;
    l->front_len = 0;
    l->front_half = false;
    spin_unlock(&l->lock);
    l->back = taken;
    return batch;
}

static uint64_t count_lines(struct str s)
{
    uint64_t count = 0;

    for (ssize_t at; (at = str_find(s, '\n')) >= 0; count++)
        s = str_n(s.ptr + at + 1, s.len - (size_t)at - 1);
    return count;
}

static void reopen_file(struct access_log *l)
{
    int fd = l->path != NULL ? world_file_append_open(l->path) : -EINVAL;

    if (fd >= 0) {
        world_file_close(l->fd);
        l->fd = fd;
        l->torn = false;
    } else if (l->path != NULL) {
        log_warn("access_log_reopen", "%s: %s; the old file stays in use", l->path, strerror(-fd));
    }
}

struct job {
    struct access_log *log;
    struct str batch;
    bool done;
};

/* On a thread that may block. */
static long run_job(void *arg)
{
    struct job *j = arg;
    struct access_log *l = j->log;
    uint64_t lines = count_lines(j->batch), lost = 0;
    ssize_t n;

    j->done = true;
    if (atomic_exchange(&l->reopen, false))
        reopen_file(l);
    if (j->batch.len == 0)
        return 0;
    if (l->torn)
        world_file_write(l->fd, "\n", 1);
    n = MAX(world_file_write(l->fd, j->batch.ptr, j->batch.len), (ssize_t)0);
    lost = count_lines(str_n(j->batch.ptr + n, j->batch.len - (size_t)n));
    if (n > 0)
        l->torn = j->batch.ptr[n - 1] != '\n';
    metric_add(l->lines, lines - lost);
    metric_add(l->dropped_error, lost);
    return 0;
}

static void flush(struct access_log *l)
{
    struct job j = {.log = l, .batch = swap_buffers(l)};

    weir_blocking(run_job, &j);
    if (!j.done) /* the runtime is ending: nothing else will write these lines */
        run_job(&j);
}

static void unref(struct access_log *l)
{
    if (atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    if (l->path != NULL)
        world_file_close(l->fd);
    metric_put(l->lines);
    metric_put(l->dropped_full);
    metric_put(l->dropped_error);
    weir_chan_free(l->wake);
    free(l->front);
    free(l->back);
    free(l->path);
    free(l);
}

static void run_writer(void *arg)
{
    struct access_log *l = arg;
    char token;

    while (weir_chan_recv(l->wake, &token) == 1) {
        /* Gathers for a while; half a buffer or the end comes first. */
        if (!atomic_load(&l->reopen)) {
            WEIR_DEADLINE (weir_now() + l->flush_ns) {
                weir_chan_recv(l->wake, &token);
            }
        }
        flush(l);
    }
    flush(l); /* what came after the last token */
    weir_wait_group_done(&l->writing);
    unref(l);
}

/* Everything but the writer. */
static int init(struct access_log *l, const struct access_log_options *o)
{
    l->sink.write = write_record;
    l->cap = o->buffer_bytes != 0 ? o->buffer_bytes : (uint32_t)BUFFER_DEFAULT;
    l->flush_ns = o->flush_ns != 0 ? o->flush_ns : FLUSH_DEFAULT;
    l->front = malloc(l->cap);
    l->back = malloc(l->cap);
    l->wake = weir_chan_new(1, 1);
    if (o->path.ptr != NULL)
        l->path = strndup(o->path.ptr, o->path.len);
    l->lines = metric_get(METRIC_ACCESS_LOG_LINES, NULL);
    l->dropped_full = metric_get1(METRIC_ACCESS_LOG_DROPPED, STR("full"));
    l->dropped_error = metric_get1(METRIC_ACCESS_LOG_DROPPED, STR("error"));
    if (l->front == NULL || l->back == NULL || l->wake == NULL ||
        (l->path == NULL && o->path.ptr != NULL))
        return -ENOMEM;
    l->fd = l->path != NULL ? world_file_append_open(l->path) : WORLD_STDOUT;
    return l->fd < 0 ? l->fd : 0;
}

int access_log_start(const struct access_log_options *o, struct access_log **ret)
{
    struct access_log *l = calloc(1, sizeof(*l));
    int error;

    if (l == NULL)
        return -ENOMEM;
    l->fd = -1;
    atomic_init(&l->refs, 1);
    error = init(l, o);
    if (error == 0) {
        atomic_store(&l->refs, 2);
        weir_wait_group_add(&l->writing, 1);
        error = weir_go("access log", run_writer, l);
        if (error != 0)
            atomic_store(&l->refs, 1);
    }
    if (error != 0) {
        unref(l);
        return error;
    }
    access_set_sink(&l->sink);
    *ret = l;
    return 0;
}

void access_log_reopen(struct access_log *l)
{
    atomic_store(&l->reopen, true);
    wake_writer(l);
}

void access_log_stop(struct access_log *l)
{
    if (l == NULL)
        return;
    access_set_sink(NULL);
    weir_chan_close(l->wake);
    /* When the caller is cancelled this does not wait; the writer then frees. */
    weir_wait_group_wait(&l->writing);
    unref(l);
}
