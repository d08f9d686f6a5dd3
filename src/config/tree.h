/* A YAML text as a tree of nodes that know their place. Everything untyped and unsafe about YAML
 * ends here: encodings, tags, anchors, merge keys, duplicate keys, depth and size. */
#ifndef WEIR_CONFIG_TREE_H
#define WEIR_CONFIG_TREE_H

#include "config/diag.h"

#define TREE_TEXT_MAX  (16 * MIB)
#define TREE_DEPTH_MAX 32      /* levels of lists and maps */
#define TREE_KEYS_MAX  256     /* of one map */
#define TREE_NODES_MAX 1048576 /* with every alias counted as what it stands for */

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

/* An item of a list or a key of a map. */
struct node_entry {
    struct node_entry *next;
    struct str key;        /* maps only */
    unsigned line, column; /* of the key, or of the item */
    struct node *node;
};

struct node {
    enum node_kind kind;
    bool plain;            /* scalar without quotes */
    bool open;             /* its end was not read yet: an alias to it would be a cycle */
    unsigned line, column; /* from 1 */
    uint32_t count;        /* of entries */
    uint32_t weight;       /* nodes it stands for, itself included */
    struct str text;       /* scalar; terminated */
    struct node_entry *entries;
};

/* Reads the first and only document of the text. Nodes live in a. 0 with a tree (*ret NULL for an
 * empty text), though errors that do not spoil the tree, such as duplicate keys, may have been
 * added to diags; -EINVAL when there is no tree to go on with. */
int tree_parse(struct str text, struct arena *a, struct diag_list *diags, struct node **ret);

/* The value of a key of a map, or NULL. */
struct node *node_get(const struct node *map, struct str key);

/* True for an empty value, "~" and "null" without quotes: the setting counts as not given. */
bool node_is_null(const struct node *n);

/* "a list", "a map", "a text": what the node is, for messages. */
const char *node_kind_text(const struct node *n);

#endif
