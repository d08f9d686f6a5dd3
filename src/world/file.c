/* Files of the real operating system. */
#include "world/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

int world_file_append_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

    return fd >= 0 ? fd : -errno;
}

/* True when fd takes bytes again. */
static bool await_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 5000) == 1;
}

ssize_t world_file_write(int fd, const void *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        int error = n < 0 ? errno : 0;

        if (n >= 0)
            done += (size_t)n;
        else if (error != EINTR && (error != EAGAIN || !await_room(fd)))
            return done != 0 ? (ssize_t)done : -error;
    }
    return (ssize_t)done;
}

void world_file_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int world_dir_count(const char *path)
{
    DIR *d = opendir(path);
    int count = 0;

    if (d == NULL)
        return -errno;
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return MAX(count - 2, 0);
}
