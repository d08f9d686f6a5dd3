/* Reading proc(5)'s texts. */
#include "export/procfs.h"

#define TICK_NS (NS_PER_SEC / 100) /* USER_HZ is 100 on every Linux that weir runs on */

/* Fields of /proc/PID/stat behind the command's name, counted from 1 as in proc(5). */
enum { FIRST_FIELD = 3, FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_START = 22 };

int procfs_parse_stat(struct str text, struct procfs_stat *ret)
{
    uint64_t values[FIELD_START + 1] = {0};
    struct str rest = text, field;
    unsigned n = FIRST_FIELD;

    /* The name is in parentheses and may hold anything, parentheses too. */
    while (rest.len != 0 && rest.ptr[rest.len - 1] != ')')
        rest.len--;
    if (rest.len == 0 || rest.len + 1 >= text.len)
        return -EINVAL;
    rest = str_n(text.ptr + rest.len + 1, text.len - rest.len - 1);
    for (; n <= FIELD_START && str_split(&rest, ' ', &field); n++)
        if ((n == FIELD_UTIME || n == FIELD_STIME || n == FIELD_START) &&
            str_to_u64(field, UINT64_MAX, &values[n]) != 0)
            return -EINVAL;
    if (n <= FIELD_START)
        return -EINVAL;
    ret->cpu_ns = (int64_t)(values[FIELD_UTIME] + values[FIELD_STIME]) * TICK_NS;
    ret->start_since_boot_ns = (int64_t)values[FIELD_START] * TICK_NS;
    return 0;
}

int procfs_find_number(struct str text, struct str key, uint64_t *ret)
{
    struct str line;

    while (str_split(&text, '\n', &line)) {
        size_t len = 0;

        if (!str_starts(line, key))
            continue;
        line = str_n(line.ptr + key.len, line.len - key.len);
        while (line.len != 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
            line = str_n(line.ptr + 1, line.len - 1);
        while (len < line.len && line.ptr[len] >= '0' && line.ptr[len] <= '9')
            len++;
        return str_to_u64(str_n(line.ptr, len), UINT64_MAX, ret);
    }
    return -ENOENT;
}
