/* Helpers for the tests of both worlds: a poller whose events are remembered per socket. */
#ifndef WEIR_TESTS_WORLD_PAIR_H
#define WEIR_TESTS_WORLD_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "world/sim.h"

enum { AWAIT_MAX_SEC = 5 };

struct env {
    struct world *w;
    struct world_poller *p;
};

/* A registered socket and the events it has had. */
struct ear {
    int sock;
    uint32_t seen;
    int edges;
};

struct pair {
    struct ear listener, client, server;
    struct addr addr;
};

static inline struct addr parse(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(str_of(text), &a), 0);
    return a;
}

static inline void env_open(struct env *e, struct world *w)
{
    e->w = w;
    assert_int_equal(world_poller_new(w, &e->p), 0);
}

static inline void ear_open(struct env *e, struct ear *ear, int sock)
{
    assert_true(sock >= 0);
    *ear = (struct ear){.sock = sock};
    assert_int_equal(world_poller_add(e->w, e->p, sock, ear), 0);
}

/* One world_poll(); how many events came. */
static inline int pump(struct env *e, int64_t timeout_ns)
{
    struct world_event events[16];
    int n = world_poll(e->w, e->p, events, 16, timeout_ns);

    for (int i = 0; i < n; i++) {
        struct ear *ear = events[i].udata;

        ear->seen |= events[i].events;
        ear->edges++;
    }
    return n;
}

/* Pumps until the socket has had all these events, then forgets them. */
static inline void await(struct env *e, struct ear *ear, uint32_t events)
{
    int64_t deadline_ns = world_now_ns(e->w) + AWAIT_MAX_SEC * NS_PER_SEC;

    while ((ear->seen & events) != events) {
        assert_true(world_now_ns(e->w) < deadline_ns);
        assert_true(pump(e, deadline_ns - world_now_ns(e->w)) >= 0);
    }
    ear->seen = 0;
}

static inline ssize_t send_text(struct env *e, struct ear *ear, const char *text)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};

    return world_sendv(e->w, ear->sock, &iov, 1);
}

/* Waits for the next bytes, the end or an error. */
static inline ssize_t recv_next(struct env *e, struct ear *ear, void *out, size_t size)
{
    int64_t deadline_ns = world_now_ns(e->w) + AWAIT_MAX_SEC * NS_PER_SEC;
    ssize_t n;

    while ((n = world_recv(e->w, ear->sock, out, size)) == -EAGAIN) {
        assert_true(world_now_ns(e->w) < deadline_ns);
        assert_true(pump(e, deadline_ns - world_now_ns(e->w)) >= 0);
    }
    return n;
}

static inline void expect_text(struct env *e, struct ear *ear, const char *text)
{
    char got[256];
    size_t len = 0;

    while (len < strlen(text)) {
        ssize_t n = recv_next(e, ear, got + len, strlen(text) - len);

        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_memory_equal(got, text, len);
}

static inline void listen_at(struct env *e, struct pair *t, const char *addr)
{
    struct addr a = parse(addr);

    ear_open(e, &t->listener, world_listen(e->w, &a, 16));
    assert_int_equal(world_local_addr(e->w, t->listener.sock, &t->addr), 0);
}

static inline void dial(struct env *e, struct pair *t)
{
    ear_open(e, &t->client, world_connect(e->w, &t->addr));
    await(e, &t->listener, WORLD_READABLE);
    ear_open(e, &t->server, world_accept(e->w, t->listener.sock, NULL));
    await(e, &t->client, WORLD_WRITABLE);
    assert_int_equal(world_connect_result(e->w, t->client.sock), 0);
}

static inline void pair_open(struct env *e, struct pair *t)
{
    listen_at(e, t, "127.0.0.1:0");
    dial(e, t);
}

static inline void ear_close(struct env *e, struct ear *ear)
{
    if (ear->sock >= 0)
        world_close(e->w, ear->sock);
    ear->sock = -1;
}

static inline void pair_close(struct env *e, struct pair *t)
{
    ear_close(e, &t->client);
    ear_close(e, &t->server);
    ear_close(e, &t->listener);
}

#endif
