/* Signals of the process as events of a coroutine: SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1.
 *
 *     int main(void)
 *     {
 *         weir_signal_block();
 *         return weir_main(run, NULL, NULL);       // some coroutine: signo = weir_signal_wait();
 *     }
 */
#ifndef WEIR_SIGNAL_H
#define WEIR_SIGNAL_H

#include <weir/runtime.h>

/* Blocks the five signals in the calling thread and all threads it starts. The program's main()
 * calls it before weir_main() and before it starts any thread; libraries do not. A process started
 * by exec inherits the mask: the child unblocks it again. Does not park. */
WEIR_API void weir_signal_block(void);

/* Parks until one of the five has come, and returns its number; several of the same kind may count
 * as one. One coroutine at a time (-EBUSY). -ECANCELED, -ETIMEDOUT; -ENOSYS in a simulated world;
 * -EAGAIN when the thread that takes the signals cannot be started. */
WEIR_API int weir_signal_wait(void) WEIR_PARKS;

#endif
