/* Patterns of paths ("/a/{id}" and "**" at the end, as Spring's PathPattern) and hosts
 * ("**.example.org",
 * "{sub}.example.org", Ant style): compiled once, matched against canonical text.
 *
 *     literal       that segment
 *     {name}        one segment, not empty; {name:regex} one that the expression matches whole
 *     *             one segment; at the end of a path it may be empty
 *     a*b?c{name}   a mixture within one segment
 *     **            any number of segments; in paths only at the end
 *     {*name}       the rest of a path, with its leading slash */
#ifndef WEIR_GATEWAY_PATTERN_H
#define WEIR_GATEWAY_PATTERN_H

#include "base/arena.h"
#include "gateway/vars.h"

enum segment_kind {
    SEGMENT_LITERAL,
    SEGMENT_ANY,          /* * */
    SEGMENT_VARIABLE,     /* {name} */
    SEGMENT_REGEX,        /* a mixture, or a variable with an expression */
    SEGMENT_REST,         /* ** */
    SEGMENT_CAPTURE_REST, /* {*name} */
};

struct segment {
    enum segment_kind kind;
    struct str text; /* the literal, canonical */
    struct str name; /* of the variable */
    void *regex;
    struct str *names; /* of the expression's groups, by group number minus one */
    uint32_t name_count;
};

struct pattern {
    struct segment *segments;
    uint32_t segment_count;
    bool host;           /* segments are labels */
    bool trailing_slash; /* paths: the pattern ends with a slash */
    bool slash_optional; /* paths: a trailing slash of the path does not matter */
    uint16_t port;       /* hosts: 0 when any will do */
    uint32_t var_count;  /* how many variables it can set */
};

/* Compiles. -EINVAL with *ret_message for people; -ENOMEM. All memory but the expressions' is in
 * the arena; free these with pattern_done(). */
int pattern_compile_path(struct str text, bool match_trailing_slash, struct arena *a,
                         struct pattern *ret, const char **ret_message);
int pattern_compile_host(struct str text, struct arena *a, struct pattern *ret,
                         const char **ret_message);
void pattern_done(struct pattern *p);

/* Whether canonical text matches; adds the variables. On a mismatch vars may have grown: the caller
 * resets the count. a: scratch for expressions. */
bool pattern_match_path(const struct pattern *p, struct str path, struct arena *a, struct vars *v);
bool pattern_match_host(const struct pattern *p, struct str host, uint16_t port, struct arena *a,
                        struct vars *v);

#endif
