/* Log records. */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/duration.h"

static struct {
    log_sink_fn *sink;
    log_clock_fn *clock;
    void *arg;
    atomic_int min; /* changes while others log; the rest does not */
    bool plain;
} log_state = {.min = LOG_INFO, .plain = true};

void log_setup(log_sink_fn *sink, log_clock_fn *clock, void *arg, enum log_level min, bool plain)
{
    log_state.sink = sink;
    log_state.clock = clock;
    log_state.arg = arg;
    log_state.plain = plain;
    log_set_level(min);
}

void log_set_level(enum log_level min)
{
    atomic_store_explicit(&log_state.min, min, memory_order_relaxed);
}

struct str log_level_text(enum log_level level)
{
    static const struct str names[LOG_LEVEL_MAX] = {
        [LOG_DEBUG] = {"debug", 5},
        [LOG_INFO] = {"info", 4},
        [LOG_WARN] = {"warn", 4},
        [LOG_ERROR] = {"error", 5},
    };

    return names[level];
}

static void put_json_line(struct buf *b, enum log_level level, const char *event, struct str msg)
{
    buf_lit(b, "{");
    if (log_state.clock != NULL) {
        char ts[RFC3339_LEN];

        rfc3339_format(log_state.clock(log_state.arg), ts);
        buf_printf(b, "\"ts\":\"%.*s\",", RFC3339_LEN, ts);
    }
    buf_printf(b, "\"level\":\"%s\",\"event\":\"%s\",\"msg\":\"", log_level_text(level).ptr, event);
    buf_put_json(b, msg);
    buf_lit(b, "\"}\n");
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    char msg[2 * KIB], line[3 * KIB];
    struct buf b = buf_on(line, sizeof(line));
    va_list ap;
    int n;

    if ((int)level < atomic_load_explicit(&log_state.min, memory_order_relaxed))
        return;
    va_start(ap, fmt);
    n = vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    struct str text = str_n(msg, MIN((size_t)n, sizeof(msg) - 1));
    if (log_state.plain) {
        buf_printf(&b, "weir: %s: %s: ", log_level_text(level).ptr, event);
        buf_puts(&b, text);
        buf_lit(&b, "\n");
    } else {
        put_json_line(&b, level, event, text);
    }
    if (b.overflow)
        b.ptr[b.cap - 1] = '\n';
    if (log_state.sink != NULL)
        log_state.sink(log_state.arg, level, buf_str(&b));
    else if (write(STDERR_FILENO, b.ptr, b.len) < 0)
        return; /* nowhere left to report it */
}
