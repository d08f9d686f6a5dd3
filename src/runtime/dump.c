/* What people see of the runtime: a list of coroutines (dump_*.c). */
#include <unistd.h>

#include <weir/diagnose.h>

#include "runtime/dump.h"
#include "runtime/sched.h"

static const char *const reason_text[WAIT_REASON_MAX] = {
    [WAIT_NONE] = "nothing",
    [WAIT_SLEEP] = "sleep",
    [WAIT_READ] = "socket read",
    [WAIT_WRITE] = "socket write",
    [WAIT_CHAN_SEND] = "channel send",
    [WAIT_CHAN_RECV] = "channel receive",
    [WAIT_MUTEX] = "mutex",
    [WAIT_GROUP] = "wait group",
    [WAIT_SCOPE] = "children",
    [WAIT_BLOCKING] = "blocking call",
    [WAIT_SIGNAL] = "signal",
    [WAIT_SELECT] = "select",
    [WAIT_SEMAPHORE] = "semaphore",
    [WAIT_RWMUTEX_READ] = "rwmutex (read)",
    [WAIT_RWMUTEX_WRITE] = "rwmutex (write)",
    [WAIT_COND] = "condition",
    [WAIT_ONCE] = "once",
    [WAIT_FLIGHT] = "single flight",
    [WAIT_POOL] = "room in a pool",
    [WAIT_FUTURE] = "future",
    [WAIT_FD] = "file descriptor",
    [WAIT_PROCESSOR] = "processor",
    [WAIT_BULKHEAD] = "bulkhead",
};

const char *dump_reason(enum wait_reason reason)
{
    return reason < WAIT_REASON_MAX ? reason_text[reason] : "?";
}

static void flush_to_fd(struct dump_out *out)
{
    size_t done = 0;

    while (done < out->buf.len && out->error == 0) {
        ssize_t n = write(out->fd, out->buf.ptr + done, out->buf.len - done);

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR)
            out->error = -errno;
    }
}

static void flush(struct dump_out *out)
{
    if (out->text != NULL)
        text_puts(out->text, buf_str(&out->buf));
    else
        flush_to_fd(out);
    out->buf.len = 0;
}

void dump_flush_if_full(struct dump_out *out)
{
    if (out->buf.len > out->buf.cap / 2)
        flush(out);
}

/* Dumps that run, and whether there is anything to be seen. A dump on the way to an abort may have
 * stopped one that runs on the same thread, so this is a count. */
static atomic_uint running;
static atomic_bool is_open;

void dump_open(void)
{
    atomic_store(&is_open, true);
}

void dump_close(void)
{
    atomic_store(&is_open, false);
    while (atomic_load(&running) != 0)
        sched_yield();
}

static int write_dump(int fd, struct text *text, unsigned flags)
{
    struct dump d;
    struct dump_out *out;
    int r = dump_collect(&d, atomic_load(&is_open), (flags & WEIR_DUMP_ALL) != 0,
                         (flags & WEIR_DUMP_NO_STACKS) == 0);

    if (r < 0)
        return r;
    out = d.out;
    out->fd = fd;
    out->text = text;
    out->buf = buf_on(out->memory, sizeof(out->memory));
    dump_find_cycles(&d);
    if ((flags & WEIR_DUMP_JSON) != 0)
        dump_json(&d, out);
    else
        dump_text(&d, out);
    flush(out);
    r = out->error;
    dump_done(&d);
    return r;
}

static int dump(int fd, struct text *text, unsigned flags)
{
    int r;

    atomic_fetch_add(&running, 1);
    r = write_dump(fd, text, flags);
    atomic_fetch_sub(&running, 1);
    return r;
}

int weir_dump(int fd, unsigned flags)
{
    return dump(fd, NULL, flags);
}

int runtime_dump_text(struct text *out, unsigned flags)
{
    return dump(-1, out, flags);
}

void runtime_dump(int fd)
{
    dump(fd, NULL, 0);
}
