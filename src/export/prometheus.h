/* Metrics in Prometheus' text format 0.0.4: every family of telemetry/metrics.def that has a
 * series. */
#ifndef WEIR_EXPORT_PROMETHEUS_H
#define WEIR_EXPORT_PROMETHEUS_H

#include "base/text.h"

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends the exposition, brought up to date by the collectors. -ENOMEM; -E2BIG when out->max was
 * met (what is there then is not to be sent). Does not park. */
int prometheus_write(struct text *out);

#endif
