/* Error values: a custom type with data, wrapping, is and as.
 *
 * A parser says where it failed in an error of its own type; its callers put before it what they
 * were about. Who deals with it asks for a code or for the type, however deep in the chain it is.
 *
 * Prints:
 *
 *     start the server: load app.conf: expected a number: Invalid argument
 *     because of EINVAL: yes
 *     because of ENOENT: no
 *     parse error in line 2, column 8
 *     causes:
 *     - start the server
 *     - load app.conf
 *     - expected a number
 *     port = 80: fine
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/weir.h>

struct parse_error {
    int line, column;
};

static const struct weir_error_type parse_error_type = {.name = "parse_error",
                                                        .data_bytes = sizeof(struct parse_error)};

/* Reads lines of "name = number". */
static struct weir_error *parse(const char *text)
{
    struct parse_error at = {1, 1};
    bool value = false;

    for (; *text != '\0'; text++, at.column++) {
        if (value && !isdigit((unsigned char)*text) && !isspace((unsigned char)*text))
            return weir_error_new_typed(&parse_error_type, &at, -EINVAL, "expected a number");
        if (*text == '=')
            value = true;
        if (*text == '\n') {
            at = (struct parse_error){at.line + 1, 0};
            value = false;
        }
    }
    return NULL;
}

static struct weir_error *load(const char *name, const char *text)
{
    struct weir_error *e = parse(text);

    return e != NULL ? weir_error_wrap(e, -EIO, "load %s", name) : NULL;
}

static struct weir_error *start(const char *text)
{
    struct weir_error *e = load("app.conf", text);

    return e != NULL ? weir_error_wrap(e, -EIO, "start the server") : NULL;
}

static void report(const struct weir_error *e)
{
    const struct parse_error *at = WEIR_ERROR_AS(e, parse_error);
    char line[256];

    weir_error_format(e, line, sizeof(line));
    printf("%s\n", line);
    printf("because of EINVAL: %s\n", weir_error_is(e, -EINVAL) ? "yes" : "no");
    printf("because of ENOENT: %s\n", weir_error_is(e, -ENOENT) ? "yes" : "no");
    if (at != NULL)
        printf("parse error in line %d, column %d\n", at->line, at->column);
    printf("causes:\n");
    for (; e != NULL; e = weir_error_unwrap(e))
        printf("- %s\n", weir_error_message(e));
}

int main(void)
{
    struct weir_error *e = start("workers = 4\nport = x80\n");

    report(e);
    weir_error_free(e);
    e = start("port = 80\n");
    printf("port = 80: %s\n", e == NULL ? "fine" : weir_error_message(e));
    weir_error_free(e);
    return 0;
}
