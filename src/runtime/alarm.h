/* Timers of programs, as the scheduler loop sees them. */
#ifndef WEIR_RUNTIME_ALARM_H
#define WEIR_RUNTIME_ALARM_H

#include "runtime/sched.h"

/* The ticket of a timer that is one of these; see TICKET_WATCH. */
enum { TICKET_ALARM = 2 };

/* Does what it is for. The wheel has given it out with TICKET_ALARM. */
void alarm_fire(struct m *m, struct timer *t);

#endif
