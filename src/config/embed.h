/* Files of other layers in the same YAML: their own settings, read along their own tables by the
 * reader of the configuration, and whole configurations that stand inside such a file. Errors have
 * the places of that file. */
#ifndef WEIR_CONFIG_EMBED_H
#define WEIR_CONFIG_EMBED_H

#include "config/settings.h"
#include "config/tree.h"

/* Fills base (struct of s->size bytes) with the section's defaults and what stands in root. Texts
 * and lists live in a; a SETTING_NODE points into the tree. 0, or -EINVAL with errors in diags. */
int config_read_section(const struct section *s, struct node *root, struct arena *a,
                        struct diag_list *diags, void *base);

/* config_load() for a text that is a tree already. root is only read, and may go afterwards. */
int config_load_node(struct node *root, struct diag_list *diags, struct config **ret);

/* The error for a value that a section admits by itself, but not beside the others: at the place
 * of n. */
void config_say_error(struct diag_list *diags, const struct node *n, const char *path,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
