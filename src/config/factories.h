/* The tables of predicates and filters: what config/factories.def says, as data. Names and
 * arguments are Spring Cloud Gateway's. */
#ifndef WEIR_CONFIG_FACTORIES_H
#define WEIR_CONFIG_FACTORIES_H

#include "config/config.h"

enum arg_kind {
    ARG_PATHS, /* lists, into config_predicate.values */
    ARG_HOSTS,
    ARG_METHODS,
    ARG_FIELD_NAME,    /* one text each, into the field at .offset */
    ARG_CHANGED_FIELD, /* one that a filter changes */
    ARG_FIELD_VALUE,
    ARG_QUERY_NAME,
    ARG_REGEX_WHOLE, /* matches a value from end to end */
    ARG_REGEX_PART,
    ARG_REPLACEMENT,
    ARG_PATH_TEMPLATE,
    ARG_URL,
    ARG_NUMBER, /* int64_t */
    ARG_STATUS,
    ARG_FLAG,
    ARG_DURATION, /* int64_t in ns; a number without unit is in milliseconds, as in Spring */
    ARG_PERCENT,  /* int64_t */
    ARG_ENUM,     /* int64_t: the index in .names */
    ARG_WORD,     /* struct str: a name of letters, digits and -_. */
    ARG_STATUSES, /* struct config_statuses; these and the following are lists, too, of one text */
    ARG_SERIES,   /* struct config_statuses: SERVER_ERROR or 5 */
    ARG_METHOD_SET, /* struct config_words */
    ARG_SIZE,       /* int64_t in bytes */
    ARG_KEY,        /* struct config_key */
    ARG_WORDS,      /* struct config_words */
    ARG_STEPS,      /* struct config_fallback_steps */
    ARG_CONTENT,    /* struct str: any text; no list */
    ARG_FORWARD,    /* struct str: forward:/path */
};

/* A list that is one argument: in the long form it may be a YAML list or "name.0", "name.1". */
static inline bool arg_is_set(enum arg_kind kind)
{
    return kind == ARG_STATUSES || kind == ARG_SERIES || kind == ARG_METHOD_SET ||
           kind == ARG_WORDS || kind == ARG_STEPS;
}

enum shortcut {
    SHORTCUT_FIELDS,    /* Name=a,b: one text for each argument, in their order */
    SHORTCUT_LIST,      /* all texts are one list */
    SHORTCUT_LIST_FLAG, /* a last text true or false is the second argument */
};

#define FACTORY_ARGS_MAX 16

struct names;

struct arg {
    const char *name;
    enum arg_kind kind;
    bool required;
    const char *fallback; /* as it would be written */
    size_t offset;
    int64_t min, max;
    const struct names *names;
    const char *help;
};

struct factory {
    const char *name;
    int kind; /* enum config_predicate_kind or config_filter_kind: its index in the table */
    enum shortcut shortcut;
    struct arg args[FACTORY_ARGS_MAX];
    unsigned arg_count;
    size_t own_size; /* a filter: of the struct that its arguments fill; 0: config_filter itself */
    const char *example; /* in the shortcut form */
    const char *help;
};

struct factory_table {
    const char *what; /* "predicate" */
    const struct factory *items;
    size_t count;
    const char *const *absent; /* Spring's others: known, but weir does not have them */
    size_t absent_count;
};

extern const struct factory_table predicate_table, filter_table;

/* "BAD_REQUEST" or "400"; 0: neither. */
unsigned factory_status(struct str s);
/* Names that factory_status knows: NULL behind the last. */
const char *factory_status_name(size_t index);

#endif
