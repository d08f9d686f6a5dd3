/* What texts may look like: names, tokens, targets, header values, addresses, networks. */
#ifndef WEIR_CONFIG_FORMS_H
#define WEIR_CONFIG_FORMS_H

#include "base/arena.h"

bool form_is_id(struct str s);         /* letters, digits, '.', '_', '-'; 1..128 */
bool form_is_plain_text(struct str s); /* no control characters; 1..128 bytes */
bool form_is_token(struct str s);      /* RFC 9110 section 5.6.2 */
bool form_is_target(struct str s);     /* '/' and visible ASCII */
bool form_is_host(struct str s);
bool form_is_field_value(struct str s); /* RFC 9110 section 5.5: no CR, LF, NUL, other controls */

/* A header field that frames messages or belongs to one connection: filters may not touch it. */
bool form_is_framing_field(struct str name);

/* "127.0.0.1:80", "[::1]:80", "localhost:80", "unix:/path": in one canonical spelling into
 * *ret, allocated in a. NULL, or what is wrong with it. */
const char *form_address(struct str s, uint16_t port_min, bool loopback, struct arena *a,
                         struct str *ret);

/* "10.0.0.0/8", "::1/128", or an address alone. NULL, or what is wrong with it. */
const char *form_cidr(struct str s);

#endif
