/* The Date field, made once a second. */
#ifndef WEIR_HTTP_DATE_H
#define WEIR_HTTP_DATE_H

#include "base/duration.h"

/* What http_date_format() writes. Any thread. */
void http_date_cached(int64_t unix_sec, char out[static HTTP_DATE_LEN]);

#endif
