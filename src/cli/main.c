/* weir: finds the subcommand, parses its arguments, runs it. */
#include <stdio.h>

#include "cli/command.h"

static int unknown_command(const char *typed)
{
    const char *near = command_nearest(typed);

    fprintf(stderr, "weir: %s '%.80s'", typed[0] == '-' ? "unknown option" : "no command", typed);
    if (near != NULL)
        fprintf(stderr, "; did you mean 'weir %s'?", near);
    fprintf(stderr, "\nTry 'weir help'.\n");
    return EXIT_USAGE;
}

static const char *standard_alias(const char *arg)
{
    if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0)
        return "help";
    if (strcmp(arg, "-V") == 0 || strcmp(arg, "--version") == 0)
        return "version";
    return arg;
}

static int print_usage(const struct command *c)
{
    struct text out = {0};

    command_write_usage(c, &out);
    bool ok = command_print(str_n(out.ptr, out.len));
    text_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    char error[ARGS_ERROR_MAX];
    struct args args;

    if (argc < 2) {
        struct text out = {0};

        command_write_overview(&out);
        fwrite(out.ptr, 1, out.len, stderr);
        text_done(&out);
        return EXIT_USAGE;
    }
    const struct command *c = command_find(standard_alias(argv[1]));
    if (c == NULL)
        return unknown_command(argv[1]);
    if (args_parse(&c->args, argc - 2, argv + 2, &args, error) < 0)
        return command_usage_error(c->name, error);
    return args.help ? print_usage(c) : c->run(&args);
}
