/* Routes and upstreams against each other, and Spring's application.yml. */
#include "config_test.h"

#define LISTEN "listeners: [127.0.0.1:0]\n"
#define USERS  LISTEN "upstreams:\n- {id: users, endpoints: [127.0.0.1:1]}\n"

static void uris_that_are_not_supported_say_so(void **state)
{
    static const struct {
        const char *uri, *said;
    } cases[] = {
        {"https://127.0.0.1:1", "https towards upstreams is not supported, http is"},
        {"ws://127.0.0.1:1", "WebSocket upstreams are not supported"},
        {"lb:ws://users", "WebSocket upstreams are not supported"},
        {"forward:/fallback",
         "forward: names a handler inside a Spring application, which weir is not"},
        {"${USERS_URI}", "placeholders in ${...} are Spring's; weir does not fill them in"},
        {"http://example.org:80", "the host must be an IP address or localhost (names are not "
                                  "looked up); expected http://ADDRESS:PORT"},
        {"http://127.0.0.1:0",
         "the port must be a number from 1 to 65535; expected http://ADDRESS:PORT"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char file[512], said[512];

        snprintf(file, sizeof(file), LISTEN "routes:\n- uri: '%s'\n  predicates: [Path=/a]\n",
                 cases[i].uri);
        snprintf(said, sizeof(said), "t:3:8: error: routes[0].uri: found \"%s\": %s\n",
                 cases[i].uri, cases[i].said);
        assert_refused(file, said);
    }
    assert_refused(LISTEN "routes:\n- uri: users\n  predicates: [Path=/a]\n",
                   "t:3:8: error: routes[0].uri: found \"users\"; expected lb://ID, "
                   "http://ADDRESS:PORT or no://op\n");
}

static void routes_with_one_address_share_an_upstream(void **state)
{
    struct loaded l =
        load(LISTEN "routes:\n"
                    "- {id: a, uri: 'http://127.0.0.1:9003', predicates: [Path=/a]}\n"
                    "- {id: b, uri: 'http://localhost:9003/', predicates: [Path=/b]}\n"
                    "- {id: c, uri: 'http://[::1]', predicates: [Path=/c]}\n");

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(l.config->upstream_count, 2);
    assert_int_equal(l.config->routes[0].upstream, l.config->routes[1].upstream);
    assert_str(l.config->routes[1].uri, "http://localhost:9003/");
    assert_str(l.config->upstreams[1].id, "[::1]:80");
    unload(&l);
}

static void the_path_of_a_uri_is_not_used(void **state)
{
    assert_loads(LISTEN "routes:\n- {uri: 'http://127.0.0.1:1/api', predicates: [Path=/a]}\n",
                 "t:3:9: warning: routes[0].uri: the path of the uri is not used; PrefixPath or "
                 "SetPath change it\n");
}

static void no_op_needs_a_filter_that_answers(void **state)
{
    assert_loads(LISTEN "routes:\n- uri: no://op\n  predicates: [Path=/a]\n"
                        "  filters: ['RedirectTo=302, /b']\n",
                 "");
    assert_loads(LISTEN "routes:\n- uri: no://op\n  predicates: [Path=/a]\n",
                 "t:3:8: warning: routes[0].uri: no filter of this route answers (RedirectTo or "
                 "SetStatus)\n");
}

static void an_undefined_upstream_names_the_nearest(void **state)
{
    assert_refused(USERS "routes:\n- {uri: lb://user, predicates: [Path=/a]}\n",
                   "t:5:9: error: routes[0].uri: no upstream has the id \"user\"; did you mean "
                   "lb://users?\n");
    assert_refused(LISTEN "routes:\n- {uri: lb://user, predicates: [Path=/a]}\n",
                   "t:3:9: error: routes[0].uri: no upstream has the id \"user\"\n");
}

static void a_shortened_name_finds_the_long_one(void **state)
{
    assert_refused(LISTEN "upstreams:\n- {id: u, endpoints: [{address: 127.0.0.1:1, wei: 2}]}\n"
                          "routes:\n- {uri: lb://u, predicates: [Path=/a]}\n",
                   "t:3:46: error: upstreams[0].endpoints[0].wei: unknown setting \"wei\"; did you "
                   "mean weight?\n");
}

static void an_unused_upstream_is_a_warning(void **state)
{
    assert_loads(USERS "routes:\n- {uri: 'http://127.0.0.1:1', predicates: [Path=/a]}\n",
                 "t:3:3: warning: upstreams[0]: no route uses the upstream \"users\"\n");
    assert_loads(USERS "routes:\n- {uri: lb://users, enabled: false, predicates: [Path=/a]}\n", "");
}

static void what_must_be_unique_is_reported_twice(void **state)
{
    assert_refused("listeners: [127.0.0.1:80, 'localhost:80', 127.0.0.1:0, 127.0.0.1:0]\n"
                   "upstreams:\n"
                   "- {id: u, endpoints: [127.0.0.1:1, {address: 127.0.0.1:01}]}\n"
                   "- {id: u, endpoints: [127.0.0.1:1]}\n"
                   "routes:\n"
                   "- {id: a, uri: lb://u, predicates: [Path=/a]}\n"
                   "- {id: a, uri: lb://u, predicates: [Path=/b]}\n",
                   "t:1:27: error: listeners[1]: the address \"127.0.0.1:80\" is there already, in "
                   "line 1\n"
                   "t:3:36: error: upstreams[0].endpoints[1]: the endpoint \"127.0.0.1:1\" is "
                   "there already, in line 3\n"
                   "t:4:8: error: upstreams[1].id: the upstream \"u\" is there already, in line "
                   "3\n"
                   "t:7:8: error: routes[1].id: the route \"a\" is there already, in line 6\n");
    assert_refused("listeners: [127.0.0.1:80]\nadmin: {address: 127.0.0.1:80}\n"
                   "routes:\n- {uri: 'http://127.0.0.1:1', predicates: [Path=/a]}\n",
                   "t:1:13: error: listeners[0]: the admin API has this address, too\n");
}

static void order_comes_first_then_the_text(void **state)
{
    struct loaded l =
        load(LISTEN "routes:\n"
                    "- {id: a, order: 5, uri: 'http://127.0.0.1:1', predicates: [Path=/a]}\n"
                    "- {id: b, uri: 'http://127.0.0.1:1', predicates: [Path=/b]}\n"
                    "- {id: c, order: -7, uri: 'http://127.0.0.1:1', predicates: [Path=/c]}\n"
                    "- {id: d, enabled: off, uri: 'http://127.0.0.1:1', predicates: [Path=/d]}\n"
                    "- {id: e, uri: 'http://127.0.0.1:1', predicates: [Path=/e]}\n");
    const char *expected[] = {"c", "b", "e", "a"};

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(l.config->route_count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_str(l.config->routes[i].id, expected[i]);
    unload(&l);
}

static void metadata_sets_the_timeouts_of_a_route(void **state)
{
    struct loaded l =
        load(USERS "routes:\n"
                   "- id: a\n"
                   "  uri: lb://users\n"
                   "  predicates: [Path=/a]\n"
                   "  metadata: {connect-timeout: 250, response-timeout: 5000, k: v}\n"
                   "- id: b\n"
                   "  uri: lb://users\n"
                   "  predicates: [Path=/b]\n"
                   "  metadata: {response-timeout: -1}\n");
    struct config_route *a = &l.config->routes[0], *b = &l.config->routes[1];

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(a->timeouts.connect_ns, 250 * NS_PER_MS);
    assert_int_equal(a->timeouts.first_byte_ns, 5 * NS_PER_SEC);
    assert_int_equal(a->timeouts.total_ns, 5 * NS_PER_SEC);
    assert_int_equal(a->timeouts.read_ns, 800 * NS_PER_MS);
    assert_int_equal(a->metadata_count, 3);
    assert_str(a->metadata_keys[2], "k");
    assert_str(a->metadata_values[2], "v");
    assert_int_equal(b->timeouts.connect_ns, 100 * NS_PER_MS);
    assert_int_equal(b->timeouts.first_byte_ns, NS_NEVER);
    assert_int_equal(b->timeouts.total_ns, NS_NEVER);
    unload(&l);
    assert_refused(USERS "routes:\n- {uri: lb://users, predicates: [Path=/a], metadata: "
                         "{connect-timeout: -1, response-timeout: soon}}\n",
                   "t:5:72: error: routes[0].metadata.connect-timeout: found \"-1\"; expected "
                   "milliseconds, like 500, or a duration, like 2s\n"
                   "t:5:94: error: routes[0].metadata.response-timeout: found \"soon\"; expected "
                   "milliseconds, like 500, or a duration, like 2s, or -1 for none\n");
}

static void health_checks_depend_on_the_endpoints(void **state)
{
    struct loaded l =
        load(LISTEN "upstreams:\n"
                    "- {id: one, endpoints: [127.0.0.1:1]}\n"
                    "- {id: two, endpoints: [127.0.0.1:1, 127.0.0.1:2]}\n"
                    "- {id: off, endpoints: [127.0.0.1:1, 127.0.0.1:2], health: off}\n"
                    "- {id: on, endpoints: [127.0.0.1:1], health: {interval: 200ms}}\n"
                    "routes:\n"
                    "- {uri: lb://one, predicates: [Path=/1]}\n"
                    "- {uri: lb://two, predicates: [Path=/2]}\n"
                    "- {uri: lb://off, predicates: [Path=/3]}\n"
                    "- {uri: lb://on, predicates: [Path=/4]}\n");

    assert_string_equal(l.said.ptr, "");
    assert_false(l.config->upstreams[0].health.enabled);
    assert_true(l.config->upstreams[1].health.enabled);
    assert_null(l.config->upstreams[1].health.path.ptr);
    assert_false(l.config->upstreams[2].health.enabled);
    assert_true(l.config->upstreams[3].health.enabled);
    assert_int_equal(l.config->upstreams[3].health.timeout_ns, 200 * NS_PER_MS);
    unload(&l);
}

static void settings_that_depend_on_each_other_are_checked(void **state)
{
    assert_refused(
        LISTEN "upstreams:\n"
               "- id: u\n"
               "  balance: consistent_hash\n"
               "  hash: {on: cookie}\n"
               "  endpoints: [127.0.0.1:1]\n"
               "  eject: {time: 10m}\n"
               "- id: v\n"
               "  balance: consistent_hash\n"
               "  hash: {on: path, bound: 99}\n"
               "  endpoints: [127.0.0.1:1]\n"
               "routes:\n- {uri: lb://u, predicates: [Path=/a]}\n",
        "t:5:9: error: upstreams[0].hash: the setting \"name\" is missing: which "
        "header, cookie or query parameter\n"
        "t:7:10: error: upstreams[0].eject: time_max is shorter than time\n"
        "t:10:27: error: upstreams[1].hash.bound: found 99%; expected at least 100% of the "
        "mean load, or 0 for no bound\n");
    assert_loads(LISTEN "upstreams:\n"
                        "- id: u\n"
                        "  hash: {on: path}\n"
                        "  endpoints: [127.0.0.1:1]\n"
                        "  health: {interval: 1s, timeout: 2s}\n"
                        "  timeouts: {connect: 5s}\n"
                        "routes:\n- {uri: lb://u, predicates: [Path=/a]}\n",
                 "t:4:9: warning: upstreams[0].hash: not used: only balance: consistent_hash looks "
                 "at it\n"
                 "t:6:11: warning: upstreams[0].health: timeout is longer than interval; a check "
                 "ends when the next is due\n"
                 "t:7:13: warning: upstreams[0].timeouts: total is shorter than connect\n");
}

static void a_route_that_nothing_reaches_is_a_warning(void **state)
{
    assert_loads(LISTEN
                 "routes:\n"
                 "- {id: a, uri: 'http://127.0.0.1:1', predicates: [Path=/a, Method=GET]}\n"
                 "- {id: same, uri: 'http://127.0.0.1:1', predicates: [Method=GET, Path=/a]}\n"
                 "- {id: narrower, uri: 'http://127.0.0.1:1', predicates: [Path=/a, 'Header=X, y', "
                 "Method=GET]}\n"
                 "- {id: wider, uri: 'http://127.0.0.1:1', predicates: [Path=/a]}\n"
                 "- {id: post, uri: 'http://127.0.0.1:1', predicates: ['Path=/a, false', "
                 "Method=GET]}\n"
                 "- {id: all, order: -1, uri: 'http://127.0.0.1:1', enabled: false, predicates: "
                 "[Path=/**]}\n",
                 "t:4:3: warning: routes[1]: never matches: the route \"a\" in line 3 comes first "
                 "and matches all of it\n"
                 "t:5:3: warning: routes[2]: never matches: the route \"a\" in line 3 comes first "
                 "and matches all of it\n");
    assert_loads(LISTEN "routes:\n"
                        "- {id: a, order: 1, uri: 'http://127.0.0.1:1', predicates: [Path=/a]}\n"
                        "- {id: all, uri: 'http://127.0.0.1:1', predicates: [Path=/**]}\n",
                 "t:3:3: warning: routes[0]: never matches: the route \"all\" in line 4 comes "
                 "first and matches all of it\n");
}

#define FRAIL(uri, more)                                                                           \
    LISTEN "routes:\n"                                                                             \
           "- uri: http://127.0.0.1:1\n"                                                           \
           "  predicates: [Path=/orders/**]\n"                                                     \
           "  filters:\n"                                                                          \
           "  - StripPrefix=1\n"                                                                   \
           "  - name: CircuitBreaker\n"                                                            \
           "    args: {name: b, fallbackUri: '" uri "'}\n" more

static void a_fallback_uri_leads_to_a_path_of_the_gateway(void **state)
{
    static const struct {
        const char *file, *found, *said;
    } cases[] = {
        {FRAIL("http://other/x", ""), "http://other/x",
         "expected forward:/PATH; other schemes are not followed, a route for this path can lead "
         "anywhere"},
        {FRAIL("forward:x", ""), "forward:x", "expected a path that starts with / behind forward:"},
        {FRAIL("forward:", ""), "forward:", "expected a path that starts with / behind forward:"},
        {FRAIL("forward:/a b", ""), "forward:/a b",
         "blanks and other than ASCII characters are written %XX"},
        {FRAIL("forward:/a?b=1", ""), "forward:/a?b=1",
         "expected one path: no ? and #, no pattern, no {variable}"},
        {FRAIL("forward:/a/{b}", ""), "forward:/a/{b}",
         "expected one path: no ? and #, no pattern, no {variable}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char said[512];

        snprintf(said, sizeof(said),
                 "t:8:34: error: routes[0].filters[1]: CircuitBreaker fallbackUri \"%s\": %s\n",
                 cases[i].found, cases[i].said);
        assert_refused(cases[i].file, said);
    }
}

static void a_fallback_uri_that_no_route_can_match_is_a_mistake(void **state)
{
#define OTHER(predicates) "- {uri: 'http://127.0.0.1:1', predicates: [" predicates "]}\n"
#define NOWHERE                                                                                    \
    "t:8:34: error: routes[0].filters[1]: CircuitBreaker fallbackUri \"forward:/spare/1\": no "    \
    "route's Path matches it\n"
    static const char *const none[] = {
        FRAIL("forward:/spare/1", ""),
        FRAIL("forward:/spare/1", OTHER("Path=/spare")),
        FRAIL("forward:/spare/1", OTHER("'Path=/spare/1/{x}'")),
        FRAIL("forward:/spare/1", OTHER("'Path=/spare/?2', 'Host=a'")),
        FRAIL("forward:/spare/1", OTHER("Path=/spar*")),
        FRAIL("forward:/spare/1", "- {uri: 'http://127.0.0.1:1', enabled: false, predicates: "
                                  "[Path=/spare/1]}\n"),
    };
    static const char *const some[] = {
        FRAIL("forward:/orders/1", ""),
        FRAIL("forward:/spare/1", OTHER("Path=/spare/1, Method=GET")),
        FRAIL("forward:/spare/1", OTHER("'Path=/x,/spare/{n}'")),
        FRAIL("forward:/spare/1", OTHER("'Path=/sp*e/?'")),
        FRAIL("forward:/spare/1", OTHER("'Path=/spare/1/**'")),
        FRAIL("forward:/spare/1", OTHER("'Path=/{*all}'")),
        FRAIL("forward:/spare/1", OTHER("Host=a.org")),
        FRAIL("forward:/spare/1", OTHER("{name: Path, args: {patterns: '/{x:[^/]+}/1'}}")),
    };

    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_refused(none[i], NOWHERE);
    for (size_t i = 0; i < ARRAY_LEN(some); i++)
        assert_loads(some[i], "");
    assert_refused(LISTEN "default-filters:\n- name: CircuitBreaker\n"
                          "  args:\n    fallbackUri: forward:/spare\n"
                          "routes:\n- {uri: 'http://127.0.0.1:1', predicates: [Path=/a]}\n",
                   "t:5:18: error: default-filters[0]: CircuitBreaker fallbackUri "
                   "\"forward:/spare\": no route's Path matches it\n");
}

static void variables_must_be_defined(void **state)
{
    assert_loads(LISTEN "default-filters: ['AddRequestHeader=X-T, {tenant}']\n"
                        "routes:\n"
                        "- uri: http://127.0.0.1:1\n"
                        "  predicates: ['Path=/{segment}/**', 'Host={tenant}.example.org']\n"
                        "  filters: ['SetPath=/{segment}']\n",
                 "");
    assert_refused(LISTEN "default-filters: ['AddRequestHeader=X-T, {tenant}']\n"
                          "routes:\n"
                          "- id: r\n"
                          "  uri: http://127.0.0.1:1\n"
                          "  predicates: ['Path=/{segment}/**']\n"
                          "  filters: ['SetPath=/{segmnt}']\n",
                   "t:2:19: error: default-filters[0]: no Path or Host pattern of the route \"r\" "
                   "defines {tenant}\n"
                   "t:7:13: error: routes[0].filters[0]: no Path or Host pattern of the route "
                   "\"r\" defines {segmnt}; did you mean {segment}?\n");
}

static void aliases_serve_upstreams(void **state)
{
    struct loaded l = load(LISTEN "x-quick: &quick {connect: 50ms, read: 200ms}\n"
                                  "upstreams:\n"
                                  "- {id: a, endpoints: [127.0.0.1:1], timeouts: *quick}\n"
                                  "- {id: b, endpoints: [127.0.0.1:2], timeouts: {<<: *quick, "
                                  "read: 1s}}\n"
                                  "routes:\n"
                                  "- {uri: lb://a, predicates: [Path=/a]}\n"
                                  "- {uri: lb://b, predicates: [Path=/b]}\n");

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(l.config->upstreams[0].timeouts.read_ns, 200 * NS_PER_MS);
    assert_int_equal(l.config->upstreams[1].timeouts.read_ns, NS_PER_SEC);
    assert_int_equal(l.config->upstreams[1].timeouts.connect_ns, 50 * NS_PER_MS);
    unload(&l);
}

static const char spring_app[] = "spring:\n"
                                 "  application: {name: gw}\n"
                                 "  cloud:\n"
                                 "    gateway:\n"
                                 "%s"
                                 "      default-filters:\n"
                                 "      - AddRequestHeader=X-A, b\n"
                                 "      routes:\n"
                                 "      - id: one\n"
                                 "        uri: http://127.0.0.1:9003\n"
                                 "        predicates:\n"
                                 "        - Path=/one/**\n"
                                 "server:\n"
                                 "  port: 9090\n";

static void assert_spring(const char *yaml, const char *said)
{
    struct loaded l = load(yaml);

    assert_string_equal(l.said.ptr, said);
    assert_int_equal(l.config->route_count, 1);
    assert_str(l.config->routes[0].id, "one");
    assert_int_equal(l.config->routes[0].filter_count, 1);
    assert_int_equal(l.config->listener_count, 1);
    assert_str(l.config->listeners[0].address.text, "0.0.0.0:9090");
    unload(&l);
}

static void an_application_yml_of_spring_loads(void **state)
{
    char file[1024];

    snprintf(file, sizeof(file), spring_app, "");
    assert_spring(file, "");
    assert_spring("spring.cloud.gateway:\n"
                  "  server:\n"
                  "    webflux:\n"
                  "      default-filters: ['AddRequestHeader=X-A, b']\n"
                  "      routes: [{id: one, uri: 'http://127.0.0.1:1', predicates: [Path=/1]}]\n"
                  "server.port: 9090\n",
                  "");
}

static void what_weir_ignores_in_an_application_yml_is_said(void **state)
{
    char file[1024];

    snprintf(file, sizeof(file), spring_app,
             "      globalcors: {add-to-simple-url-handler: true}\n");
    strcat(file, "management: {port: 1}\n");
    assert_spring(file, "t:5:7: warning: spring.cloud.gateway.globalcors: not a setting of weir: "
                        "ignored\n"
                        "t:15:1: warning: management: not a setting of weir: ignored\n");
}

static void an_application_yml_with_mistakes_is_refused(void **state)
{
    assert_refused("spring: {cloud: {gateway: {discovery: {}}}}\n",
                   "t:1:1: error: there are no routes, neither at the top nor under "
                   "spring.cloud.gateway or spring.cloud.gateway.server.webflux\n"
                   "t:1:28: warning: spring.cloud.gateway.discovery: not a setting of weir: "
                   "ignored\n");
    assert_refused("spring:\n  cloud:\n    gateway:\n      routes:\n      - uri: lb://nowhere\n"
                   "        predicates: [Path=/a]\n",
                   "t:5:14: error: spring.cloud.gateway.routes[0].uri: no upstream has the id "
                   "\"nowhere\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris_that_are_not_supported_say_so),
        cmocka_unit_test(routes_with_one_address_share_an_upstream),
        cmocka_unit_test(the_path_of_a_uri_is_not_used),
        cmocka_unit_test(no_op_needs_a_filter_that_answers),
        cmocka_unit_test(an_undefined_upstream_names_the_nearest),
        cmocka_unit_test(a_shortened_name_finds_the_long_one),
        cmocka_unit_test(an_unused_upstream_is_a_warning),
        cmocka_unit_test(what_must_be_unique_is_reported_twice),
        cmocka_unit_test(order_comes_first_then_the_text),
        cmocka_unit_test(metadata_sets_the_timeouts_of_a_route),
        cmocka_unit_test(health_checks_depend_on_the_endpoints),
        cmocka_unit_test(settings_that_depend_on_each_other_are_checked),
        cmocka_unit_test(a_route_that_nothing_reaches_is_a_warning),
        cmocka_unit_test(a_fallback_uri_leads_to_a_path_of_the_gateway),
        cmocka_unit_test(a_fallback_uri_that_no_route_can_match_is_a_mistake),
        cmocka_unit_test(variables_must_be_defined),
        cmocka_unit_test(aliases_serve_upstreams),
        cmocka_unit_test(an_application_yml_of_spring_loads),
        cmocka_unit_test(what_weir_ignores_in_an_application_yml_is_said),
        cmocka_unit_test(an_application_yml_with_mistakes_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
