/* Metrics of the scheduler (weir_runtime_*), beside those of process.h, whose collector calls this.
 */
#ifndef WEIR_EXPORT_SCHED_METRICS_H
#define WEIR_EXPORT_SCHED_METRICS_H

void sched_metrics_open(void);
void sched_metrics_close(void);
void sched_metrics_collect(void);

#endif
