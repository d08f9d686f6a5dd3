/* What the layer knows about fields beyond their id; for the parser and for forwarding. */
#ifndef WEIR_HTTP_FIELD_ID_H
#define WEIR_HTTP_FIELD_ID_H

#include "http/message.h"

enum http_field_kind {
    HTTP_FIELD_PLAIN, /* goes when Connection names it */
    HTTP_FIELD_OWN,   /* stays even then */
    HTTP_FIELD_HOP,   /* concerns this connection only: never forwarded */
};

/* As http_field_id_of(), for a name that is known to consist of token characters. */
enum http_field_id http_field_id_of_token(const char *name, size_t len);

enum http_field_kind http_field_kind_of(enum http_field_id id);
/* The name in lower case; "" for HTTP_F_OTHER. */
struct str http_field_id_text(enum http_field_id id);

#endif
