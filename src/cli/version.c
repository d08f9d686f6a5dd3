/* weir version. */
#include <stdio.h>

#include "cli/command.h"

static int run_version(const struct args *a)
{
    return printf("weir %s\n", WEIR_VERSION) > 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct command command_version = {
    .name = "version",
    .summary = "Print the version",
    .args = {.options = (const struct args_option[]){{0}}},
    .run = run_version,
};
