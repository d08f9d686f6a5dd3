/* The two faces of the demo: a screen for people, lines for logs. */
#include <stdio.h>

#include "cli/demo/demo.h"
#include "cli/demo/terminal.h"

#define TICK_NS         (50 * NS_PER_MS) /* how fast a key answers */
#define SCREEN_EVERY_NS (500 * NS_PER_MS)
#define PLAIN_EVERY_NS  (250 * NS_PER_MS) /* events; figures each second */

/* The script of the plain demo: one endpoint dies and comes back, early enough to be seen. */
#define VICTIM      STR("orders-1")
#define KILL_PART   0.30
#define REVIVE_PART 0.60
#define OPEN_END_S  30 /* without --seconds the script takes this long */

bool demo_over(const struct demo *d)
{
    int64_t limit_ns = d->options.seconds * NS_PER_SEC;

    return atomic_load(&d->stop_signal) != 0 ||
           (limit_ns != 0 && weir_now() - d->model.started_ns >= limit_ns);
}

static long draw_blocking(void *arg)
{
    const struct text *frame = arg;

    terminal_draw(str_n(frame->ptr, frame->len));
    return 0;
}

static void draw(struct demo *d)
{
    struct text frame = {0};
    unsigned columns, rows;

    terminal_size(&columns, &rows);
    demo_view_render(&d->model.view, columns, rows, terminal_colour(), &frame);
    weir_blocking(draw_blocking, &frame); /* a stopped terminal must not stop the gateway */
    text_done(&frame);
}

/* True when something was done that the screen should show at once. */
static bool press(struct demo *d, char key, bool *quit)
{
    if (key == 'q' || key == 'Q')
        *quit = true;
    else if (key == 'k' || key == 'K')
        demo_toggle(d, &d->fleet.endpoints[0]);
    else if (key >= '1' && key < '1' + DEMO_FLEET)
        demo_toggle(d, &d->fleet.endpoints[key - '1']);
    else
        return false;
    return true;
}

void demo_watch_screen(struct demo *d)
{
    int64_t drawn_ns = 0;
    bool quit = false, changed = false;

    while (!quit && !demo_over(d)) {
        for (char key; (key = terminal_key()) != 0;)
            changed |= press(d, key, &quit);
        if (changed || weir_now() - drawn_ns >= SCREEN_EVERY_NS) {
            model_sample(&d->model);
            draw(d);
            drawn_ns = weir_now();
            changed = false;
        }
        if (weir_sleep(TICK_NS) < 0)
            return;
    }
}

/* What happened since the last time, and the figures when they are due. */
static void print_plain(struct demo *d, bool figures)
{
    struct text lines = {0};
    struct demo_event e;

    model_sample(&d->model);
    while (model_next_event(&d->model, &e))
        demo_view_event(&e, &lines);
    if (figures)
        demo_view_progress(&d->model.view, &lines);
    if (lines.len != 0)
        fwrite(lines.ptr, 1, lines.len, stdout);
    fflush(stdout);
    text_done(&lines);
}

static void follow_victim(struct demo *d, bool killed)
{
    for (unsigned i = 0; i < d->model.view.endpoint_count; i++) {
        const struct demo_endpoint_row *row = &d->model.view.endpoints[i];

        if (!str_eq(str_of(row->name), VICTIM))
            continue;
        bool healthy = strcmp(row->state, "healthy") == 0;
        if (killed && !healthy)
            d->victim_left = true;
        if (d->victim_left && !killed && healthy)
            d->victim_returned = true;
    }
}

/* Does what is due of the script; how many of its steps are done. */
static int run_script(struct demo *d, int steps, int64_t elapsed_ns)
{
    struct demo_endpoint *victim = demo_fleet_find(&d->fleet, VICTIM);
    double length_s = d->options.seconds != 0 ? d->options.seconds : OPEN_END_S;

    if (steps == 0 && elapsed_ns >= (int64_t)(length_s * KILL_PART * NS_PER_SEC)) {
        demo_kill(d, victim);
        return 1;
    }
    if (steps == 1 && elapsed_ns >= (int64_t)(length_s * REVIVE_PART * NS_PER_SEC)) {
        demo_revive(d, victim);
        return 2;
    }
    return steps;
}

void demo_watch_plain(struct demo *d)
{
    int64_t printed_ns = 0;
    int steps = 0;

    while (!demo_over(d)) {
        int64_t elapsed_ns = weir_now() - d->model.started_ns;

        steps = run_script(d, steps, elapsed_ns);
        if (elapsed_ns - printed_ns >= PLAIN_EVERY_NS) {
            printed_ns += PLAIN_EVERY_NS;
            print_plain(d, printed_ns % NS_PER_SEC == 0);
            follow_victim(d, steps == 1);
        }
        if (weir_sleep(TICK_NS) < 0)
            return;
    }
    print_plain(d, true);
    follow_victim(d, steps == 1);
}
