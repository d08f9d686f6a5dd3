/* What only routes have: uri, predicates, filters, metadata. Each reads a node into the route. */
#ifndef WEIR_CONFIG_ROUTE_H
#define WEIR_CONFIG_ROUTE_H

#include "config/reader.h"

void route_read_uri(struct reader *r, const struct node *n, const struct path *path,
                    struct config_route *route);
void route_read_predicates(struct reader *r, const struct setting *s, const struct node *n,
                           const struct path *path, struct config_route *route);
void route_read_filters(struct reader *r, const struct setting *s, const struct node *n,
                        const struct path *path, struct config_route *route);
void route_read_metadata(struct reader *r, const struct setting *s, const struct node *n,
                         const struct path *path, struct config_route *route);

/* A list of routes, appended to r->drafts. */
void route_read_all(struct reader *r, const struct setting *s, const struct node *n,
                    const struct path *path);
/* A list of filters, appended to r->default_filters. */
void route_read_default_filters(struct reader *r, const struct setting *s, const struct node *n,
                                const struct path *path);

#endif
