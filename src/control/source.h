/* Where a configuration comes from: a file. What is read is checked as a whole; a text with
 * mistakes never becomes a configuration. */
#ifndef WEIR_CONTROL_SOURCE_H
#define WEIR_CONTROL_SOURCE_H

#include "config/config.h"

#define SOURCE_BYTES_MAX (16 * MIB)

/* Reads and checks the file. 0 with a config of which the caller owns one reference, and perhaps
 * warnings in diags; -EINVAL with errors in diags; what reading said, with one diag that says it in
 * words. Blocks the thread. diags must be initialised. */
int source_load_file(const char *path, struct diag_list *diags, struct config **ret);

/* The same from a coroutine, which parks meanwhile. */
int source_load_file_parked(const char *path, struct diag_list *diags,
                            struct config **ret) WEIR_PARKS;

#endif
