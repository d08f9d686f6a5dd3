/* The process' bound on open descriptors. */
#include "control/fd_limit.h"

#include <sys/resource.h>

#define DESCRIPTORS_BESIDE 256

uint64_t fd_limit_raise(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) < 0)
        return 0;
    if (l.rlim_cur < l.rlim_max) {
        const struct rlimit raised = {l.rlim_max, l.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            l = raised;
    }
    return l.rlim_cur == RLIM_INFINITY ? UINT64_MAX : l.rlim_cur;
}

uint64_t fd_limit_needed(uint32_t client_connections)
{
    return 2 * (uint64_t)client_connections + DESCRIPTORS_BESIDE;
}
