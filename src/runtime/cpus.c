/* How many processors the machine grants us: the affinity mask, and the CPU quota of the control
 * group and those around it, version 1 or 2. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/sched.h"

enum { FILE_MAX = 4096 };

/* Reads a small file; "" when it cannot. */
static const char *read_file(const char *path, char buffer[static FILE_MAX])
{
    FILE *f = fopen(path, "re");
    size_t n = f != NULL ? fread(buffer, 1, FILE_MAX - 1, f) : 0;

    if (f != NULL)
        fclose(f);
    buffer[n] = '\0';
    return buffer;
}

static unsigned affinity_count(int tid)
{
    cpu_set_t set;

    return sched_getaffinity(tid, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* Processors that a quota makes, rounded up; no limit: UINT_MAX. */
static unsigned quota_count(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return WORKERS_MAX;
    return (unsigned)MIN((quota_us + period_us - 1) / period_us, (long long)WORKERS_MAX);
}

/* "max 100000" or "150000 100000" */
static unsigned quota_v2(const char *dir)
{
    char path[FILE_MAX], text[FILE_MAX];
    long long quota_us, period_us;

    snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", dir);
    if (sscanf(read_file(path, text), "%lld %lld", &quota_us, &period_us) != 2)
        return WORKERS_MAX;
    return quota_count(quota_us, period_us);
}

static unsigned quota_v1(const char *dir)
{
    char path[FILE_MAX], text[FILE_MAX];
    long long quota_us, period_us;

    snprintf(path, sizeof(path), "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", dir);
    quota_us = atoll(read_file(path, text));
    snprintf(path, sizeof(path), "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", dir);
    period_us = atoll(read_file(path, text));
    return quota_count(quota_us, period_us);
}

/* The least along the way from dir to the root. A container sees its own group as the root, while
 * the path may be that of the host: what is not there sets no limit. */
static unsigned least_quota(char *dir, unsigned (*quota)(const char *dir))
{
    unsigned least = WORKERS_MAX;

    while (dir[0] != '\0') {
        char *slash = strrchr(dir, '/');

        least = MIN(least, quota(dir));
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    return MIN(least, quota(""));
}

/* Lines "0::/path" (version 2) and "4:cpu,cpuacct:/path" (version 1). */
static unsigned cgroup_count(void)
{
    char text[FILE_MAX], *rest, *line;
    unsigned least = WORKERS_MAX;

    read_file("/proc/self/cgroup", text);
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *dir = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

        if (dir == NULL)
            continue;
        *dir++ = '\0';
        if (strcmp(controllers, ":") == 0)
            least = MIN(least, least_quota(dir, quota_v2));
        else if (strcmp(controllers, ":cpu") == 0 || strstr(controllers, "cpu,") != NULL)
            least = MIN(least, least_quota(dir, quota_v1));
    }
    return least;
}

unsigned cpus_count(int tid)
{
    unsigned count = MIN(affinity_count(tid), cgroup_count());

    return MIN(MAX(count, 1U), (unsigned)WORKERS_MAX);
}
