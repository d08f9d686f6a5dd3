/* Listening: a socket that yields streams. */
#include <stdlib.h>

#include "net/stream_impl.h"

/* Connections accepted in a row before others get a turn: those accepted want to be served. */
enum { ACCEPT_STREAK_MAX = 16 };

struct listener {
    struct poll_fd *pf;
    unsigned streak;
};

int listener_open(const struct addr *a, int backlog, struct listener **ret)
{
    struct listener *l = malloc(sizeof(*l));
    int sock, error;

    if (l == NULL)
        return -ENOMEM;
    *l = (struct listener){.streak = 0};
    sock = world_listen(runtime_world(), a, backlog);
    error = sock < 0 ? sock : poll_fd_new(sock, &l->pf);
    if (error < 0) {
        if (sock >= 0)
            world_close(runtime_world(), sock);
        free(l);
        return error;
    }
    *ret = l;
    return 0;
}

/* A socket, or an error. After -ECANCELED l may be gone. */
static int accept_or_wait(struct listener *l, struct addr *ret_peer)
{
    for (;;) {
        int sock = world_accept(runtime_world(), poll_fd_sock(l->pf), ret_peer);
        int r;

        if (sock != -EAGAIN)
            return sock;
        l->streak = 0;
        r = poll_fd_wait(l->pf, POLL_READ);
        if (r != 0)
            return r == -EBADF ? -ECANCELED : r;
    }
}

int listener_accept(struct listener *l, struct stream **ret)
{
    struct addr peer;
    int sock, error;

    if (++l->streak >= ACCEPT_STREAK_MAX || weir_cancelled()) {
        l->streak = 0;
        error = weir_yield();
        if (error != 0)
            return error;
    }
    sock = accept_or_wait(l, &peer);
    if (sock < 0)
        return sock;
    error = stream_new(sock, &peer, ret);
    if (error != 0)
        world_close(runtime_world(), sock);
    return error;
}

int listener_local(const struct listener *l, struct addr *ret)
{
    return world_local_addr(runtime_world(), poll_fd_sock(l->pf), ret);
}

void listener_close(struct listener *l)
{
    if (l == NULL)
        return;
    poll_fd_close(l->pf, false);
    free(l);
}
