/* Lines of a bounded width and number. */
#include "cli/demo/canvas.h"

#include <stdio.h>

static const char *const sequences[STYLE_MAX] = {
    [STYLE_BOLD] = "\033[1m",  [STYLE_DIM] = "\033[2m",  [STYLE_GOOD] = "\033[32m",
    [STYLE_WARN] = "\033[33m", [STYLE_BAD] = "\033[31m",
};

static bool row_exists(const struct canvas *c)
{
    return c->row < c->rows;
}

void canvas_put(struct canvas *c, enum style style, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n <= 0 || !row_exists(c) || c->column >= c->columns)
        return;
    size_t len = MIN((size_t)n, sizeof(line) - 1);
    len = MIN(len, (size_t)(c->columns - c->column));
    for (size_t i = 0; i < len; i++) {
        if (line[i] < ' ' || line[i] > '~')
            line[i] = '?';
    }
    bool styled = c->colour && sequences[style] != NULL;
    if (styled)
        text_puts(c->out, str_of(sequences[style]));
    text_put(c->out, line, len);
    if (styled)
        text_puts(c->out, STR("\033[0m"));
    c->column += (unsigned)len;
}

void canvas_tab(struct canvas *c, unsigned column)
{
    while (row_exists(c) && c->column < MIN(column, c->columns)) {
        text_put(c->out, " ", 1);
        c->column++;
    }
}

void canvas_newline(struct canvas *c)
{
    if (!row_exists(c))
        return;
    text_put(c->out, "\n", 1);
    c->row++;
    c->column = 0;
}

unsigned canvas_rows_left(const struct canvas *c)
{
    return c->rows - c->row;
}
