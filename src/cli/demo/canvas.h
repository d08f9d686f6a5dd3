/* Lines of a bounded width and number, with styles that cost no width. */
#ifndef WEIR_CLI_DEMO_CANVAS_H
#define WEIR_CLI_DEMO_CANVAS_H

#include "base/text.h"

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_MAX };

struct canvas {
    struct text *out;
    unsigned columns, rows; /* the bounds */
    unsigned column, row;   /* where the next character goes */
    bool colour;
};

/* Appends to the current line; what does not fit is cut. Control bytes and bytes beyond ASCII
 * become '?', so that a byte is a column and nothing from outside can steer the terminal. */
void canvas_put(struct canvas *c, enum style style, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Spaces up to that column; nothing when the line is already there. */
void canvas_tab(struct canvas *c, unsigned column);

/* Ends the line. */
void canvas_newline(struct canvas *c);

/* How many lines are left. */
unsigned canvas_rows_left(const struct canvas *c);

#endif
