/* The one form of a path. Matching and forwarding both use it, so that nobody reaches behind a
 * route by writing the same path in another way. */
#ifndef WEIR_GATEWAY_PATH_H
#define WEIR_GATEWAY_PATH_H

#include "base/arena.h"

/* The canonical form of the path of a request target (RFC 3986 section 6.2.2, and stricter):
 *
 * - starts with '/' (an empty path is "/");
 * - encoded unreserved characters are decoded once ("%61" is "a"), other triplets are in upper
 *   case, characters that may not stand in a path are encoded;
 * - encoded slashes and backslashes stay as they are: they never become separators;
 * - "." and ".." segments are resolved, however they were written; several slashes become one.
 *
 * ret is raw itself when nothing had to change, else a copy in the arena. -EINVAL for what has no
 * safe reading: a broken triplet, an encoded or plain control character, a backslash, ".." above
 * the root, and dots that some server behind might take for a dot segment ("..;x", "..%2F").
 * -ENOMEM. Does not park. */
int path_canonical(struct str raw, struct arena *a, struct str *ret);

/* The same characters rule for one segment of a pattern: "a b" is "a%20b". */
int path_canonical_segment(struct str raw, struct arena *a, struct str *ret);

/* Takes the first segment off a canonical path: "/a/b" gives "a" and leaves "/b". False when there
 * is none left ("" or "/"). */
static inline bool path_segment(struct str *rest, struct str *ret_segment)
{
    const char *slash;

    if (rest->len < 2)
        return false;
    slash = memchr(rest->ptr + 1, '/', rest->len - 1);
    if (slash == NULL)
        slash = rest->ptr + rest->len;
    *ret_segment = str_n(rest->ptr + 1, (size_t)(slash - rest->ptr - 1));
    *rest = str_n(slash, (size_t)(rest->ptr + rest->len - slash));
    return true;
}

#endif
