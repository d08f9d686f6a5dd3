/* One scalar: text to field, by its row in the table of settings. */
#ifndef WEIR_CONFIG_VALUE_H
#define WEIR_CONFIG_VALUE_H

#include "config/settings.h"

/* Reads text into the field. plain: it stands without quotes, so it may be a number or a bool.
 * Texts are copied to a. NULL when all is well; else what is wrong, "" when value_expected() says
 * it all; the field is then untouched. Out of memory: a text field with a NULL pointer. */
const char *value_parse(const struct setting *s, struct str text, bool plain, struct arena *a,
                        void *field);

/* "a duration from 1ms to 10m, like 250ms, 2s or 1m30s". */
void value_expected(const struct setting *s, struct buf *out);

/* Bounds of a number, as they would be written. */
void value_number(const struct setting *s, int64_t n, struct buf *out);

/* "off" and "false", "on" and "true". */
bool value_parse_bool(struct str text, bool *ret);

/* "16KiB", "1MB", "8192": KiB, MiB, GiB are powers of 1,024, kB (or KB), MB, GB of 1,000. */
int value_parse_size(struct str text, int64_t *ret);

/* Decimal with an optional minus sign. -EINVAL, -ERANGE. */
int value_parse_integer(struct str text, int64_t *ret);

#endif
