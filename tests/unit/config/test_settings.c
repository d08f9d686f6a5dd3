/* Every row of the table: a wrong type and a value out of range are errors at their place, a bound
 * is accepted, the example loads. Driven by the table, so that a new row is tested as it appears.
 */
#include "config/factories.h"
#include "config/value.h"
#include "config_test.h"

/* How a section is reached: %s is where its settings go. */
static const struct place {
    const char *section;
    const char *path;
    const char *around;
    const char *with[3]; /* settings that must be there */
} places[] = {
    {"config",
     "",
     "%s\n",
     {"listeners: [127.0.0.1:0]",
      "routes: [{uri: \"http://127.0.0.1:1\", predicates: [Path=/a]}]"}},
    {"listener",
     "listeners[0].",
     "listeners: [{%s}]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: [Path=/a]}]\n",
     {"address: 127.0.0.1:0"}},
    {"admin",
     "admin.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nadmin: {%s}\n",
     {NULL}},
    {"client",
     "client.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nclient: {%s}\n",
     {NULL}},
    {"limits",
     "limits.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nlimits: {%s}\n",
     {NULL}},
    {"shed",
     "shed.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nshed: {%s}\n",
     {NULL}},
    {"log",
     "log.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nlog: {%s}\n",
     {NULL}},
    {"forward",
     "forward.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nforward: {%s}\n",
     {NULL}},
    {"upstream",
     "upstreams[0].",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{%s}]\n",
     {"id: u", "endpoints: [127.0.0.1:2]"}},
    {"endpoint",
     "upstreams[0].endpoints[0].",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [{%s}]}]\n",
     {"address: 127.0.0.1:2"}},
    {"hash",
     "upstreams[0].hash.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [127.0.0.1:2], hash: {%s}}]\n",
     {NULL}},
    {"health",
     "upstreams[0].health.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [127.0.0.1:2], health: {%s}}]\n",
     {NULL}},
    {"eject",
     "upstreams[0].eject.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [127.0.0.1:2], eject: {%s}}]\n",
     {NULL}},
    {"breaker",
     "upstreams[0].breaker.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [127.0.0.1:2], breaker: {%s}}]\n",
     {NULL}},
    {"timeouts",
     "upstreams[0].timeouts.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [127.0.0.1:2], timeouts: {%s}}]\n",
     {NULL}},
    {"retry",
     "upstreams[0].retry.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [127.0.0.1:2], retry: {%s}}]\n",
     {NULL}},
    {"pool",
     "upstreams[0].pool.",
     "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", predicates: "
     "[Path=/a]}]\nupstreams: [{id: u, endpoints: [127.0.0.1:2], pool: {%s}}]\n",
     {NULL}},
    {"route",
     "routes[0].",
     "listeners: [127.0.0.1:0]\nroutes: [{%s}]\n",
     {"uri: \"http://127.0.0.1:1\"", "predicates: [Path=/a]"}},
};

typedef void visit_fn(const struct place *p, const struct setting *s);

static const struct place *place_of(const struct section *section)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (strcmp(places[i].section, section->name) == 0)
            return &places[i];
    fail_msg("section %s has no row in places", section->name);
    return NULL;
}

static unsigned visit_all(const struct section *section, visit_fn *visit)
{
    unsigned count = 0;

    for (size_t i = 0; i < section->count; i++) {
        const struct setting *s = &section->settings[i];

        visit(place_of(section), s);
        count++;
        if (s->section != NULL)
            count += visit_all(s->section, visit);
    }
    return count;
}

/* A file with one setting as given and what it needs around it. ret_at: where the value starts. */
static char *file_with(const struct place *p, const struct setting *s, const char *value,
                       const char **ret_at)
{
    static char inside[1024], file[2048];
    const char *sep = strcmp(p->section, "config") == 0 ? "\n" : ", ";
    int n = snprintf(inside, sizeof(inside), "%s: \"\1\"", s->key);
    char *mark;

    for (size_t i = 0; i < ARRAY_LEN(p->with) && p->with[i] != NULL; i++)
        if (strncmp(p->with[i], s->key, strlen(s->key)) != 0 || p->with[i][strlen(s->key)] != ':')
            n += snprintf(inside + n, sizeof(inside) - (size_t)n, "%s%s", sep, p->with[i]);
    snprintf(file, sizeof(file), p->around, inside);
    mark = strstr(file, "\"\1\"");
    assert_non_null(mark);
    memmove(mark + strlen(value), mark + 3, strlen(mark + 3) + 1);
    memcpy(mark, value, strlen(value));
    *ret_at = mark;
    return file;
}

static void place_in(const char *file, const char *at, unsigned *ret_line, unsigned *ret_column)
{
    *ret_line = *ret_column = 1;
    for (; file < at; file++) {
        *ret_column = *file == '\n' ? 1 : *ret_column + 1;
        *ret_line += *file == '\n';
    }
}

static void assert_error_at_value(const struct place *p, const struct setting *s, const char *value)
{
    const char *at;
    char *file = file_with(p, s, value, &at);
    struct loaded l = load(file);
    unsigned line, column;
    bool found = false;
    char path[128];

    place_in(file, at, &line, &column);
    snprintf(path, sizeof(path), "%s%s", p->path, s->key);
    for (unsigned i = 0; i < l.diags->count; i++) {
        const struct diag *d = &l.diags->items[i];

        found |= d->level == DIAG_ERROR && d->line == line && d->column == column &&
                 strcmp(d->path, path) == 0;
    }
    if (!found)
        fail_msg("no error at %u:%u for %s in\n%s\nbut\n%s", line, column, path, file, l.said.ptr);
    if (l.diags->errors != 1)
        fail_msg("one mistake, %u errors in\n%s\n%s", l.diags->errors, file, l.said.ptr);
    unload(&l);
}

static void assert_accepted(const struct place *p, const struct setting *s, const char *value)
{
    const char *at;
    char *file = file_with(p, s, value, &at);
    struct loaded l = load(file);

    if (l.diags->errors != 0)
        fail_msg("refused:\n%s\n%s", file, l.said.ptr);
    unload(&l);
}

static bool is_list(const struct setting *s)
{
    return s->kind == SETTING_CIDRS || s->kind == SETTING_SECTIONS || s->kind == SETTING_ROUTES ||
           s->kind == SETTING_PREDICATES || s->kind == SETTING_FILTERS ||
           s->kind == SETTING_DEFAULT_FILTERS;
}

static void try_wrong_type(const struct place *p, const struct setting *s)
{
    if (s->kind == SETTING_SPRING)
        return; /* others' */
    if (is_list(s) || s->kind == SETTING_SECTION || s->kind == SETTING_METADATA) {
        assert_error_at_value(p, s, "what");
        assert_error_at_value(p, s, is_list(s) ? "{a: b}" : "[a]");
        return;
    }
    assert_error_at_value(p, s, "[1]");
    assert_error_at_value(p, s, "{a: b}");
    if (s->kind != SETTING_TEXT)
        assert_error_at_value(p, s, "what?");
    if (s->kind == SETTING_INTEGER || s->kind == SETTING_BOOL)
        assert_error_at_value(p, s, s->kind == SETTING_INTEGER ? "\"1\"" : "\"true\"");
}

static const char *number(const struct setting *s, int64_t n, const char *suffix)
{
    static char text[64];
    struct buf b = buf_on(text, sizeof(text) - 1);

    value_number(s, n, &b);
    buf_puts(&b, str_of(suffix));
    text[b.len] = '\0';
    return text;
}

static void try_out_of_range(const struct place *p, const struct setting *s)
{
    switch (s->kind) {
    case SETTING_INTEGER:
    case SETTING_PERCENT:
        assert_error_at_value(p, s, number(s, s->min - 1, ""));
        assert_error_at_value(p, s, number(s, s->max + 1, ""));
        assert_error_at_value(p, s, "99999999999999999999999");
        break;
    case SETTING_SIZE:
        if (s->min > 0)
            assert_error_at_value(p, s, number(s, s->min - 1, ""));
        assert_error_at_value(p, s, number(s, s->max + 1, ""));
        assert_error_at_value(p, s, "9999999TiB");
        assert_error_at_value(p, s, "-1");
        break;
    case SETTING_DURATION:
        if (s->min > 0)
            assert_error_at_value(p, s, number(s, s->min - 1, ""));
        assert_error_at_value(p, s, number(s, s->max, "1ns"));
        assert_error_at_value(p, s, "-1s");
        assert_error_at_value(p, s, "5");
        if (!s->never)
            assert_error_at_value(p, s, "never");
        break;
    case SETTING_ADDRESS:
        assert_error_at_value(p, s, "127.0.0.1:65536");
        assert_error_at_value(p, s, "127.0.0.1");
        assert_error_at_value(p, s, "example.org:80");
        if (s->min > 0)
            assert_error_at_value(p, s, "127.0.0.1:0");
        if (s->loopback)
            assert_error_at_value(p, s, "192.0.2.1:80");
        break;
    case SETTING_STATUS_RANGE:
        assert_error_at_value(p, s, "99-200");
        assert_error_at_value(p, s, "200-600");
        assert_error_at_value(p, s, "300-200");
        break;
    case SETTING_ENUM:
        assert_error_at_value(p, s, "another");
        break;
    case SETTING_TEXT:
        assert_error_at_value(p, s, "\"a\\u0001 b\"");
        break;
    default:
        if (is_list(s) && s->min > 0)
            assert_error_at_value(p, s, "[]");
    }
}

/* Bounds belong to the range. Where two settings depend on each other, that is another test. */
static void try_bounds(const struct place *p, const struct setting *s)
{
    bool dependent = strcmp(p->section, "eject") == 0;

    if (s->kind == SETTING_INTEGER || s->kind == SETTING_PERCENT || s->kind == SETTING_SIZE ||
        (s->kind == SETTING_DURATION && !dependent)) {
        assert_accepted(p, s, number(s, s->min, ""));
        assert_accepted(p, s, number(s, s->max, ""));
    }
    if (s->kind == SETTING_DURATION && s->never)
        assert_accepted(p, s, "never");
    for (size_t i = 0; s->kind == SETTING_ENUM && i < s->names->count; i++)
        if (strcmp(p->section, "hash") != 0)
            assert_accepted(p, s, s->names->items[i]);
    if (!s->required && !is_list(s))
        assert_accepted(p, s, "null");
}

static void a_value_of_the_wrong_type_is_an_error_at_its_place(void **state)
{
    assert_true(visit_all(&config_section, try_wrong_type) > 50);
}

static void a_value_out_of_range_is_an_error_at_its_place(void **state)
{
    visit_all(&config_section, try_out_of_range);
}

static void a_bound_is_accepted(void **state)
{
    visit_all(&config_section, try_bounds);
}

static void try_required(const struct place *p, const struct setting *s)
{
    char expected[64];
    const char *at;
    struct loaded l;

    if (!s->required)
        return;
    l = load(file_with(p, s, "null", &at));
    snprintf(expected, sizeof(expected), "the setting \"%s\" is missing", s->key);
    assert_int_equal(l.diags->errors, 1);
    assert_non_null(strstr(l.said.ptr, expected));
    unload(&l);
}

static void a_required_setting_that_is_missing_is_an_error(void **state)
{
    visit_all(&config_section, try_required);
}

static void try_misspelt(const struct place *p, const struct setting *s)
{
    struct setting wrong = *s;
    char key[64], expected[256];
    const char *at;
    struct loaded l;

    if (strlen(s->key) < 4 || s->required || s->kind == SETTING_SPRING)
        return;
    snprintf(key, sizeof(key), "%sz", s->key);
    snprintf(expected, sizeof(expected), "unknown setting \"%s\"; did you mean %s?", key, s->key);
    wrong.key = key;
    l = load(file_with(p, &wrong, "1", &at));
    assert_int_equal(l.diags->errors, 1);
    if (strstr(l.said.ptr, expected) == NULL)
        fail_msg("expected %s, but\n%s", expected, l.said.ptr);
    unload(&l);
}

static void a_misspelt_setting_names_the_nearest(void **state)
{
    visit_all(&config_section, try_misspelt);
}

static void indent(struct text *out, const char *lines)
{
    for (; *lines != '\0'; lines++) {
        text_put(out, lines, 1);
        if (*lines == '\n' && lines[1] != '\0')
            text_printf(out, "    ");
    }
}

/* An example shows settings of the top, or of an upstream. */
static void try_example(const struct section *section)
{
    const char *e = section->example;
    bool top = setting_find(&config_section, str_n(e, strcspn(e, ":"))) != NULL;
    struct text file = {0};
    struct loaded l;

    if (strstr(e, "listeners:") == NULL)
        text_printf(&file, "listeners: [127.0.0.1:0]\n");
    if (top) {
        text_printf(&file, "%s", e);
    } else {
        text_printf(&file, "upstreams:\n  - id: users\n    ");
        indent(&file, e);
        if (strstr(e, "endpoints:") == NULL)
            text_printf(&file, "    endpoints: [127.0.0.1:1]\n");
    }
    if (strstr(e, "routes:") == NULL)
        text_printf(&file, "routes: [{uri: \"http://127.0.0.1:1\", predicates: [Path=/**]}]\n");
    if (strstr(e, "lb://") != NULL)
        text_printf(&file, "upstreams: [{id: users, endpoints: [127.0.0.1:1]}]\n");
    l = load(file.ptr);
    if (l.rc != 0)
        fail_msg("the example of %s:\n%s\n%s", section->name, file.ptr, l.said.ptr);
    unload(&l);
    text_done(&file);
    for (size_t i = 0; i < section->count; i++)
        if (section->settings[i].section != NULL)
            try_example(section->settings[i].section);
}

static void the_examples_of_the_manual_load(void **state)
{
    try_example(&config_section);
}

static void the_examples_of_clauses_load(void **state)
{
    for (size_t i = 0; i < predicate_table.count + filter_table.count; i++) {
        bool filter = i >= predicate_table.count;
        const struct factory *f =
            filter ? &filter_table.items[i - predicate_table.count] : &predicate_table.items[i];
        char file[512];

        assert_int_equal(f->kind, filter ? i - predicate_table.count : i);
        snprintf(file, sizeof(file),
                 "listeners: [127.0.0.1:0]\n"
                 "routes:\n"
                 "  - uri: http://127.0.0.1:1\n"
                 "    predicates: ['Path=/{segment}/{zone}'%s%s%s]\n"
                 "    filters: [%s%s%s]\n",
                 filter ? "" : ", '", filter ? "" : f->example, filter ? "" : "'",
                 filter ? "'" : "", filter ? f->example : "", filter ? "'" : "");
        assert_loads(file, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_of_the_wrong_type_is_an_error_at_its_place),
        cmocka_unit_test(a_value_out_of_range_is_an_error_at_its_place),
        cmocka_unit_test(a_bound_is_accepted),
        cmocka_unit_test(a_required_setting_that_is_missing_is_an_error),
        cmocka_unit_test(a_misspelt_setting_names_the_nearest),
        cmocka_unit_test(the_examples_of_the_manual_load),
        cmocka_unit_test(the_examples_of_clauses_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
