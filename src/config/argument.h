/* What the parsers of arguments share. */
#ifndef WEIR_CONFIG_ARGUMENT_H
#define WEIR_CONFIG_ARGUMENT_H

#include "config/clause.h"

struct argument {
    struct reader *r;
    const struct clause_place *at;
    const struct arg *arg;
    struct str text;
    void *target;
};

static inline void *argument_field(const struct argument *a)
{
    return (char *)a->target + a->arg->offset;
}

/* Adds the error; false. */
bool argument_wrong(const struct argument *a, const char *problem);

/* NULL, or what is wrong with a method's name. */
const char *argument_check_method(struct str s);

/* The kinds that policies have: durations, shares, sets of statuses and methods
 * (argument_policy.c). */
bool argument_parse_policy(const struct argument *a);
/* Sizes and keys of limits (argument_limit.c). */
bool argument_parse_limit(const struct argument *a);
/* How a part of a key is written: "path", "header:" with a name to follow. */
struct str argument_key_kind(enum config_hash_on on);
/* Steps of fallbacks and what goes with them (argument_fallback.c). */
bool argument_parse_fallback(const struct argument *a);

#endif
