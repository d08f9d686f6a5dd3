/* Active health checks: one coroutine per endpoint that has them. */
#ifndef WEIR_GATEWAY_HEALTH_CHECKER_H
#define WEIR_GATEWAY_HEALTH_CHECKER_H

#include "config/config.h"
#include "gateway/upstream.h"

struct health_checker;

/* Starts checking e as the configuration says. Takes references to both. */
int health_checker_start(struct endpoint *e, struct config *config,
                         const struct config_health *settings, struct health_checker **ret);
/* Ends it and waits until it has. NULL is fine. */
void health_checker_stop(struct health_checker *h) WEIR_PARKS;

/* Whether h checks as these settings say. */
bool health_checker_same(const struct health_checker *h, const struct config_health *settings);

#endif
