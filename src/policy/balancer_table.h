/* The tables that balancer.c picks from. Inside policy only. */
#ifndef WEIR_POLICY_BALANCER_TABLE_H
#define WEIR_POLICY_BALANCER_TABLE_H

#include "policy/balancer.h"

/* How many places the table has; 0 when no endpoint has a weight. */
uint32_t balancer_place_count(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                              uint32_t count);
size_t balancer_scratch_bytes(uint32_t count);

/* Fills the places with indexes of endpoints. */
void balancer_fill(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                   uint32_t count, uint16_t *places, uint32_t place_count, void *scratch);

#endif
