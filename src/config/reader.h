/* Walks the tree along the table of settings and fills the typed configuration. What one load
 * carries from step to step is struct reader. */
#ifndef WEIR_CONFIG_READER_H
#define WEIR_CONFIG_READER_H

#include "config/settings.h"
#include "config/tree.h"

/* Where in the configuration one stands, for messages: a chain on the stack. */
struct path {
    const struct path *up;
    struct str key; /* ptr NULL: an item of a list */
    unsigned index;
};

static inline struct path path_key(const struct path *up, const char *key)
{
    return (struct path){up, str_of(key), 0};
}

static inline struct path path_item(const struct path *up, unsigned index)
{
    return (struct path){up, STR_NULL, index};
}

/* A route as read, before it is checked against the rest and put in its order. */
struct draft {
    struct config_route route; /* filters: its own only */
    const struct node *node;
    const struct path *path; /* in the scratch arena */
};

struct reader {
    struct config *config;
    struct arena *scratch; /* gone after the load */
    struct diag_list *diags;
    struct node *root;
    bool spring; /* a Spring application.yml: unknown keys at the top are not for us */
    bool no_memory;

    struct str *clause_texts; /* room for the arguments of the clause being read */

    struct draft *drafts; /* in the order of the text */
    uint32_t draft_count;
    struct config_filter *default_filters;
    uint32_t default_filter_count;
    const struct node *default_filters_node;
    const struct path *default_filters_path;
};

/* Adds a finding at the node's place. */
void reader_say(struct reader *r, enum diag_level level, const struct node *n,
                const struct path *path, const char *fmt, ...) PRINTF_LIKE(5, 6);
#define reader_error(r, n, path, ...) reader_say((r), DIAG_ERROR, (n), (path), __VA_ARGS__)
#define reader_warn(r, n, path, ...)  reader_say((r), DIAG_WARNING, (n), (path), __VA_ARGS__)

/* A text as it is quoted in messages: in quotes, escaped, cut after 60 bytes. In scratch. */
const char *reader_quote(struct reader *r, struct str s);
/* What a node holds, for messages: the quoted text, "a list" or "a map". */
const char *reader_found(struct reader *r, const struct node *n);

/* Memory that lives as long as the config, zeroed. NULL (and r->no_memory) when there is none. */
void *reader_alloc(struct reader *r, size_t size);
struct str reader_str(struct reader *r, struct str s);

/* A chain of path that outlives the stack. NULL when memory is out. */
const struct path *reader_keep_path(struct reader *r, const struct path *path);

/* Fills base (struct of s->size bytes) with the defaults of the section and its subsections. */
void reader_defaults(struct reader *r, const struct section *s, void *base);

/* Reads a map into base, which has its defaults. */
void reader_section(struct reader *r, const struct section *s, const struct node *n,
                    const struct path *path, void *base);

/* True when n is a list of s->min to s->max items; else an error was added. */
bool reader_is_list(struct reader *r, const struct setting *s, const struct node *n,
                    const struct path *path);

/* Room for the items of such a list, zeroed; NULL when it is none or memory is out. */
void *reader_list(struct reader *r, const struct setting *s, const struct node *n,
                  const struct path *path, size_t item_size);

#endif
