/* Regular expressions of a configuration: PCRE2 over bytes, bounded. */
#ifndef WEIR_CONFIG_REGEX_H
#define WEIR_CONFIG_REGEX_H

#include "config/config.h"

#define REGEX_LEN_MAX 1024

/* Compiles text; c owns the result. whole: it must match from end to end. NULL, and into why (in
 * the arena a) what is wrong and at which offset. UTF and \C stay off whatever the text says. */
struct config_regex *regex_compile(struct config *c, struct str text, bool whole, struct arena *a,
                                   const char **why);

/* Only checks an expression that will be compiled elsewhere. NULL with its groups counted, or what
 * is wrong. */
const char *regex_check(struct str text, struct arena *a, unsigned *ret_groups);

unsigned regex_group_count(const struct config_regex *r);
bool regex_has_group(const struct config_regex *r, struct str name);

void regex_free_all(struct config *c);

#endif
