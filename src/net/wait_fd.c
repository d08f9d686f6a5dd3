/* Waiting for descriptors of other libraries: known to a poller for the time of one call, so that
 * the library may close them, and the kernel give their numbers away again, at any other time. */
#include "net/conn.h"
#include "world/real.h"

/* A poller knows a descriptor once: who comes second waits for a double of it. */
static int register_fd(int fd, struct poll_fd **ret, bool *ret_doubled)
{
    int r = poll_fd_new(fd, ret);

    *ret_doubled = r == -EEXIST;
    if (r != -EEXIST)
        return r;
    fd = real_dup(fd);
    if (fd < 0)
        return fd;
    r = poll_fd_new(fd, ret);
    if (r != 0)
        world_close(runtime_world(), fd);
    return r;
}

int weir_wait_fd(int fd, int events)
{
    struct poll_fd *pf;
    bool doubled;
    int r;

    _Static_assert(WEIR_FD_READ == 1 << POLL_READ && WEIR_FD_WRITE == 1 << POLL_WRITE, "");
    if (events == 0 || (events & ~(WEIR_FD_READ | WEIR_FD_WRITE)) != 0)
        return -EINVAL;
    if (runtime_world()->simulated)
        return -ENOSYS;
    r = register_fd(fd, &pf, &doubled);
    if (r != 0)
        return r;
    r = poll_fd_wait_any(pf, (unsigned)events);
    if (doubled)
        poll_fd_close(pf, false);
    else
        poll_fd_release(pf);
    return r;
}
