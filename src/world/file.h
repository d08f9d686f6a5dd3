/* Files that are written to, standard output among them; only for logs and the like. These calls
 * may block the thread: above world they go through weir_blocking(). */
#ifndef WEIR_WORLD_FILE_H
#define WEIR_WORLD_FILE_H

#include "base/base.h"

#define WORLD_STDOUT 1 /* never to be closed */

/* Opens for appending; creates it with mode 0640. A descriptor, or what the system said. */
int world_file_append_open(const char *path);

/* Writes all of it, however often the system takes a part. The bytes written: fewer than size only
 * when an error ended it, which is returned when nothing was written. A pipe that others made
 * non-blocking is waited for, 5 s at most (-EAGAIN). */
ssize_t world_file_write(int fd, const void *data, size_t size);

void world_file_close(int fd); /* negative is fine */

/* How many entries the directory has, "." and ".." not counted; negative on error. */
int world_dir_count(const char *path);

#endif
