/* Command-line arguments, parsed by the table of options of one subcommand. Pure: no output, no
 * exit; what is wrong comes back as a sentence. */
#ifndef WEIR_CLI_ARGS_H
#define WEIR_CLI_ARGS_H

#include "base/text.h"

#define ARGS_OPTIONS_MAX  12
#define ARGS_OPERANDS_MAX 2
#define ARGS_MANY_MAX     64
#define ARGS_ERROR_MAX    256

struct args_option {
    const char *name;  /* long form, without dashes */
    char letter;       /* short form; 0: none */
    const char *value; /* what the value is called in the usage; NULL: a flag */
    const char *help;  /* one line */
    bool required;
    bool repeats; /* may be given several times: args.many; one such option a command */
};

struct args_spec {
    const struct args_option *options;           /* ends with a name of NULL */
    const char *operands[ARGS_OPERANDS_MAX + 1]; /* names, all required unless in brackets */
};

struct args {
    const char *values[ARGS_OPTIONS_MAX]; /* by index of the option; a flag that was given: "" */
    const char *operands[ARGS_OPERANDS_MAX];
    unsigned operand_count;
    const char *many[ARGS_MANY_MAX]; /* of the option that repeats, in order */
    unsigned many_count;
    bool help; /* -h or --help was given: nothing else was checked behind it */
};

/* Takes "--name value", "--name=value", "-n value", "-nvalue", flags, operands in any order, and
 * "--" before operands that begin with a dash. 0, or -EINVAL with a sentence in error. */
int args_parse(const struct args_spec *spec, int argc, char *const *argv, struct args *ret,
               char error[static ARGS_ERROR_MAX]);

/* The value of the option of that name, or NULL when it was not given. The name must be in the
 * table. */
const char *args_value(const struct args_spec *spec, const struct args *a, const char *name);

/* A decimal number within [min, max]. -EINVAL with a sentence in error, which names the option. */
int args_number(const char *option, const char *value, uint64_t min, uint64_t max, uint64_t *ret,
                char error[static ARGS_ERROR_MAX]);

/* The name of the list (ends with NULL) that is nearest to what was typed, or NULL when none is
 * near enough to be what was meant. */
const char *args_nearest(const char *typed, const char *const *names);

#endif
