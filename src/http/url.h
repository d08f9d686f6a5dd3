/* URLs of requests: "http://host[:port][/path][?query]". */
#ifndef WEIR_HTTP_URL_H
#define WEIR_HTTP_URL_H

#include "base/text.h"

enum { URL_ADDRESS_MAX = 272 };

struct url {
    struct str authority;          /* for the Host field */
    char address[URL_ADDRESS_MAX]; /* to dial: with a port */
    struct str target;             /* without the fragment; may lack its first '/' */
};

/* ret's slices point into text. -EINVAL; -EPROTONOSUPPORT: a scheme other than http. */
int url_parse(const char *text, struct url *ret);

#endif
