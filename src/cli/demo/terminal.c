/* The terminal of the demo. */
#include "cli/demo/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define SCREEN_ENTER "\033[?1049h\033[?25l\033[?7l" /* other screen, no cursor, no line wrap */
#define SCREEN_LEAVE "\033[?7h\033[?25h\033[?1049l"

static struct termios before;
static volatile sig_atomic_t opened;

bool terminal_usable(void)
{
    const char *term = getenv("TERM");

    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && term != NULL &&
           term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool terminal_colour(void)
{
    const char *no = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) == 1 && (no == NULL || no[0] == '\0');
}

static void write_all(const char *data, size_t len)
{
    while (len != 0) {
        ssize_t n = write(STDOUT_FILENO, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; /* the terminal is gone; nobody is looking */
        data += n;
        len -= (size_t)n;
    }
}

/* Only calls that a signal handler may make. */
void terminal_close(void)
{
    if (!opened)
        return;
    opened = 0;
    write_all(SCREEN_LEAVE, sizeof(SCREEN_LEAVE) - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void on_abort(int signo)
{
    terminal_close();
    raise(signo); /* the handler was set to run once; this one kills, as was meant */
}

int terminal_open(void)
{
    const struct sigaction abort_action = {.sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND};
    static bool registered;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return -errno;
    struct termios keys = before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 0; /* read() returns at once, with nothing when no key is there */
    keys.c_cc[VTIME] = 0;
    keys.c_cc[VSUSP] = _POSIX_VDISABLE; /* stopping here would leave the shell on this screen */
    if (tcsetattr(STDIN_FILENO, TCSANOW, &keys) < 0)
        return -errno;
    opened = 1;
    if (!registered) {
        atexit(terminal_close);
        sigaction(SIGABRT, &abort_action, NULL);
        registered = true;
    }
    write_all(SCREEN_ENTER, sizeof(SCREEN_ENTER) - 1);
    return 0;
}

void terminal_size(unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize w;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col != 0 && w.ws_row != 0;

    *ret_columns = known ? w.ws_col : 80;
    *ret_rows = known ? w.ws_row : 24;
}

void terminal_draw(struct str lines)
{
    struct text frame = {0};
    struct str line;
    bool first = true;

    /* Each line clears its rest; no newline after the last one, which would scroll. */
    if (str_ends(lines, STR("\n")))
        lines.len--;
    text_puts(&frame, STR("\033[H"));
    while (str_split(&lines, '\n', &line)) {
        if (!first)
            text_puts(&frame, STR("\r\n"));
        first = false;
        text_puts(&frame, line);
        text_puts(&frame, STR("\033[K"));
    }
    text_puts(&frame, STR("\033[J"));
    write_all(frame.ptr, frame.len);
    text_done(&frame);
}

char terminal_key(void)
{
    char c;

    return opened && read(STDIN_FILENO, &c, 1) == 1 ? c : 0;
}
