/* JSON documents. */
#include "export/doc.h"

#include <stdlib.h>

void doc_put(struct doc *d, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0)
        d->failed = true;
}

void doc_put_named(struct doc *d, json_t *object, struct str name, json_t *value)
{
    if (json_object_setn_new(object, name.ptr, name.len, value) < 0)
        d->failed = true;
}

void doc_append(struct doc *d, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        d->failed = true;
}

/* What text is valid is decided in one place, text_put_json(); Jansson reads what that wrote. */
json_t *doc_text(struct str s)
{
    struct text quoted = {0};
    json_t *value;

    text_put(&quoted, "\"", 1);
    text_put_json(&quoted, s);
    text_put(&quoted, "\"", 1);
    value = quoted.overflow
                ? NULL
                : json_loadb(quoted.ptr, quoted.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    text_done(&quoted);
    return value;
}

void doc_put_text(struct doc *d, json_t *object, const char *key, struct str s)
{
    doc_put(d, object, key, doc_text(s));
}

void doc_put_count(struct doc *d, json_t *object, const char *key, uint64_t n)
{
    doc_put(d, object, key, json_integer((json_int_t)n));
}

void doc_put_seconds(struct doc *d, json_t *object, const char *key, int64_t ns)
{
    doc_put(d, object, key, json_real((double)ns / NS_PER_SEC));
}

int doc_write(const struct doc *d, json_t *root, struct text *out)
{
    char *dump = d->failed || root == NULL
                     ? NULL
                     : json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    json_decref(root);
    if (dump == NULL)
        return -ENOMEM;
    text_printf(out, "%s\n", dump);
    free(dump);
    return out->overflow ? -ENOMEM : 0;
}
