/* A JSON document that is built as a Jansson tree and then written in one piece.
 *
 * Values are made by Jansson's json_*() or by doc_text(), and may be NULL for want of memory: the
 * calls here take ownership of them and remember the failure, so that the code which builds reads
 * as the document it makes, and doc_write() alone has an error to return. */
#ifndef WEIR_EXPORT_DOC_H
#define WEIR_EXPORT_DOC_H

#include <jansson.h>

#include "base/text.h"

struct doc {
    bool failed;
};

/* Text of anybody's: bytes that are not UTF-8 become U+FFFD. */
json_t *doc_text(struct str s);

void doc_put(struct doc *d, json_t *object, const char *key, json_t *value);
void doc_put_text(struct doc *d, json_t *object, const char *key, struct str s);
void doc_put_count(struct doc *d, json_t *object, const char *key, uint64_t n);
/* Times leave as seconds, the base unit of every other interface of weir. */
void doc_put_seconds(struct doc *d, json_t *object, const char *key, int64_t ns);
/* name is UTF-8, as everything from a configuration is. */
void doc_put_named(struct doc *d, json_t *object, struct str name, json_t *value);
void doc_append(struct doc *d, json_t *array, json_t *value);

/* Appends the document with a line end to out, and releases root. -ENOMEM: out of memory, or out is
 * at its bound. */
int doc_write(const struct doc *d, json_t *root, struct text *out);

#endif
