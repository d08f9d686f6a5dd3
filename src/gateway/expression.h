/* PCRE2 with bounds: every match has limits on steps and memory, and takes its memory from the
 * arena of the request. */
#ifndef WEIR_GATEWAY_EXPRESSION_H
#define WEIR_GATEWAY_EXPRESSION_H

#include "base/arena.h"

#define EXPRESSION_GROUPS_MAX 10 /* the whole match and nine groups */

struct expression_match {
    uint32_t count; /* groups, the whole match included */
    struct {
        size_t from, to; /* SIZE_MAX: did not take part */
    } groups[EXPRESSION_GROUPS_MAX];
};

/* Compiles; code is a pcre2_code. -EINVAL with *ret_message (static or in the arena) and *ret_at,
 * the place in the pattern. Free with expression_free(). */
int expression_compile(struct str pattern, struct arena *a, void **ret_code,
                       const char **ret_message, size_t *ret_at);
void expression_free(void *code); /* NULL is fine */

/* Number of capturing groups, and the number of a named one (-ENOENT). */
uint32_t expression_groups(const void *code);
int expression_group_of(const void *code, struct str name);

/* 1: s from offset on holds a match; 0: none; -EDOM: a limit was met (treat it as none). whole:
 * only a match of all of s counts, as Java's matches(). ret may be NULL. */
int expression_match(const void *code, struct str s, size_t offset, bool whole, struct arena *a,
                     struct expression_match *ret);

#endif
