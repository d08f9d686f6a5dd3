/* The least a TCP echo server can do: epoll, registered once and edge-triggered, one receive and
 * one send for each message. A receive that returned less than there was room for has emptied the
 * socket, so none is made that would find nothing. */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/meter.h"
#include "runtime/raw/tests.h"
#include "tool.h"

enum { MESSAGE_MAX = 4096, EVENTS = 256, WORKERS_MAX = 64 };

static void echo_all(int sock)
{
    char data[MESSAGE_MAX];
    ssize_t n;

    do {
        n = recv(sock, data, sizeof(data), 0);
        if (n > 0 && send(sock, data, (size_t)n, MSG_NOSIGNAL) != n)
            n = 0; /* a client that does not read: not in this benchmark */
    } while (n == (ssize_t)sizeof(data));
    if (n == 0 || (n < 0 && errno != EAGAIN))
        close(sock);
}

static void *serve(void *arg)
{
    int poller = *(int *)arg;
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);

        for (int i = 0; i < n; i++)
            echo_all(events[i].data.fd);
    }
    return NULL;
}

/* Connections go to the workers by turns; the listener has a thread of its own that sleeps while
 * nobody connects. */
void test_echo(uint64_t port, unsigned workers)
{
    int pollers[WORKERS_MAX];
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = listen_on(&at);
    struct epoll_event watch = {.events = EPOLLIN};
    int door = epoll_create1(0);
    pthread_t thread;

    meter_expect(workers <= WORKERS_MAX, "workers");
    epoll_ctl(door, EPOLL_CTL_ADD, listener, &watch);
    for (unsigned i = 0; i < workers; i++) {
        pollers[i] = epoll_create1(0);
        meter_expect(pthread_create(&thread, NULL, serve, &pollers[i]) == 0, "thread");
    }
    for (unsigned turn = 0;;) {
        int sock = accept_from(listener);

        if (sock >= 0) {
            watch.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
            watch.data.fd = sock;
            epoll_ctl(pollers[turn++ % workers], EPOLL_CTL_ADD, sock, &watch);
        } else {
            epoll_wait(door, &watch, 1, -1);
        }
    }
}
