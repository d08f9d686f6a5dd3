/* Reading a whole file. */
#include "world/file_read.h"

#include <fcntl.h>
#include <unistd.h>

static int read_all(int fd, struct text *out)
{
    char piece[16 * KIB];

    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        if (out->max != 0 && (size_t)n > out->max - out->len)
            return -EFBIG;
        text_put(out, piece, (size_t)n);
        if (out->overflow)
            return -ENOMEM;
    }
}

int world_file_read(const char *path, struct text *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int rc = read_all(fd, out);
    close(fd);
    return rc;
}
