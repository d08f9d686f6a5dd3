/* weir explain: what would happen to this request, and why? Nothing is opened or sent: the question
 * is asked in the simulated world, which has no network but one in memory. */
#include "cli/explain.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cli/command.h"
#include "control/source.h"
#include "runtime/runtime.h"
#include "world/sim.h"

struct question {
    struct config *config;
    struct explain_request request;
    struct arena arena;
    struct explanation answer;
    struct weir_error *error;
};

static const struct args_option options[] = {
    {"config", 'c', "FILE", "the configuration", .required = true},
    {"header", 'H', "FIELD", "a header field, 'Name: value'; may be repeated", .repeats = true},
    {"client", 0, "ADDRESS", "where the request comes from (127.0.0.1)"},
    {"json", 0, NULL, "answer in JSON"},
    {0},
};

static void drop_line(void *arg, enum log_level level, struct str line)
{
}

static int ask(void *arg)
{
    struct question *q = arg;

    return gateway_explain(q->config, &q->request, &q->arena, &q->answer, &q->error);
}

static bool parse_client(const char *text, struct addr *ret)
{
    *ret = (struct addr){0};
    if (inet_pton(AF_INET, text, &ret->in.sin_addr) == 1) {
        ret->in.sin_family = AF_INET;
        ret->len = sizeof(ret->in);
        return true;
    }
    if (inet_pton(AF_INET6, text, &ret->in6.sin6_addr) == 1) {
        ret->in6.sin6_family = AF_INET6;
        ret->len = sizeof(ret->in6);
        return true;
    }
    return false;
}

/* Reads the file as weir check does; what is wrong with it goes to standard error. */
static int load(const char *path, struct config **ret)
{
    struct diag_list diags;
    struct text out = {0};
    int rc;

    diag_list_init(&diags);
    rc = source_load_file(path, &diags, ret);
    if (rc < 0) {
        diag_write(&diags, path, &out);
        fprintf(stderr, STR_FMT "weir explain: %s cannot be used\n",
                STR_ARG(str_n(out.ptr, out.len)), path);
    }
    text_done(&out);
    diag_list_done(&diags);
    return rc;
}

static int print_answer(const struct explanation *e, bool json)
{
    struct text out = {0};
    int rc = 0;

    if (json)
        rc = explain_write_json(e, &out);
    else
        explain_write_text(e, &out);
    if (rc == 0 && !command_print(str_n(out.ptr, out.len)))
        rc = -EIO;
    text_done(&out);
    return rc;
}

static int answer(struct question *q, bool json)
{
    const struct weir_options runtime = {
        .size = sizeof(runtime), .workers = 1, .world = sim_new(1)};
    int rc;

    if (runtime.world == NULL)
        return -ENOMEM;
    arena_init(&q->arena, NULL, 0, SIZE_MAX);
    log_setup(drop_line, NULL, NULL, LOG_ERROR, true);
    rc = weir_main(ask, q, &runtime);
    if (rc == 0)
        rc = print_answer(&q->answer, json);
    else
        fprintf(stderr, "weir explain: %s\n",
                q->error != NULL ? weir_error_message(q->error) : strerrordesc_np(-rc));
    weir_error_free(q->error);
    arena_done(&q->arena);
    sim_free(runtime.world);
    return rc;
}

static int run_explain(const struct args *a)
{
    const struct args_spec *spec = &command_explain.args;
    const char *client = args_value(spec, a, "client");
    struct str fields[ARGS_MANY_MAX];
    struct question q = {
        .request = {.method = str_of(a->operands[0]),
                    .url = str_of(a->operands[1]),
                    .fields = fields,
                    .field_count = a->many_count},
    };
    int rc;

    for (unsigned i = 0; i < a->many_count; i++)
        fields[i] = str_of(a->many[i]);
    if (!parse_client(client != NULL ? client : "127.0.0.1", &q.request.client))
        return command_usage_error("explain", "option '--client': expected an IP address");
    if (load(args_value(spec, a, "config"), &q.config) < 0)
        return EXIT_FAILED;
    rc = answer(&q, args_value(spec, a, "json") != NULL);
    config_unref(q.config);
    return rc == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct command command_explain = {
    .name = "explain",
    .summary = "Tell which route serves a request, why, and what happens to it",
    .args = {.options = options, .operands = {"METHOD", "URL"}},
    .details =
        "URL is http://HOST[:PORT]/PATH, or /PATH alone (then the host is localhost, or that of\n"
        "-H 'Host: ...'). Nothing is sent and no socket is opened; the file's routes, predicates,\n"
        "filters and balancers are asked as they would be by the running gateway. Exit code 0:\n"
        "there is an answer, if only that the request is refused; 1: the file or the request\n"
        "cannot be used.\n",
    .run = run_explain,
};
