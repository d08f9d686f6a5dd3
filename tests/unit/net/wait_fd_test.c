/* Descriptors that other libraries own. Real descriptors, so the real world. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/net.h>

#include "../runtime/check.h"
#include "base/base.h"
#include "runtime/runtime.h"

static int pipes(void *arg)
{
    int fds[2];
    char byte;

    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(weir_wait_fd(fds[1], WEIR_FD_WRITE), WEIR_FD_WRITE);
    CHECK_EQ(weir_wait_fd(fds[1], WEIR_FD_WRITE), WEIR_FD_WRITE); /* each call asks anew */
    WEIR_DEADLINE (weir_now() + 2 * WEIR_MS) {
        CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ), -ETIMEDOUT);
    }
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ), WEIR_FD_READ);
    CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ), WEIR_FD_READ); /* it is still there */
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    close(fds[1]);
    CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ), WEIR_FD_READ); /* the end */
    close(fds[0]);
    return 0;
}

static void a_pipe_is_waited_for_as_often_as_wanted(void)
{
    run_on_all(pipes, NULL);
}

static int both_ways(void *arg)
{
    int fds[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ | WEIR_FD_WRITE), WEIR_FD_WRITE);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ | WEIR_FD_WRITE), WEIR_FD_READ | WEIR_FD_WRITE);
    close(fds[1]);
    CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ), WEIR_FD_READ);
    close(fds[0]);
    return 0;
}

static void either_direction_ends_the_wait_and_is_named(void)
{
    run_on_all(both_ways, NULL);
}

static int refusals(void *arg)
{
    int file = open("/proc/self/exe", O_RDONLY), folder = open("/", O_RDONLY | O_DIRECTORY);

    CHECK(file >= 0 && folder >= 0);
    CHECK_EQ(weir_wait_fd(file, WEIR_FD_READ), -EPERM);
    CHECK_EQ(weir_wait_fd(folder, WEIR_FD_READ), -EPERM);
    CHECK_EQ(weir_wait_fd(-1, WEIR_FD_READ), -EBADF);
    CHECK_EQ(weir_wait_fd(9999, WEIR_FD_READ), -EBADF);
    CHECK_EQ(weir_wait_fd(file, 0), -EINVAL);
    CHECK_EQ(weir_wait_fd(file, 4), -EINVAL);
    close(file);
    close(folder);
    return 0;
}

static void what_cannot_be_waited_for_is_refused(void)
{
    run_on(1, refusals, NULL);
}

struct waiting {
    int fd, events;
    atomic_int result;
};

static void wait_for(void *arg)
{
    struct waiting *w = arg;

    w->result = weir_wait_fd(w->fd, w->events);
}

static int together(void *arg)
{
    struct waiting waits[5];
    int fds[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    WEIR_SCOPE (s) {
        for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
            waits[i].fd = fds[0];
            waits[i].events = i == 4 ? WEIR_FD_WRITE : WEIR_FD_READ;
            atomic_init(&waits[i].result, 0);
            CHECK_EQ(weir_scope_go(s, "wait", wait_for, &waits[i]), 0);
        }
        while (waits[4].result == 0) /* one waits to write while others wait to read */
            CHECK_EQ(weir_sleep(WEIR_MS), 0);
        CHECK_EQ(waits[4].result, WEIR_FD_WRITE);
        CHECK_EQ(waits[0].result, 0);
        CHECK_EQ(write(fds[1], "x", 1), 1);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(waits[i].result, WEIR_FD_READ);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void several_wait_for_the_same_descriptor(void)
{
    run_on_all(together, NULL);
}

static int cancels(void *arg)
{
    struct waiting w;
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    w.fd = fds[0];
    w.events = WEIR_FD_READ;
    atomic_init(&w.result, 0);
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "wait", wait_for, &w), 0);
        CHECK_EQ(weir_sleep(WEIR_MS), 0);
        weir_scope_cancel(s);
    }
    CHECK_EQ(w.result, -ECANCELED);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ), WEIR_FD_READ); /* nothing of it is left */
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void a_wait_is_cancelled(void)
{
    run_on_all(cancels, NULL);
}

/* A library that opens and closes as it likes: the numbers come back as other files. */
static void use_descriptors(void *arg)
{
    for (int i = 0; i < 300 / SLOWER; i++) {
        int fds[2], fd = eventfd(0, EFD_NONBLOCK);
        uint64_t count;

        CHECK_EQ(pipe(fds), 0);
        WEIR_DEADLINE (weir_now() + (i % 3) * 100 * WEIR_US) {
            CHECK(weir_wait_fd(fds[0], WEIR_FD_READ) == -ETIMEDOUT);
        }
        CHECK_EQ(write(fds[1], "x", 1), 1);
        close(fds[1]);
        CHECK_EQ(weir_wait_fd(fds[0], WEIR_FD_READ), WEIR_FD_READ);
        close(fds[0]);
        CHECK_EQ(eventfd_write(fd, 3), 0);
        CHECK_EQ(weir_wait_fd(fd, WEIR_FD_READ), WEIR_FD_READ);
        CHECK_EQ(eventfd_read(fd, &count), 0);
        CHECK_EQ(count, 3);
        close(fd);
    }
}

static int reuse(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            CHECK_EQ(weir_scope_go(s, "user", use_descriptors, NULL), 0);
    }
    return 0;
}

static void numbers_that_come_back_are_new_descriptors(void)
{
    run_on_all(reuse, NULL);
}

/* What an event loop of somebody else does: another thread says through a descriptor that there is
 * something, with the coroutine anywhere between two waits. */
enum { POSTS = 2000 / SLOWER };

static void *post(void *arg)
{
    for (int i = 0; i < POSTS; i++)
        CHECK_EQ(eventfd_write(*(int *)arg, 1), 0);
    return NULL;
}

static int count_posts(void *arg)
{
    int fd = eventfd(0, EFD_NONBLOCK);
    uint64_t got = 0, part;
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, post, &fd), 0);
    while (got < POSTS) {
        CHECK_EQ(weir_wait_fd(fd, WEIR_FD_READ), WEIR_FD_READ);
        if (eventfd_read(fd, &part) == 0)
            got += part;
    }
    CHECK_EQ(got, POSTS);
    pthread_join(thread, NULL);
    close(fd);
    return 0;
}

static void no_event_of_another_thread_is_lost(void)
{
    run_on_all(count_posts, NULL);
}

static const struct test tests[] = {
    TEST(a_pipe_is_waited_for_as_often_as_wanted),
    TEST(either_direction_ends_the_wait_and_is_named),
    TEST(what_cannot_be_waited_for_is_refused),
    TEST(several_wait_for_the_same_descriptor),
    TEST(a_wait_is_cancelled),
    TEST(numbers_that_come_back_are_new_descriptors),
    TEST(no_event_of_another_thread_is_lost),
};
RUN_TESTS(tests)
