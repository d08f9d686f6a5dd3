/* What the layer knows about fields beyond their id; for the parser and for forwarding. */
#ifndef WEIR_HTTP_FIELD_ID_H
#define WEIR_HTTP_FIELD_ID_H

#include "http/message.h"

enum http_field_kind {
    HTTP_FIELD_PLAIN, /* goes when Connection names it */
    HTTP_FIELD_OWN,   /* stays even then */
    HTTP_FIELD_HOP,   /* concerns this connection only: never forwarded */
};

/* One row per field: the name in lower case with its colon, padded so that 16 bytes can be loaded.
 */
struct http_field_row {
    char name[30];
    uint8_t len;
    uint8_t kind;
};

extern HIDDEN const struct http_field_row http_field_rows[HTTP_F_MAX];

/* Perfect hash: from length and last letter but one to the only candidate. Of the letter only five
 * bits count, in which its case is not. */
#define HTTP_FIELD_SLOT(len, letter) ((uint8_t)((len) + ((unsigned)(letter) << 3)))
extern HIDDEN const uint8_t http_field_slots[256];

/* As http_field_id_of(), for a name that is known to consist of token characters. */
enum http_field_id http_field_id_of_token(const char *name, size_t len);

/* The ids of kind HOP, as bits. */
extern HIDDEN const uint64_t http_field_hop_ids;

enum http_field_kind http_field_kind_of(enum http_field_id id);
/* The name in lower case; "" for HTTP_F_OTHER. */
struct str http_field_id_text(enum http_field_id id);

#endif
