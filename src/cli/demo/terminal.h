/* The terminal of the demo: a screen redrawn in place, single keys, and everything as it was
 * before, however the process ends. */
#ifndef WEIR_CLI_DEMO_TERMINAL_H
#define WEIR_CLI_DEMO_TERMINAL_H

#include "base/text.h"

/* True when standard input and output are a terminal that knows cursor movement. */
bool terminal_usable(void);

/* Colour is welcome: standard output is a terminal, NO_COLOR is not set. */
bool terminal_colour(void);

/* Takes over the screen and the keyboard; -errno. What terminal_close() undoes is also undone at
 * exit() and by an abort. */
int terminal_open(void);
void terminal_close(void);

/* The size now; 80 x 24 when it is not known. */
void terminal_size(unsigned *ret_columns, unsigned *ret_rows);

/* Replaces what is on the screen by the lines, without flicker. May block: the terminal may be
 * stopped. */
void terminal_draw(struct str lines);

/* The next key that was pressed, or 0. Does not wait. */
char terminal_key(void);

#endif
