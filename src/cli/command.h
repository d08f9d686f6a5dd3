/* The subcommands: one row each; main() looks them up, help prints them. */
#ifndef WEIR_CLI_COMMAND_H
#define WEIR_CLI_COMMAND_H

#include "cli/args.h"

/* Exit codes of every subcommand. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1, /* what was asked could not be done; said on standard error */
    EXIT_USAGE = 2,  /* the command line made no sense */
};

struct command {
    const char *name;
    const char *summary; /* one line for the list */
    struct args_spec args;
    const char *details;              /* printed below the options; may be NULL */
    int (*run)(const struct args *a); /* returns the exit code */
};

extern const struct command command_run;
extern const struct command command_check;
extern const struct command command_explain;
extern const struct command command_demo;
extern const struct command command_simulate;
extern const struct command command_schema;
extern const struct command command_docs;
extern const struct command command_version;
extern const struct command command_help;

/* All of them in the order of the list; ends with NULL. */
extern const struct command *const commands[];

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

/* The nearest name, or NULL. */
const char *command_nearest(const char *typed);

/* The usage of one command, of all of them. */
void command_write_usage(const struct command *c, struct text *out);
void command_write_overview(struct text *out);

/* "weir CMD: MESSAGE" and the way to the usage on standard error; returns EXIT_USAGE. */
int command_usage_error(const char *name, const char *message);

/* Writes to standard output; false when that failed (a closed pipe, a full disk). */
bool command_print(struct str s);

#endif
