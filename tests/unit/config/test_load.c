/* Whole files: what they load as, and what is said about them. */
#include "config_test.h"

static void example_loads_with_the_values_it_gives(void **state)
{
    char *yaml = read_file(TEST_DIR "/example.yaml");
    struct loaded l = load(yaml);
    struct config *c = l.config;

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(c->workers, 1);
    assert_int_equal(c->listener_count, 1);
    assert_str(c->listeners[0].address.text, "127.0.0.1:8080");
    assert_true(c->admin_enabled);
    assert_str(c->admin_address.text, "127.0.0.1:9900");
    assert_int_equal(c->upstream_count, 2);
    assert_int_equal(c->route_count, 2);
    unload(&l);
    free(yaml);
}

static void example_has_the_upstream_as_written(void **state)
{
    char *yaml = read_file(TEST_DIR "/example.yaml");
    struct loaded l = load(yaml);
    struct config_upstream *u = &l.config->upstreams[0];

    assert_str(u->id, "users");
    assert_int_equal(u->balance, BALANCE_LEAST_REQUEST);
    assert_int_equal(u->endpoint_count, 2);
    assert_str(u->endpoints[0].address.text, "127.0.0.1:9001");
    assert_int_equal(u->endpoints[0].weight, 1);
    assert_str(u->endpoints[1].address.text, "127.0.0.1:9002");
    assert_int_equal(u->endpoints[1].weight, 2);
    assert_true(u->health.enabled);
    assert_str(u->health.path, "/health");
    assert_null(u->health.host.ptr);
    assert_int_equal(u->health.interval_ns, 2 * NS_PER_SEC);
    assert_int_equal(u->health.timeout_ns, 1 * NS_PER_SEC);
    assert_int_equal(u->health.fall, 3);
    assert_int_equal(u->health.rise, 2);
    assert_int_equal(u->health.status_min, 200);
    assert_int_equal(u->health.status_max, 399);
    assert_int_equal(u->timeouts.connect_ns, 100 * NS_PER_MS);
    assert_int_equal(u->timeouts.read_ns, 800 * NS_PER_MS);
    assert_int_equal(u->timeouts.first_byte_ns, 800 * NS_PER_MS);
    assert_int_equal(u->timeouts.total_ns, 3 * NS_PER_SEC);
    unload(&l);
    free(yaml);
}

static void example_has_the_routes_as_written(void **state)
{
    char *yaml = read_file(TEST_DIR "/example.yaml");
    struct loaded l = load(yaml);
    struct config_route *users = &l.config->routes[0], *legacy = &l.config->routes[1];

    assert_str(users->id, "users");
    assert_str(users->uri, "lb://users");
    assert_int_equal(users->uri_kind, URI_UPSTREAM);
    assert_int_equal(users->upstream, 0);
    assert_int_equal(users->order, 0);
    assert_int_equal(users->line, 15);
    assert_int_equal(users->timeouts.total_ns, 3 * NS_PER_SEC);
    assert_int_equal(users->predicate_count, 2);
    assert_int_equal(users->predicates[0].kind, PREDICATE_PATH);
    assert_int_equal(users->predicates[0].value_count, 1);
    assert_str(users->predicates[0].values[0], "/users/**");
    assert_true(users->predicates[0].match_trailing_slash);
    assert_int_equal(users->predicates[1].kind, PREDICATE_METHOD);
    assert_int_equal(users->predicates[1].value_count, 2);
    assert_str(users->predicates[1].values[1], "POST");
    assert_int_equal(users->filter_count, 2);
    assert_int_equal(users->filters[0].kind, FILTER_STRIP_PREFIX);
    assert_int_equal(users->filters[0].number, 1);
    assert_int_equal(users->filters[1].kind, FILTER_ADD_RESPONSE_HEADER);
    assert_str(users->filters[1].name, "X-Gateway");
    assert_str(users->filters[1].value, "weir");
    assert_true(users->filters[1].flag);
    assert_str(users->filters[1].text, "AddResponseHeader=X-Gateway, weir");

    assert_str(legacy->id, "legacy");
    assert_int_equal(legacy->uri_kind, URI_ADDRESS);
    assert_int_equal(legacy->upstream, 1);
    assert_int_equal(legacy->order, 100);
    assert_int_equal(legacy->filter_count, 0);
    unload(&l);
    free(yaml);
}

static void an_address_in_a_uri_is_an_upstream_with_defaults(void **state)
{
    char *yaml = read_file(TEST_DIR "/example.yaml");
    struct loaded l = load(yaml);
    struct config_upstream *u = &l.config->upstreams[1];

    assert_str(u->id, "127.0.0.1:9003");
    assert_int_equal(u->endpoint_count, 1);
    assert_str(u->endpoints[0].address.text, "127.0.0.1:9003");
    assert_int_equal(u->endpoints[0].weight, 1);
    assert_int_equal(u->balance, BALANCE_ROUND_ROBIN);
    assert_false(u->health.enabled);
    assert_true(u->eject.enabled);
    assert_int_equal(u->eject.failures, 5);
    assert_int_equal(u->eject.time_ns, 30 * NS_PER_SEC);
    assert_int_equal(u->eject.time_max_ns, 300 * NS_PER_SEC);
    assert_int_equal(u->eject.percent_max, 50);
    assert_int_equal(u->retry.attempts, 3);
    assert_int_equal(u->retry.backoff_ns, 25 * NS_PER_MS);
    assert_int_equal(u->retry.budget_percent, 20);
    assert_int_equal(u->pool.idle_max, 256);
    assert_int_equal(u->pool.idle_timeout_ns, 60 * NS_PER_SEC);
    assert_int_equal(u->pool.connections_max, 1024);
    unload(&l);
    free(yaml);
}

static void what_is_not_given_has_its_default(void **state)
{
    struct loaded l = load("listeners: [localhost:80]\n"
                           "routes: [{uri: \"http://127.0.0.1:1\", predicates: [Path=/**]}]\n");
    struct config *c = l.config;

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(c->workers, 0);
    assert_str(c->listeners[0].address.text, "127.0.0.1:80");
    assert_false(c->admin_enabled);
    assert_int_equal(c->client.header_ns, 10 * NS_PER_SEC);
    assert_int_equal(c->client.idle_ns, 60 * NS_PER_SEC);
    assert_int_equal(c->client.body_ns, 30 * NS_PER_SEC);
    assert_int_equal(c->client.send_ns, 30 * NS_PER_SEC);
    assert_int_equal(c->client.shutdown_ns, 30 * NS_PER_SEC);
    assert_int_equal(c->limits.connections, 65536);
    assert_int_equal(c->limits.header_bytes, 16 * KIB);
    assert_int_equal(c->limits.header_count, 100);
    assert_int_equal(c->limits.target_bytes, 8 * KIB);
    assert_int_equal(c->limits.trailer_bytes, 4 * KIB);
    assert_int_equal(c->limits.body_bytes, 0);
    assert_int_equal(c->log.level, 1);
    assert_int_equal(c->log.access, ACCESS_LOG_OFF);
    assert_false(c->forward.proxy_status);
    assert_int_equal(c->forward.trusted_count, 0);
    assert_str(c->forward.via, "weir");
    assert_str(c->routes[0].id, "route-1");
    unload(&l);
}

static void every_setting_can_be_given(void **state)
{
    char *yaml = read_file(TEST_DIR "/full.yaml");
    struct loaded l = load(yaml);
    struct config *c = l.config;
    struct config_upstream *u = &c->upstreams[0];

    assert_string_equal(l.said.ptr, "");
    assert_str(c->listeners[1].address.text, "[::1]:8081");
    assert_str(c->admin_address.text, "unix:/run/weir/admin.sock");
    assert_int_equal(c->client.header_ns, 5 * NS_PER_SEC);
    assert_int_equal(c->client.idle_ns, NS_NEVER);
    assert_int_equal(c->client.body_ns, 90 * NS_PER_SEC);
    assert_int_equal(c->client.send_ns, NS_NEVER);
    assert_int_equal(c->client.shutdown_ns, 0);
    assert_int_equal(c->limits.header_bytes, 32 * KIB);
    assert_int_equal(c->limits.body_bytes, 10000000);
    assert_int_equal(c->log.level, 3);
    assert_int_equal(c->log.access, ACCESS_LOG_FILE);
    assert_str(c->log.access_path, "/var/log/weir/access.log");
    assert_true(c->forward.proxy_status);
    assert_int_equal(c->forward.trusted_count, 2);
    assert_str(c->forward.trusted[1], "::1");
    assert_str(c->forward.via, "edge-1");
    assert_int_equal(u->balance, BALANCE_CONSISTENT_HASH);
    assert_int_equal(u->hash_on, HASH_HEADER);
    assert_str(u->hash_name, "X-User");
    assert_str(u->health.host, "users.internal:80");
    assert_int_equal(u->health.status_min, 204);
    assert_int_equal(u->health.status_max, 204);
    assert_int_equal(u->health.timeout_ns, 500 * NS_PER_MS);
    assert_false(u->eject.enabled);
    assert_int_equal(u->timeouts.first_byte_ns, 1500 * NS_PER_MS);
    assert_int_equal(u->timeouts.read_ns, NS_NEVER);
    assert_int_equal(u->retry.budget_percent, 10);
    assert_int_equal(u->pool.idle_max, 0);
    unload(&l);
    free(yaml);
}

static void ten_mistakes_are_ten_errors_at_their_places(void **state)
{
    char *yaml = read_file(TEST_DIR "/ten_mistakes.yaml");
    char *expected = read_file(TEST_DIR "/ten_mistakes.txt");
    struct loaded l = load(yaml);
    struct text said = {0};

    diag_write(l.diags, "ten_mistakes.yaml", &said);
    assert_string_equal(said.ptr, expected);
    assert_int_equal(l.diags->errors, 10);
    assert_int_equal(l.diags->count, 10);
    text_done(&said);
    unload(&l);
    free(yaml);
    free(expected);
}

static void loading_twice_says_and_hashes_the_same(void **state)
{
    char *yaml = read_file(TEST_DIR "/ten_mistakes.yaml");
    struct loaded a = load(yaml), b = load(yaml);

    assert_string_equal(a.said.ptr, b.said.ptr);
    unload(&a);
    unload(&b);
    free(yaml);
    yaml = read_file(TEST_DIR "/full.yaml");
    a = load(yaml);
    b = load(yaml);
    assert_true(a.config->text_hash == b.config->text_hash);
    assert_true(a.config->arena.used_bytes == b.config->arena.used_bytes);
    unload(&b);
    yaml[0] ^= 1; /* the first byte is in a comment's place */
    b = load(yaml);
    assert_true(b.config == NULL || a.config->text_hash != b.config->text_hash);
    unload(&a);
    unload(&b);
    free(yaml);
}

static void a_reference_keeps_the_config(void **state)
{
    struct loaded l =
        load("listeners: [127.0.0.1:0]\n"
             "routes: [{uri: \"http://127.0.0.1:1\", predicates: [\"Header=a, b+\"]}]\n");
    struct config *c = config_ref(l.config);

    unload(&l);
    assert_str(c->routes[0].predicates[0].regex->text, "b+");
    config_unref(c);
    config_unref(NULL);
}

static void more_findings_than_fit_are_counted(void **state)
{
    struct text yaml = {0};
    struct loaded l;

    text_printf(&yaml, "listeners: [127.0.0.1:0]\nroutes: [{uri: \"http://127.0.0.1:1\", "
                       "predicates: [Path=/**]}]\nforward: {trusted_proxies: [");
    for (int i = 0; i < 250; i++)
        text_printf(&yaml, "x%d, ", i);
    text_printf(&yaml, "]}\n");
    l = load(yaml.ptr);
    assert_int_equal(l.diags->errors, 250);
    assert_int_equal(l.diags->count, DIAG_MAX);
    assert_true(l.diags->overflow);
    assert_non_null(strstr(l.said.ptr, "more findings are not shown; errors in all: 250\n"));
    unload(&l);
    text_done(&yaml);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    assert_refused("listeners: [127.0.0.1:0]\n"
                   "routes: [{uri: 'http://127.0.0.1:1', predicates: [Path=/a]}]\n"
                   "\"a\\e[1m\\nb\": 1\n"
                   "\"a\\e[1m\\nb\": 2\n",
                   "t:3:1: error: a?[1m?b: unknown setting \"a\\u001b[1m\\nb\"\n"
                   "t:4:1: error: the key \"a?[1m?b\" stands here for the second time; the first "
                   "is in line 3\n");
}

static void an_empty_text_is_refused(void **state)
{
    assert_refused("", "t:1:1: error: there is nothing in it\n");
    assert_refused("# nothing\n", "t:1:1: error: there is nothing in it\n");
    assert_refused("---\n~\n", "t:1:1: error: there is nothing in it\n");
    assert_refused("{}", "t:1:1: error: the setting \"listeners\" is missing\n"
                         "t:1:1: error: the setting \"routes\" is missing\n");
    assert_refused("[a]", "t:1:1: error: found a list; expected a map (key: value)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_loads_with_the_values_it_gives),
        cmocka_unit_test(example_has_the_upstream_as_written),
        cmocka_unit_test(example_has_the_routes_as_written),
        cmocka_unit_test(an_address_in_a_uri_is_an_upstream_with_defaults),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(every_setting_can_be_given),
        cmocka_unit_test(ten_mistakes_are_ten_errors_at_their_places),
        cmocka_unit_test(loading_twice_says_and_hashes_the_same),
        cmocka_unit_test(a_reference_keeps_the_config),
        cmocka_unit_test(more_findings_than_fit_are_counted),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(an_empty_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
