/* A predicate or filter as written: the shortcut text "Name=a,b" or a map with name and args. */
#ifndef WEIR_CONFIG_CLAUSE_H
#define WEIR_CONFIG_CLAUSE_H

#include "config/factories.h"
#include "config/reader.h"

#define CLAUSE_TEXTS_MAX 256 /* arguments of one clause */

/* Reads node by the table into target (a zeroed config_predicate or config_filter). Returns the
 * factory, or NULL when errors were added; *ret_text is the clause in the shortcut form. */
const struct factory *clause_read(struct reader *r, const struct factory_table *table,
                                  const struct node *n, const struct path *path, void *target,
                                  struct str *ret_text);

/* One argument's text into its field of target. False when an error was added. */
struct clause_place {
    const struct node *node;
    const struct path *path;
    const struct factory *factory;
};
bool clause_parse_arg(struct reader *r, const struct clause_place *at, const struct arg *arg,
                      struct str text, void *target);
/* All texts of a list argument. */
bool clause_parse_list(struct reader *r, const struct clause_place *at, const struct arg *arg,
                       const struct str *texts, unsigned count, struct config_predicate *target);

#endif
