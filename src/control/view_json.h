/* What is inside the gateway as JSON: pure functions from a view to text. */
#ifndef WEIR_CONTROL_VIEW_JSON_H
#define WEIR_CONTROL_VIEW_JSON_H

#include "gateway/gateway.h"

/* Append an indented JSON document to out. 0 or -ENOMEM (out is then as it was). */
int view_json_routes(const struct gateway_view *v, struct text *out);
int view_json_upstreams(const struct gateway_view *v, struct text *out);
int view_json_config(const struct gateway_view *v, struct text *out);

#endif
