/* weir run: the gateway. */
#include <unistd.h>

#include "cli/command.h"
#include "control/lifecycle.h"

static const struct args_option options[] = {
    {"config", 'c', "FILE", "the configuration", .required = true},
    {0},
};

static int run_run(const struct args *a)
{
    const struct lifecycle_options o = {
        .config_path = args_value(&command_run.args, a, "config"),
        .version = STR(WEIR_VERSION),
        .log_plain = isatty(STDERR_FILENO) == 1,
    };
    return lifecycle_run(&o) == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct command command_run = {
    .name = "run",
    .summary = "Run the gateway with a configuration file",
    .args = {.options = options},
    .details =
        "Signals:\n"
        "  TERM, INT   stop: requests in flight get shutdown_timeout; exit code 0\n"
        "              a second one stops at once; exit code 143 or 130\n"
        "  HUP         read the file again; with any mistake in it the old configuration stays\n"
        "  USR1        open the access log anew\n"
        "  QUIT        write all coroutines to standard error and go on\n"
        "\n"
        "The log goes to standard error: JSON, or plain lines on a terminal.\n",
    .run = run_run,
};
