/* weir docs and weir schema: the references, made from the tables of this very binary, so that they
 * always tell what it accepts and does. */
#include <stdio.h>

#include "cli/command.h"
#include "config/config.h"
#include "telemetry/cause.h"

static int print_reference(void (*write)(struct text *out))
{
    struct text out = {0};

    write(&out);
    bool ok = !out.overflow && command_print(str_n(out.ptr, out.len));
    text_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

static int run_schema(const struct args *a)
{
    return print_reference(config_write_json_schema);
}

static int run_docs(const struct args *a)
{
    const char *topic = a->operand_count == 1 ? a->operands[0] : "configuration";

    if (strcmp(topic, "configuration") == 0)
        return print_reference(config_write_markdown);
    if (strcmp(topic, "causes") == 0)
        return print_reference(cause_write_markdown);
    return command_usage_error("docs", "there are two topics: configuration, causes");
}

const struct command command_schema = {
    .name = "schema",
    .summary = "Print the JSON Schema of the configuration file",
    .args = {.options = (const struct args_option[]){{0}}},
    .details = "Editors complete and check weir.yaml with it.\n",
    .run = run_schema,
};

const struct command command_docs = {
    .name = "docs",
    .summary = "Print a reference in Markdown: all settings, or all causes of failures",
    .args = {.options = (const struct args_option[]){{0}}, .operands = {"[TOPIC]"}},
    .details = "Topics: configuration (the default), causes.\n",
    .run = run_docs,
};
