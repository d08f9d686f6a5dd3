/* weir help: the list of commands, or the usage of one. */
#include <stdio.h>

#include "cli/command.h"

static int run_help(const struct args *a)
{
    struct text out = {0};
    const struct command *c = NULL;

    if (a->operand_count == 1) {
        c = command_find(a->operands[0]);
        if (c == NULL) {
            const char *near = command_nearest(a->operands[0]);

            fprintf(stderr, "weir help: no command '%.80s'", a->operands[0]);
            if (near != NULL)
                fprintf(stderr, "; did you mean '%s'?\n", near);
            else
                fprintf(stderr, "; see 'weir help'\n");
            return EXIT_USAGE;
        }
    }
    if (c != NULL)
        command_write_usage(c, &out);
    else
        command_write_overview(&out);
    bool ok = command_print(str_n(out.ptr, out.len));
    text_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command command_help = {
    .name = "help",
    .summary = "Explain weir or one of its commands",
    .args = {.options = (const struct args_option[]){{0}}, .operands = {"[COMMAND]"}},
    .run = run_help,
};
