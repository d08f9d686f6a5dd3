/* weir simulate: what becomes of a configuration under a load and faults, before production. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "drill/report.h"

static const struct args_option options[] = {
    {"seed", 0, "N", "chance: equal numbers, equal runs (default: the scenario's)"},
    {"svg", 0, "FILE", "write a picture of the timeline"},
    {"json", 0, "FILE", "write every figure; - for standard output, instead of the report"},
    {"plain", 0, NULL, "ASCII only"},
    {0},
};

static bool is_stdout(const char *path)
{
    return strcmp(path, "-") == 0;
}

static bool write_file(const char *path, const struct text *text)
{
    FILE *f;
    bool ok;

    if (text->overflow)
        return false;
    if (is_stdout(path))
        return command_print(str_n(text->ptr, text->len));
    f = fopen(path, "w");
    ok = f != NULL && fwrite(text->ptr, 1, text->len, f) == text->len;
    if (f != NULL && fclose(f) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "weir simulate: cannot write %s\n", path);
    return ok;
}

static bool run_variants(struct drill_report *r, uint32_t *ret_done)
{
    for (uint32_t v = 0; v < r->scenario->variant_count; v++) {
        struct text error = {0};
        int rc = drill_run(r->scenario, v, r->seed, &r->results[v], &error);

        if (rc < 0)
            fprintf(stderr, "weir simulate: variant \"" STR_FMT "\": %s\n",
                    STR_ARG(r->scenario->variants[v].name), error.ptr != NULL ? error.ptr : "?");
        text_done(&error);
        if (rc < 0)
            return false;
        *ret_done = v + 1;
        drill_summarize(r->scenario, &r->results[v], &r->summaries[v]);
    }
    return true;
}

static bool write_reports(const struct drill_report *r, const struct args *a)
{
    const char *svg = args_value(&command_simulate.args, a, "svg");
    const char *json = args_value(&command_simulate.args, a, "json");
    bool plain = args_value(&command_simulate.args, a, "plain") != NULL;
    struct text out = {0}, picture = {0}, figures = {0};
    bool ok = true;

    if (json != NULL) {
        drill_write_json(r, &figures);
        ok = write_file(json, &figures);
    }
    if (svg != NULL) {
        drill_write_svg(r, &picture);
        ok = write_file(svg, &picture) && ok;
    }
    if (json == NULL || !is_stdout(json)) {
        drill_write_text(r, plain, &out);
        ok = command_print(str_n(out.ptr, out.len)) && ok;
    }
    text_done(&out);
    text_done(&picture);
    text_done(&figures);
    return ok;
}

static bool simulate(struct drill_scenario *s, uint64_t seed, const struct args *a)
{
    struct drill_report *r = calloc(1, sizeof(*r));
    uint32_t done = 0;
    bool ok = r != NULL;

    if (ok) {
        r->scenario = s;
        r->seed = seed;
        ok = run_variants(r, &done) && write_reports(r, a);
    }
    for (uint32_t v = 0; v < done; v++)
        drill_result_done(&r->results[v]);
    free(r);
    return ok;
}

static int run_simulate(const struct args *a)
{
    const char *typed = args_value(&command_simulate.args, a, "seed");
    char error[ARGS_ERROR_MAX];
    struct drill_scenario *s = NULL;
    struct text problems = {0};
    uint64_t seed = 0;
    bool ok;

    if (typed != NULL && args_number("seed", typed, 0, INT64_MAX, &seed, error) < 0)
        return command_usage_error("simulate", error);
    ok = drill_scenario_load(a->operands[0], &problems, &s) == 0;
    if (problems.len != 0)
        fwrite(problems.ptr, 1, problems.len, stderr);
    text_done(&problems);
    if (ok)
        ok = simulate(s, typed != NULL ? seed : s->seed, a);
    drill_scenario_free(s);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command command_simulate = {
    .name = "simulate",
    .summary = "Run a configuration against a load and faults in virtual time",
    .args = {.options = options, .operands = {"FILE"}},
    .details =
        "FILE is a scenario: a gateway configuration, origins, clients, faults, and variants to\n"
        "compare. The gateway itself runs, in a simulated network and in virtual time, so two\n"
        "minutes take seconds. Shown are amplification, recovery time, refusals by cause and a\n"
        "timeline. Examples are in share/weir/scenarios; docs/policies.md explains the file.\n",
    .run = run_simulate,
};
