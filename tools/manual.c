/* Writes the pages that are made from the tables of the configuration, or checks that they are what
 * the tables say: weir-manual write|check configuration.md weir.schema.json */
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

static int write_file(const char *name, const struct text *t)
{
    FILE *f = fopen(name, "wb");
    bool ok = f != NULL && fwrite(t->ptr, 1, t->len, f) == t->len;

    if (f != NULL && fclose(f) != 0)
        ok = false;
    if (!ok)
        perror(name);
    return ok ? 0 : 1;
}

static int check_file(const char *name, const struct text *t)
{
    FILE *f = fopen(name, "rb");
    char *found = malloc(t->len + 1);
    bool same = f != NULL && found != NULL && fread(found, 1, t->len + 1, f) == t->len &&
                memcmp(found, t->ptr, t->len) == 0;

    if (!same)
        fprintf(stderr, "%s is stale: meson compile manual writes it anew\n", name);
    if (f != NULL)
        fclose(f);
    free(found);
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct text markdown = {0}, schema = {0};
    int (*visit)(const char *name, const struct text *t);
    int failed;

    if (argc != 4 || (strcmp(argv[1], "write") != 0 && strcmp(argv[1], "check") != 0)) {
        fprintf(stderr, "usage: weir-manual write|check configuration.md weir.schema.json\n");
        return 2;
    }
    visit = argv[1][0] == 'w' ? write_file : check_file;
    config_write_markdown(&markdown);
    config_write_json_schema(&schema);
    failed = visit(argv[2], &markdown) | visit(argv[3], &schema);
    text_done(&markdown);
    text_done(&schema);
    return failed;
}
