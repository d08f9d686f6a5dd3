/* Reading a whole file: configuration, keys. Blocks the thread; call it before the runtime starts
 * or through weir_blocking(). */
#ifndef WEIR_WORLD_FILE_READ_H
#define WEIR_WORLD_FILE_READ_H

#include "base/text.h"

/* Appends the file's bytes to out, which bounds them by out->max. 0; -EFBIG when the file is
 * larger; -EISDIR, or what opening or reading said. On an error out holds a part of it. */
int world_file_read(const char *path, struct text *out);

#endif
