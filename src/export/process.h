/* Metrics of the process (CPU time, memory, descriptors) and of the runtime, read when they are
 * asked for. */
#ifndef WEIR_EXPORT_PROCESS_H
#define WEIR_EXPORT_PROCESS_H

#include "base/text.h"

/* Makes the series and registers their collector; weir_build_info gets this version. Inside the
 * runtime. Idempotent. -ENOSPC. */
int process_metrics_start(struct str version);
/* Before the runtime ends. */
void process_metrics_stop(void);

#endif
