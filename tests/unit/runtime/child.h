/* A function in a process of its own, for what ends the process. */
#ifndef WEIR_TESTS_CHILD_H
#define WEIR_TESTS_CHILD_H

#include <sys/wait.h>

#include "check.h"

enum { CHILD_TEXT_MAX = 65536 };

/* Runs fn there; its stderr into text. Returns the status as waitpid() has it. */
static inline int run_in_child(void (*fn)(void), char text[static CHILD_TEXT_MAX])
{
    int fds[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(fds), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        fn();
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], text + len, CHILD_TEXT_MAX - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fds[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

#endif
