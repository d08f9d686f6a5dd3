/* Percent-encoding (RFC 3986 section 2.1), read. */
#ifndef WEIR_HTTP_ESCAPE_H
#define WEIR_HTTP_ESCAPE_H

#include "base/text.h"

/* The byte that the triplet at p (its '%'; what can be read ends at end) stands for, or -1. */
int percent_triplet(const char *p, const char *end);

/* Decodes %XX into out, which has room for s.len bytes; plus: '+' is a blank. The length, or
 * -EINVAL: a broken escape, or one of NUL. */
ssize_t percent_decode(struct str s, bool plus, char *out);

#endif
