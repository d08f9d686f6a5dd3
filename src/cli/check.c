/* weir check: is this configuration what its author believes it is? */
#include <stdio.h>

#include "cli/command.h"
#include "control/source.h"

static void print_ok(const char *path, const struct config *c, unsigned warnings)
{
    printf("%s: ok, %u route%s, %u upstream%s, %u listener%s", path, c->route_count,
           c->route_count == 1 ? "" : "s", c->upstream_count, c->upstream_count == 1 ? "" : "s",
           c->listener_count, c->listener_count == 1 ? "" : "s");
    if (warnings != 0)
        printf(", %u warning%s", warnings, warnings == 1 ? "" : "s");
    printf("\n");
}

/* All diagnostics and their count. */
static void print_diags(const char *path, const struct diag_list *diags)
{
    struct text out = {0};

    diag_write(diags, path, &out);
    if (out.len != 0)
        fwrite(out.ptr, 1, out.len, stdout);
    if (diags->errors != 0)
        printf("%s: %u error%s\n", path, diags->errors, diags->errors == 1 ? "" : "s");
    text_done(&out);
}

static const struct args_option options[] = {
    {"quiet", 'q', NULL, "print nothing; only the exit code tells"},
    {0},
};

static int run_check(const struct args *a)
{
    bool quiet = args_value(&command_check.args, a, "quiet") != NULL;
    struct config *config = NULL;
    struct diag_list diags;

    diag_list_init(&diags);
    int rc = source_load_file(a->operands[0], &diags, &config);
    if (!quiet) {
        print_diags(a->operands[0], &diags);
        if (rc == 0)
            print_ok(a->operands[0], config, diags.count);
    }
    config_unref(config);
    diag_list_done(&diags);
    return rc == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct command command_check = {
    .name = "check",
    .summary = "Check a configuration file and report every mistake at once",
    .args = {.options = options, .operands = {"FILE"}},
    .details = "Each finding is one line, FILE:LINE:COLUMN: LEVEL: MESSAGE. Exit code 0: the file\n"
               "can be run (there may be warnings); 1: it cannot.\n",
    .run = run_check,
};
