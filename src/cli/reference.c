/* weir schema and weir docs: the reference of the configuration file, made from the table of
 * settings, so that it always tells what this very binary accepts. */
#include "cli/command.h"
#include "config/config.h"

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
    return print_reference(config_write_markdown);
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
    .summary = "Print the reference of all settings (Markdown)",
    .args = {.options = (const struct args_option[]){{0}}},
    .run = run_docs,
};
