/* What is read from the files that Linux keeps about the process: proc(5). Pure: text to numbers.
 */
#ifndef WEIR_EXPORT_PROCFS_H
#define WEIR_EXPORT_PROCFS_H

#include "base/text.h"

struct procfs_stat {
    int64_t cpu_ns; /* user and system */
    int64_t start_since_boot_ns;
};

/* /proc/PID/stat. -EINVAL. */
int procfs_parse_stat(struct str text, struct procfs_stat *ret);

/* The number that follows key at the start of a line: ("VmRSS:", /proc/PID/status),
 * ("btime", /proc/stat), ("Max open files", /proc/PID/limits). -ENOENT: no such line; -EINVAL: no
 * number there. */
int procfs_find_number(struct str text, struct str key, uint64_t *ret);

#endif
