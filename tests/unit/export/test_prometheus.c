/* The exposition: exact samples, escaping, and the grammar of the whole text. With --print as
 * argument writes it out instead (for promtool). */
#include "unit/export/setup.h"

#include <stdio.h>
#include <stdlib.h>

#include "export/prometheus.h"
#include "telemetry/cause.h"
#include "telemetry/metric.h"

static bool has_line(const struct text *t, const char *line)
{
    struct str rest = str_n(t->ptr, t->len), part;

    while (str_split(&rest, '\n', &part))
        if (str_eq(part, str_of(line)))
            return true;
    return false;
}

static void test_samples_are_exact(void **state)
{
    struct metric *requests = metric_get2(METRIC_REQUESTS, STR("orders"), STR("2xx"));
    struct metric *none = metric_get(METRIC_REQUESTS_IN_FLIGHT, NULL);
    struct metric *cpu = metric_get(METRIC_PROCESS_CPU, NULL);
    struct text t = {0};

    metric_add(requests, 41);
    metric_inc(requests);
    metric_sub(none, 3);
    metric_set(cpu, 12 * NS_PER_SEC + 340 * NS_PER_MS);
    assert_int_equal(prometheus_write(&t), 0);
    assert_true(has_line(&t, "# TYPE weir_requests_total counter"));
    assert_true(has_line(&t, "weir_requests_total{route=\"orders\",code_class=\"2xx\"} 42"));
    assert_true(has_line(&t, "# TYPE weir_requests_in_flight gauge"));
    assert_true(has_line(&t, "weir_requests_in_flight -3"));
    assert_true(has_line(&t, "process_cpu_seconds_total 12.34"));
    assert_null(strstr(t.ptr, "weir_connections_accepted_total")); /* no series, not mentioned */
    text_done(&t);
    metric_put(requests);
    metric_put(none);
    metric_put(cpu);
}

static void test_histograms_are_cumulative_and_exact_at_their_bounds(void **state)
{
    struct metric *m = metric_get1(METRIC_REQUEST_DURATION, STR("h"));
    struct text t = {0};

    metric_observe(m, 500 * NS_PER_US);     /* on a bound: counts */
    metric_observe(m, 500 * NS_PER_US + 1); /* not */
    metric_observe(m, 74 * NS_PER_MS);
    metric_observe(m, 20 * NS_PER_SEC);
    assert_int_equal(prometheus_write(&t), 0);
    assert_true(has_line(&t, "# TYPE weir_request_duration_seconds histogram"));
    assert_true(has_line(&t, "weir_request_duration_seconds_bucket{route=\"h\",le=\"0.0005\"} 1"));
    assert_true(has_line(&t, "weir_request_duration_seconds_bucket{route=\"h\",le=\"0.001\"} 2"));
    assert_true(has_line(&t, "weir_request_duration_seconds_bucket{route=\"h\",le=\"0.05\"} 2"));
    assert_true(has_line(&t, "weir_request_duration_seconds_bucket{route=\"h\",le=\"0.075\"} 3"));
    assert_true(has_line(&t, "weir_request_duration_seconds_bucket{route=\"h\",le=\"10\"} 3"));
    assert_true(has_line(&t, "weir_request_duration_seconds_bucket{route=\"h\",le=\"+Inf\"} 4"));
    assert_true(has_line(&t, "weir_request_duration_seconds_sum{route=\"h\"} 20.075000001"));
    assert_true(has_line(&t, "weir_request_duration_seconds_count{route=\"h\"} 4"));
    text_done(&t);
    metric_put(m);
}

static void test_label_values_are_escaped(void **state)
{
    struct metric *m = metric_get1(METRIC_SENT_BYTES, STR("a\"b\\c\nd} 1"));
    struct text t = {0};

    assert_int_equal(prometheus_write(&t), 0);
    assert_true(has_line(&t, "weir_sent_bytes_total{route=\"a\\\"b\\\\c\\nd} 1\"} 0"));
    text_done(&t);
    metric_put(m);
}

static void test_a_bound_that_is_met_is_an_error(void **state)
{
    struct text t = {.max = 200};

    cause_setup();
    assert_int_equal(prometheus_write(&t), -E2BIG);
    text_done(&t);
}

/* -- the grammar -- */

static size_t name_len(struct str s, bool colon)
{
    size_t n = 0;

    while (n < s.len && ((s.ptr[n] >= 'a' && s.ptr[n] <= 'z') || s.ptr[n] == '_' ||
                         (s.ptr[n] >= 'A' && s.ptr[n] <= 'Z') || (colon && s.ptr[n] == ':') ||
                         (n != 0 && s.ptr[n] >= '0' && s.ptr[n] <= '9')))
        n++;
    return n;
}

static struct str after(struct str s, size_t n)
{
    assert_true(n <= s.len);
    return str_n(s.ptr + n, s.len - n);
}

/* {name="value",...}: what follows it; *ret_le is the value of le, or empty */
static struct str read_labels(struct str s, struct str *ret_le)
{
    *ret_le = STR_NULL;
    while (s.len != 0 && (s.ptr[0] == '{' || s.ptr[0] == ',')) {
        struct str name, value;
        size_t end = 0;

        s = after(s, 1);
        name = str_n(s.ptr, name_len(s, false));
        assert_true(name.len != 0);
        s = after(s, name.len);
        assert_true(str_starts(s, STR("=\"")));
        s = after(s, 2);
        while (end < s.len && s.ptr[end] != '"') {
            if (s.ptr[end] == '\\') {
                end++;
                assert_true(s.ptr[end] == '\\' || s.ptr[end] == '"' || s.ptr[end] == 'n');
            }
            end++;
        }
        value = str_n(s.ptr, end);
        s = after(s, end + 1);
        if (str_eq(name, STR("le")))
            *ret_le = value;
        if (s.len != 0 && s.ptr[0] == '}')
            return after(s, 1);
    }
    return s;
}

struct checker {
    char family[128];
    char type[16];
    char seen[128][128];
    int families;
    double le, last; /* of the histogram being read */
    double inf;
};

static void check_comment(struct checker *c, struct str line)
{
    char name[128], word[16];

    if (sscanf(line.ptr, "# HELP %127s", name) == 1) {
        for (int i = 0; i < c->families; i++)
            assert_string_not_equal(c->seen[i], name); /* a family is in one piece */
        assert_true(c->families < 128);
        strcpy(c->seen[c->families++], name);
        strcpy(c->family, name);
        c->type[0] = '\0';
    } else {
        assert_int_equal(sscanf(line.ptr, "# TYPE %127s %15s", name, word), 2);
        assert_string_equal(name, c->family);
        assert_string_equal(c->type, "");
        strcpy(c->type, word);
        c->le = c->last = -1;
    }
}

static void check_histogram(struct checker *c, struct str suffix, struct str le, double value)
{
    if (str_eq(suffix, STR("_bucket"))) {
        double bound = strtod(le.ptr, NULL); /* reads +Inf too */

        assert_true(le.len != 0);
        assert_true(bound > c->le && value >= c->last);
        c->le = bound;
        c->last = value;
        c->inf = value;
    } else if (str_eq(suffix, STR("_count"))) {
        assert_true(value == c->inf);
        assert_true(c->le > 1e300); /* +Inf was there */
        c->le = c->last = -1;
    } else {
        assert_true(str_eq(suffix, STR("_sum")));
    }
}

static void check_sample(struct checker *c, struct str line)
{
    struct str name = str_n(line.ptr, name_len(line, true)), le, rest;
    double value;
    char *end;

    assert_true(str_starts(name, str_of(c->family)));
    rest = read_labels(after(line, name.len), &le);
    assert_true(rest.len > 1 && rest.ptr[0] == ' ');
    value = strtod(rest.ptr + 1, &end);
    assert_ptr_equal(end, rest.ptr + rest.len);
    if (strcmp(c->type, "histogram") == 0) {
        check_histogram(c, after(name, strlen(c->family)), le, value);
    } else {
        assert_int_equal(name.len, strlen(c->family));
        assert_true(strcmp(c->type, "counter") == 0 || strcmp(c->type, "gauge") == 0);
    }
}

/* One series of every family, with something in it. */
static void fill(struct metric **series)
{
    struct str values[METRIC_LABELS_MAX] = {STR("a"), STR("b\"\\\n"), STR(""), STR("d")};

    for (unsigned id = 0; id < METRIC_ID_MAX; id++) {
        series[id] = metric_get((enum metric_id)id, values);
        if (metric_family((enum metric_id)id)->kind == METRIC_HISTOGRAM)
            metric_observe(series[id], 3 * NS_PER_MS);
        else
            metric_set(series[id], 1234567890);
    }
}

static void test_everything_follows_the_grammar(void **state)
{
    struct metric *series[METRIC_ID_MAX];
    struct checker c = {0};
    struct text t = {0};
    struct str rest, line;

    fill(series);
    assert_int_equal(prometheus_write(&t), 0);
    assert_int_equal(t.ptr[t.len - 1], '\n');
    rest = str_n(t.ptr, t.len - 1);
    while (str_split(&rest, '\n', &line)) {
        assert_true(line.len != 0);
        if (line.ptr[0] == '#')
            check_comment(&c, line);
        else
            check_sample(&c, line);
    }
    assert_int_equal(c.families, METRIC_ID_MAX);
    text_done(&t);
    for (unsigned id = 0; id < METRIC_ID_MAX; id++)
        metric_put(series[id]);
}

static int print(void)
{
    struct metric *series[METRIC_ID_MAX];
    struct text t = {0};
    int error;

    fill(series);
    error = prometheus_write(&t);
    fwrite(t.ptr, 1, t.len, stdout);
    text_done(&t);
    return error != 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_are_exact),
        cmocka_unit_test(test_histograms_are_cumulative_and_exact_at_their_bounds),
        cmocka_unit_test(test_label_values_are_escaped),
        cmocka_unit_test(test_everything_follows_the_grammar),
        cmocka_unit_test(test_a_bound_that_is_met_is_an_error),
    };

    if (argc > 1)
        return print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
