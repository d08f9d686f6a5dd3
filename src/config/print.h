/* A checked configuration back as text: every setting with the value that is in force, defaults
 * included, written as the file would have it. */
#ifndef WEIR_CONFIG_PRINT_H
#define WEIR_CONFIG_PRINT_H

#include "config/config.h"

/* Called for each setting that has a value, in the order of the table. section: the map that it
 * stands in ("timeouts"), "" for the object itself; a section that is switched off comes once, with
 * the key "" and the value "off". value: valid during the call. */
typedef void config_setting_fn(void *arg, const char *section, const char *key, struct str value);

/* Everything about an upstream but its id and endpoints. */
void config_print_upstream(const struct config_upstream *u, config_setting_fn *fn, void *arg);
/* The address first. */
void config_print_endpoint(const struct config_endpoint *e, config_setting_fn *fn, void *arg);
void config_print_timeouts(const struct config_timeouts *t, config_setting_fn *fn, void *arg);
/* The filter's arguments that are one value, by their names; section is "". */
void config_print_filter(const struct config_filter *f, config_setting_fn *fn, void *arg);

#endif
