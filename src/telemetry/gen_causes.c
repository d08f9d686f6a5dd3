/* Writes docs/causes.md to standard output; with a file's name, says whether the file is current
 * (exit status 1 when it is not). */
#include <stdio.h>

#include "telemetry/cause.h"

static bool file_has(const char *path, const struct text *want)
{
    FILE *f = fopen(path, "rb");
    bool same = f != NULL;
    int c;

    for (size_t i = 0; same && i <= want->len; i++) {
        c = getc(f);
        same = i < want->len ? c == (unsigned char)want->ptr[i] : c == EOF;
    }
    if (f != NULL)
        fclose(f);
    return same;
}

int main(int argc, char **argv)
{
    struct text out = {0};
    int status = 0;

    cause_write_markdown(&out);
    if (argc < 2) {
        fwrite(out.ptr, 1, out.len, stdout);
    } else if (!file_has(argv[1], &out)) {
        fprintf(stderr, "%s is stale: run gen-causes > docs/causes.md\n", argv[1]);
        status = 1;
    }
    text_done(&out);
    return status;
}
