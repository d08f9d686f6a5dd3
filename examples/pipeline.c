/* Pattern: a pipeline. Each stage is a coroutine that receives, does its part and sends on.
 *
 * Whoever sends on a channel closes it, so the end travels down the pipeline by itself. The stages
 * run at the same time; the buffers say how far one may be ahead of the next.
 *
 * Prints:
 *
 *     WEIR
 *     KEEPS
 *     SERVICES
 *     AVAILABLE
 *     4 words, 26 letters
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <weir/weir.h>

struct word {
    char text[16];
};

WEIR_CHAN_TYPE(words, struct word);

struct stages {
    struct words split, raised;
};

static void split(void *arg)
{
    struct stages *st = arg;
    char text[] = "weir keeps services available", *rest = text, *token;

    while ((token = strtok_r(rest, " ", &rest)) != NULL) {
        struct word w = {""};

        snprintf(w.text, sizeof(w.text), "%s", token);
        words_send(st->split, w);
    }
    words_close(st->split);
}

static void raise_case(void *arg)
{
    struct stages *st = arg;

    WEIR_CHAN_EACH(st->split.chan, struct word, w)
    {
        for (char *c = w.text; *c != '\0'; c++)
            *c = (char)toupper((unsigned char)*c);
        words_send(st->raised, w);
    }
    words_close(st->raised);
}

static int run(void *arg)
{
    struct stages st = {words_new(2), words_new(2)};
    int count = 0, letters = 0;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "split", split, &st);
        weir_scope_go(s, "raise", raise_case, &st);
        WEIR_CHAN_EACH(st.raised.chan, struct word, w)
        {
            printf("%s\n", w.text);
            count++;
            letters += (int)strlen(w.text);
        }
    }
    printf("%d words, %d letters\n", count, letters);
    words_free(st.split);
    words_free(st.raised);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
