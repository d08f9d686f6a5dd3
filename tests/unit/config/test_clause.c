/* Predicates and filters in both forms: what they become, and what is said about wrong ones. */
#include "config_test.h"

#define BEFORE                                                                                     \
    "listeners: [127.0.0.1:0]\n"                                                                   \
    "routes:\n"                                                                                    \
    "- uri: http://127.0.0.1:1\n"

static char *with_predicate(const char *p)
{
    static char file[2048];

    snprintf(file, sizeof(file), BEFORE "  predicates:\n  - %s\n", p);
    return file;
}

static char *with_filter(const char *f)
{
    static char file[2048];

    snprintf(file, sizeof(file),
             BEFORE "  predicates: ['Path=/{segment}/**']\n  filters:\n  - %s\n", f);
    return file;
}

static void assert_said(const char *yaml, const char *said)
{
    struct loaded l = load(yaml);

    assert_string_equal(l.said.ptr, said);
    unload(&l);
}

#define PREDICATE_SAYS(p, said)                                                                    \
    assert_said(with_predicate(p), "t:5:5: error: routes[0].predicates[0]: " said "\n")
#define FILTER_SAYS(f, said)                                                                       \
    assert_said(with_filter(f), "t:6:5: error: routes[0].filters[0]: " said "\n")

static struct loaded load_filter(const char *f)
{
    struct loaded l = load(with_filter(f));

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(l.config->routes[0].filter_count, 1);
    return l;
}

static struct loaded load_predicate(const char *p)
{
    struct loaded l = load(with_predicate(p));

    assert_string_equal(l.said.ptr, "");
    assert_int_equal(l.config->routes[0].predicate_count, 1);
    return l;
}

static void assert_paths(const char *yaml, const char *text, bool slash)
{
    struct loaded l = load_predicate(yaml);
    struct config_predicate *p = l.config->routes[0].predicates;

    assert_int_equal(p->kind, PREDICATE_PATH);
    assert_int_equal(p->value_count, 2);
    assert_str(p->values[0], "/red/{x}");
    assert_str(p->values[1], "/blue/**");
    assert_int_equal(p->match_trailing_slash, slash);
    assert_str(p->text, text);
    unload(&l);
}

static void a_list_with_a_flag_reads_the_same_in_all_forms(void **state)
{
    assert_paths("Path=/red/{x},/blue/**", "Path=/red/{x},/blue/**", true);
    assert_paths("' Path = /red/{x} , /blue/** , false '", "Path = /red/{x} , /blue/** , false",
                 false);
    assert_paths("{name: Path, args: {patterns: ['/red/{x}', /blue/**]}}", "Path=/red/{x},/blue/**",
                 true);
    assert_paths("{name: Path, args: {patterns: '/red/{x},/blue/**', matchTrailingSlash: false}}",
                 "Path=/red/{x},/blue/**,false", false);
    assert_paths("{name: Path, args: {patterns.0: '/red/{x}', patterns.1: blue/**, "
                 "match-trailing-slash: false}}",
                 "Path=/red/{x},blue/**,false", false);
    assert_paths("{name: Path, args: {_genkey_0: '/red/{x}', _genkey_1: /blue/**, "
                 "_genkey_2: 'true'}}",
                 "Path=/red/{x},/blue/**,true", true);
    assert_paths("{name: Path, args: {'patterns[0]': '/red/{x}', 'patterns[1]': /blue/**}}",
                 "Path=/red/{x},/blue/**", true);
}

static void a_filter_reads_the_same_in_all_forms(void **state)
{
    static const char *const forms[] = {
        "AddResponseHeader=X-A, b {segment}, false",
        "{name: AddResponseHeader, args: {name: X-A, value: 'b {segment}', override: false}}",
        ("{name: AddResponseHeader, args: {_genkey_0: X-A, _genkey_1: 'b {segment}', "
         "_genkey_2: false}}"),
    };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct loaded l = load_filter(forms[i]);
        struct config_filter *f = l.config->routes[0].filters;

        assert_int_equal(f->kind, FILTER_ADD_RESPONSE_HEADER);
        assert_str(f->name, "X-A");
        assert_str(f->value, "b {segment}");
        assert_false(f->flag);
        unload(&l);
    }
}

static void the_long_form_holds_commas(void **state)
{
    struct loaded l = load_predicate("{name: Header, args: {header: X-Id, regexp: '[0-9]{1,3}'}}");

    assert_str(l.config->routes[0].predicates->regex->text, "[0-9]{1,3}");
    unload(&l);
    PREDICATE_SAYS("'Header=X-Id, [0-9]{1,3}'",
                   "Header takes at most 2 arguments, here are 3 (a value with a comma needs the "
                   "long form: name and args)");
    PREDICATE_SAYS("'Path=/{id:[0-9]{1,3}}'",
                   "Path \"/{id:[0-9]{1\": { without }, at character 2 (a comma separates "
                   "patterns; in an expression it needs the long form: name and args)\n"
                   "t:5:5: error: routes[0].predicates[0]: Path \"/3}}\": } without {, at "
                   "character 3");
}

static void predicates_keep_what_they_compare(void **state)
{
    struct loaded l = load_predicate("Header=X-Id");

    assert_str(l.config->routes[0].predicates->name, "X-Id");
    assert_null(l.config->routes[0].predicates->regex);
    unload(&l);
    l = load_predicate("Query=color, gr(e|a)y");
    assert_str(l.config->routes[0].predicates->name, "color");
    assert_non_null(l.config->routes[0].predicates->regex->code);
    unload(&l);
    l = load_predicate("Host=**.example.org, {sub}.example.net:8080");
    assert_int_equal(l.config->routes[0].predicates->value_count, 2);
    assert_str(l.config->routes[0].predicates->values[1], "{sub}.example.net:8080");
    unload(&l);
}

static void filters_have_springs_defaults(void **state)
{
    struct loaded l = load_filter("StripPrefix");

    assert_int_equal(l.config->routes[0].filters->number, 1);
    unload(&l);
    l = load_filter("{name: StripPrefix}");
    assert_int_equal(l.config->routes[0].filters->number, 1);
    assert_str(l.config->routes[0].filters->text, "StripPrefix");
    unload(&l);
    l = load_filter("AddResponseHeader=A, b");
    assert_true(l.config->routes[0].filters->flag);
    unload(&l);
    l = load_filter("RedirectTo=302, https://example.org/a?b=c");
    assert_false(l.config->routes[0].filters->flag);
    assert_str(l.config->routes[0].filters->value, "https://example.org/a?b=c");
    unload(&l);
}

static void a_status_is_a_number_or_a_name(void **state)
{
    struct loaded l = load_filter("SetStatus=BAD_REQUEST");

    assert_int_equal(l.config->routes[0].filters->number, 400);
    unload(&l);
    l = load_filter("SetStatus=503");
    assert_int_equal(l.config->routes[0].filters->number, 503);
    unload(&l);
    l = load_filter("RedirectTo=permanent_redirect, /new");
    assert_int_equal(l.config->routes[0].filters->number, 308);
    unload(&l);
    FILTER_SAYS("SetStatus=600", "SetStatus status \"600\": expected a status from 200 to 599, or "
                                 "a name like BAD_REQUEST");
    FILTER_SAYS("SetStatus=BAD_REQEST", "SetStatus status \"BAD_REQEST\": expected a status from "
                                        "200 to 599, or a name like BAD_REQUEST");
    FILTER_SAYS("SetStatus=100", "SetStatus status \"100\": expected a status from 200 to 599, or "
                                 "a name like BAD_REQUEST");
    FILTER_SAYS("RedirectTo=200, /x", "RedirectTo status \"200\": expected a status from 300 to "
                                      "399, or a name like FOUND");
}

static void a_replacement_refers_to_groups_that_exist(void **state)
{
    struct loaded l = load_filter("RewritePath=/red/?(?<rest>.*), /$\\{rest}");

    assert_str(l.config->routes[0].filters->value, "/${rest}");
    assert_str(l.config->routes[0].filters->regex->text, "/red/?(?<rest>.*)");
    unload(&l);
    l = load_filter("RewritePath=/(a)/(?<x>b), /$2/${x}");
    unload(&l);
}

static void a_replacement_with_a_wrong_group_is_refused(void **state)
{
    FILTER_SAYS("RewritePath=/red/(.*), /$2", "RewritePath replacement \"/$2\": the expression "
                                              "has no group with this number");
    FILTER_SAYS("RewritePath=/red/(?<rest>.*), /$\\{rst}",
                "RewritePath replacement \"/$\\\\{rst}\": the expression has no group with this "
                "name");
    FILTER_SAYS("RewritePath=/red, /$", "RewritePath replacement \"/$\": $ needs the number or "
                                        "{name} of a group behind it");
}

static void names_are_known_or_nearly(void **state)
{
    PREDICATE_SAYS("Pth=/x", "unknown predicate \"Pth\"; did you mean Path?");
    PREDICATE_SAYS("method=GET", "unknown predicate \"method\"; did you mean Method?");
    PREDICATE_SAYS("Weight=g, 3", "weir does not have Spring's predicate Weight");
    FILTER_SAYS("SecureHeaders", "weir does not have Spring's filter SecureHeaders");
    FILTER_SAYS("AddRequestHeaders=a, b",
                "unknown filter \"AddRequestHeaders\"; did you mean AddRequestHeader?");
    FILTER_SAYS("Frobnicate", "unknown filter \"Frobnicate\"");
    assert_said(with_filter("{name: SetPath, args: {templat: /x}}"),
                "t:6:28: error: routes[0].filters[0]: SetPath has no argument \"templat\"; it has "
                "template; did you mean template?\n");
    assert_said(with_filter("{nam: SetPath}"),
                "t:6:6: error: routes[0].filters[0]: unknown key \"nam\"; a filter is a text like "
                "StripPrefix=2 or a map with name and args\n");
}

static void a_colon_for_an_equals_sign_is_explained(void **state)
{
    assert_said(
        with_filter("StripPrefix: 1"),
        "t:6:5: error: routes[0].filters[0]: write StripPrefix with = and not with a colon, "
        "as in StripPrefix=2\n");
}

static void arguments_are_complete_and_not_too_many(void **state)
{
    PREDICATE_SAYS("Path", "Path needs the argument \"patterns\", as in "
                           "Path=/users/**,/people/{id}");
    FILTER_SAYS("SetPath=", "SetPath needs the argument \"template\", as in SetPath=/{segment}");
    FILTER_SAYS("AddRequestHeader=X-A",
                "AddRequestHeader needs the argument \"value\", as in AddRequestHeader=X-Zone, "
                "{zone}");
    FILTER_SAYS("PreserveHostHeader=true",
                "PreserveHostHeader takes at most 0 arguments, here are 1 (a value with a comma "
                "needs the long form: name and args)");
    FILTER_SAYS("[StripPrefix=1]", "found a list; a filter is a text like StripPrefix=2 or a map "
                                   "with name and args");
}

static void headers_cannot_be_forged(void **state)
{
    FILTER_SAYS("'AddRequestHeader=X A, b'",
                "AddRequestHeader name \"X A\": not the name of a header field (letters, digits "
                "and !#$%&'*+-.^_`|~)");
    FILTER_SAYS("\"AddRequestHeader=X-A, b\\r\\nX-B: c\"",
                "AddRequestHeader value \"b\\r\\nX-B: c\": a header field holds no line ends or "
                "other control characters");
    FILTER_SAYS("\"SetResponseHeader=X-A, b\\0c\"",
                "SetResponseHeader value \"b\\u0000c\": a header field holds no line ends or "
                "other control characters");
    FILTER_SAYS("SetRequestHeader=content-length, 5",
                "SetRequestHeader name \"content-length\": this field frames messages or belongs "
                "to one connection; the gateway writes it itself");
    FILTER_SAYS("RemoveResponseHeader=Transfer-Encoding",
                "RemoveResponseHeader name \"Transfer-Encoding\": this field frames messages or "
                "belongs to one connection; the gateway writes it itself");
}

static void paths_and_urls_are_checked(void **state)
{
    FILTER_SAYS("PrefixPath=api", "PrefixPath prefix \"api\": a path starts with /");
    FILTER_SAYS("SetPath=/a?b=c", "SetPath template \"/a?b=c\": a path holds no ? or #");
    FILTER_SAYS("'SetPath=/a b'", "SetPath template \"/a b\": blanks and other than ASCII "
                                  "characters are written %XX in a path");
    FILTER_SAYS("RedirectTo=302, ftp://x", "RedirectTo url \"ftp://x\": expected a URL with "
                                           "http:// or https://, or a path that starts with /");
    FILTER_SAYS("\"RedirectTo=302, /a\\r\\nX: y\"",
                "RedirectTo url \"/a\\r\\nX: y\": blanks and other than ASCII characters are "
                "written %XX in a URL");
}

static void methods_are_tokens_in_capitals(void **state)
{
    PREDICATE_SAYS("Method=get",
                   "Method \"get\": methods are case-sensitive; write it in capitals");
    PREDICATE_SAYS("'Method=G T'", "Method \"G T\": not a method");
    assert_said(with_predicate("Method=PURGE"), "");
}

static void regular_expressions_are_bounded(void **state)
{
    char long_one[1100] = "Header=X, ";

    memset(long_one + 10, 'a', 1050);
    PREDICATE_SAYS("Header=X, (a", "Header regexp \"(a\": missing closing parenthesis, at "
                                   "character 3");
    PREDICATE_SAYS("Header=X, (*UTF)a",
                   "Header regexp \"(*UTF)a\": using UTF is disabled by the application, at "
                   "character 7");
    struct loaded l = load(with_predicate(long_one));
    assert_non_null(strstr(l.said.ptr, "pattern string is longer than the limit"));
    unload(&l);
}

static void expressions_of_spring_are_refused(void **state)
{
    FILTER_SAYS("'AddRequestHeader=X-A, #{@bean}'",
                "AddRequestHeader value \"#{@bean}\": expressions in #{...} are Spring's; weir "
                "does not evaluate them");
}

static void default_filters_come_first(void **state)
{
    struct loaded l = load("default-filters: [AddRequestHeader=X-A, {name: PreserveHostHeader}]\n");

    assert_non_null(strstr(l.said.ptr, "default-filters[0]: AddRequestHeader needs the argument "
                                       "\"value\""));
    unload(&l);
    l = load("default-filters: ['AddRequestHeader=X-A, b']\n" BEFORE
             "  predicates: [Path=/a]\n  filters: [StripPrefix]\n"
             "- {uri: \"http://127.0.0.1:1\", predicates: [Path=/b]}\n");
    assert_string_equal(l.said.ptr, "");
    assert_int_equal(l.config->routes[0].filter_count, 2);
    assert_int_equal(l.config->routes[0].filters[0].kind, FILTER_ADD_REQUEST_HEADER);
    assert_int_equal(l.config->routes[0].filters[1].kind, FILTER_STRIP_PREFIX);
    assert_int_equal(l.config->routes[1].filter_count, 1);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_with_a_flag_reads_the_same_in_all_forms),
        cmocka_unit_test(a_filter_reads_the_same_in_all_forms),
        cmocka_unit_test(the_long_form_holds_commas),
        cmocka_unit_test(predicates_keep_what_they_compare),
        cmocka_unit_test(filters_have_springs_defaults),
        cmocka_unit_test(a_status_is_a_number_or_a_name),
        cmocka_unit_test(a_replacement_refers_to_groups_that_exist),
        cmocka_unit_test(a_replacement_with_a_wrong_group_is_refused),
        cmocka_unit_test(names_are_known_or_nearly),
        cmocka_unit_test(a_colon_for_an_equals_sign_is_explained),
        cmocka_unit_test(arguments_are_complete_and_not_too_many),
        cmocka_unit_test(headers_cannot_be_forged),
        cmocka_unit_test(paths_and_urls_are_checked),
        cmocka_unit_test(methods_are_tokens_in_capitals),
        cmocka_unit_test(regular_expressions_are_bounded),
        cmocka_unit_test(expressions_of_spring_are_refused),
        cmocka_unit_test(default_filters_come_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
