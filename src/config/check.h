/* What settings mean together: references, duplicates, routes that nothing reaches. */
#ifndef WEIR_CONFIG_CHECK_H
#define WEIR_CONFIG_CHECK_H

#include "config/reader.h"

/* The upstreams as read: defaults that depend on other settings, then what does not fit. */
void check_upstreams(struct reader *r);
void check_listeners(struct reader *r);

/* Turns the drafts into config->routes: ids, upstreams (those of addresses are made here),
 * timeouts, default filters, order. */
void resolve_routes(struct reader *r);

/* Variables in templates that no pattern of the route defines. */
void check_variables(struct reader *r, const struct draft *d);

/* Paths of fallbackUri that no enabled route can match. */
void check_fallback_uris(struct reader *r);

/* Warns about routes that an earlier one keeps from ever matching. */
void check_shadows(struct reader *r, struct draft *const *sorted, uint32_t count);

#endif
