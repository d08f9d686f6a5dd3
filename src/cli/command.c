/* The list of subcommands and their usage texts. */
#include "cli/command.h"

#include <stdio.h>

const struct command *const commands[] = {
    &command_demo, &command_run,    &command_check,   &command_explain, &command_simulate,
    &command_docs, &command_schema, &command_version, &command_help,    NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = commands; *c != NULL; c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

const char *command_nearest(const char *typed)
{
    const char *names[ARRAY_LEN(commands)];
    size_t n = 0;

    for (; commands[n] != NULL; n++)
        names[n] = commands[n]->name;
    names[n] = NULL;
    return args_nearest(typed, names);
}

static void write_option(const struct args_option *o, struct text *out)
{
    char left[48];

    if (o->letter != 0)
        snprintf(left, sizeof(left), "-%c, --%s%s%s", o->letter, o->name,
                 o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
    else
        snprintf(left, sizeof(left), "    --%s%s%s", o->name, o->value != NULL ? " " : "",
                 o->value != NULL ? o->value : "");
    text_printf(out, "  %-22s %s\n", left, o->help);
}

static bool has_optional(const struct command *c)
{
    for (const struct args_option *o = c->args.options; o->name != NULL; o++) {
        if (!o->required)
            return true;
    }
    return false;
}

void command_write_usage(const struct command *c, struct text *out)
{
    text_printf(out, "Usage: weir %s", c->name);
    for (const struct args_option *o = c->args.options; o->name != NULL; o++) {
        if (o->required)
            text_printf(out, " -%c %s", o->letter, o->value);
    }
    if (has_optional(c))
        text_printf(out, " [OPTIONS]");
    for (size_t i = 0; c->args.operands[i] != NULL; i++)
        text_printf(out, " %s", c->args.operands[i]);
    text_printf(out, "\n\n%s\n\nOptions:\n", c->summary);
    for (const struct args_option *o = c->args.options; o->name != NULL; o++)
        write_option(o, out);
    write_option(&(struct args_option){"help", 'h', NULL, "print this text"}, out);
    if (c->details != NULL)
        text_printf(out, "\n%s", c->details);
}

void command_write_overview(struct text *out)
{
    text_printf(out, "weir: a gateway that keeps services available\n\n"
                     "Usage: weir COMMAND [OPTIONS]\n\nCommands:\n");
    for (const struct command *const *c = commands; *c != NULL; c++)
        text_printf(out, "  %-9s %s\n", (*c)->name, (*c)->summary);
    text_printf(out, "\nNew here? Run 'weir demo'. 'weir help COMMAND' tells about one command;\n"
                     "the manual is weir(1), the configuration file weir.yaml(5).\n");
}

int command_usage_error(const char *name, const char *message)
{
    fprintf(stderr, "weir %s: %s\nTry 'weir %s --help'.\n", name, message, name);
    return EXIT_USAGE;
}

bool command_print(struct str s)
{
    return fwrite(s.ptr, 1, s.len, stdout) == s.len && fflush(stdout) == 0;
}
