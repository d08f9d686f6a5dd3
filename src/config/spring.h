/* A Spring application.yml as configuration: where it keeps its routes. */
#ifndef WEIR_CONFIG_SPRING_H
#define WEIR_CONFIG_SPRING_H

#include "config/reader.h"

/* True when the top of the file has keys of Spring. */
bool spring_is_present(const struct node *root);

/* Reads routes and default filters below spring.cloud.gateway, and the port to listen on when the
 * file has no listeners. */
void spring_read(struct reader *r);

#endif
