/* The access log: one line of JSON per request, to a file or to standard output. Workers format the
 * line and copy it into a bounded buffer; a coroutine writes what has gathered, on a thread that
 * may block. When the buffer is full, lines are dropped and counted: a slow disk never slows a
 * request. */
#ifndef WEIR_EXPORT_ACCESS_LOG_H
#define WEIR_EXPORT_ACCESS_LOG_H

#include "telemetry/access.h"

struct access_log;

struct access_log_options {
    struct str path;       /* ptr NULL: standard output */
    uint32_t buffer_bytes; /* 0: 1 MiB; twice this is allocated */
    int64_t flush_ns;      /* how long lines may gather; 0: 20 ms */
};

/* Opens the file (appends; created with mode 0640), becomes the process' access sink, starts the
 * writer. Inside the runtime. -ENOMEM, what opening said. */
int access_log_start(const struct access_log_options *o, struct access_log **ret);

/* Opens the path anew before the next batch, after a rotation has moved the file. When that fails
 * the old file stays in use and the log says so. Any coroutine; does not park. */
void access_log_reopen(struct access_log *l);

/* Writes what is there, closes, frees. After the gateway has stopped. NULL is fine. */
void access_log_stop(struct access_log *l) WEIR_PARKS;

#define ACCESS_LOG_LINE_MAX 8192 /* beyond, path, query and the like are cut: see access_log.c */

/* The line for a record, with its end of line. */
void access_log_format(const struct access_record *r, struct buf *out);

#endif
