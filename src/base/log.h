/* Log records: one line of JSON each, {"ts":..,"level":..,"event":..,"msg":..}. The process chooses
 * the sink and the clock once, at start. Layers below gateway do not log above debug. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/text.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_MAX };

typedef void log_sink_fn(void *arg, enum log_level level, struct str line);
typedef int64_t log_clock_fn(void *arg); /* nanoseconds since 1970 */

/* sink NULL: standard error. clock NULL: no "ts" field. plain: "level event: msg" for people. Not
 * while others may log. */
void log_setup(log_sink_fn *sink, log_clock_fn *clock, void *arg, enum log_level min, bool plain);

/* What is below min is not logged. At any time. */
void log_set_level(enum log_level min);

/* event is a fixed word in snake_case that people grep for; the message tells the rest. Lines
 * longer than 2 KiB are cut. */
void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(event, ...) log_write(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_write(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_ERROR, event, __VA_ARGS__)

struct str log_level_text(enum log_level level);

#endif
