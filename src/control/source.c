/* Where a configuration comes from. */
#include "control/source.h"

#include "runtime/runtime.h"
#include "world/file_read.h"

struct load_call {
    const char *path;
    struct diag_list *diags;
    struct config *config;
};

int source_load_file(const char *path, struct diag_list *diags, struct config **ret)
{
    struct text text = {.max = SOURCE_BYTES_MAX};

    int rc = world_file_read(path, &text);
    if (rc == -EFBIG)
        diag_add(diags, DIAG_ERROR, 0, 0, "", "the file is larger than %zu MiB",
                 SOURCE_BYTES_MAX / MIB);
    else if (rc < 0)
        diag_add(diags, DIAG_ERROR, 0, 0, "", "cannot be read: %s", strerrordesc_np(-rc));
    else
        rc = config_load(str_n(text.len != 0 ? text.ptr : "", text.len), path, diags, ret);
    text_done(&text);
    return rc;
}

static long load_blocking(void *arg)
{
    struct load_call *c = arg;

    return source_load_file(c->path, c->diags, &c->config);
}

int source_load_file_parked(const char *path, struct diag_list *diags, struct config **ret)
{
    struct load_call call = {path, diags, NULL};

    int rc = (int)weir_blocking(load_blocking, &call);
    if (rc == 0)
        *ret = call.config;
    return rc;
}
