/* The table of settings: what config/settings.def says, as data. The reader, the manual and the
 * JSON Schema walk it; nothing else knows the names of settings. */
#ifndef WEIR_CONFIG_SETTINGS_H
#define WEIR_CONFIG_SETTINGS_H

#include "config/config.h"

enum setting_kind {
    SETTING_BOOL,
    SETTING_INTEGER,
    SETTING_PERCENT,
    SETTING_SIZE,         /* bytes */
    SETTING_DURATION,     /* nanoseconds */
    SETTING_ENUM,         /* one of .names */
    SETTING_TEXT,         /* what .form admits */
    SETTING_ADDRESS,      /* ports from .min; .loopback: not for the world */
    SETTING_STATUS_RANGE, /* "200-399" into two uint16_t */
    SETTING_ACCESS,       /* off, stdout or a file, into config.log */
    SETTING_SCALARS,      /* the kinds up to here are one scalar */
    SETTING_CIDRS = SETTING_SCALARS,
    SETTING_SECTION,    /* a map, by .section */
    SETTING_SECTIONS,   /* a list of maps */
    SETTING_PREDICATES, /* the rest has readers of its own */
    SETTING_FILTERS,
    SETTING_URI,
    SETTING_METADATA,
    SETTING_ROUTES,
    SETTING_DEFAULT_FILTERS,
    SETTING_SPRING,
    SETTING_NODE, /* any value, kept as its node: for config/embed.h */
};

/* What a text may look like. */
struct text_form {
    bool (*admits)(struct str s);
    const char *expected; /* "a name of letters, digits, ..." */
    const char *pattern;  /* the same for JSON Schema, in quotes; NULL: any text */
};

struct names {
    const char *const *items; /* index: the enum's value */
    size_t count;
};

struct setting {
    const char *key;
    enum setting_kind kind;
    bool required;
    bool never;    /* a duration that may be "never" */
    bool loopback; /* an address other machines cannot reach */
    bool restart;  /* a change takes effect at the next start; all others at once */
    uint8_t width; /* of the field, for numbers */
    size_t offset;
    size_t other_offset;  /* lists: their count; sections with .toggle: the bool */
    bool toggle;          /* section: "off" and "on" stand for it, a map means on */
    const char *fallback; /* the default as it would be written; NULL: none, or .fallback_help */
    const char *fallback_help;
    int64_t min, max; /* of the number, of the count of a list */
    const struct section *section;
    const struct names *names;
    const struct text_form *form;
    const char *help;
};

struct section {
    const char *name;      /* in the JSON Schema */
    const char *title;     /* in the manual */
    const char *shorthand; /* in a list, a text stands for a map with this key; or NULL */
    size_t size;           /* of the struct that its offsets are for */
    const struct setting *settings;
    size_t count;
    const char *help;
    const char *example;
};

extern const struct section listener_section, admin_section, client_section, limits_section,
    shed_section, log_section, forward_section, hash_section, endpoint_section, health_section,
    eject_section, breaker_section, timeouts_section, retry_section, pool_section, upstream_section,
    route_section;
extern const struct section config_section; /* the whole file: the others hang below it */

const struct setting *setting_find(const struct section *s, struct str key);

/* Nearest known name for a wrong one, or NULL when none is near. Try every candidate in turn. */
struct nearest {
    struct str wrong;
    const char *best;
    unsigned distance;
};
void nearest_init(struct nearest *n, struct str wrong);
void nearest_try(struct nearest *n, const char *candidate);

#endif
