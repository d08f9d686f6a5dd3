/* Addresses as text. */
#include "pair.h"

static void text_survives_the_round_trip(void **state)
{
    const char *texts[] = {"127.0.0.1:80",      "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80",
                           "[2001:db8::7]:443", "[::]:0",    "unix:/run/weir.sock",   "unix:x"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char mem[ADDR_TEXT_MAX];
        struct buf b = buf_on(mem, sizeof(mem));
        struct addr a = parse(texts[i]);

        addr_format(&a, &b);
        assert_true(str_eq(buf_str(&b), str_of(texts[i])));
    }
}

static void what_is_no_address_is_refused(void **state)
{
    const char *texts[] = {"",
                           ":",
                           ":80",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1: 1",
                           "127.0.0.1:000080",
                           "127.1:80",
                           "256.0.0.1:80",
                           "localhost:80",
                           "::1:80",
                           "[::1]",
                           "[::1]:",
                           "[::1]80",
                           "[]:80",
                           "[::1:80",
                           "[127.0.0.1]:80",
                           "[fe80::1%eth0]:80",
                           "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80",
                           "unix:"};
    struct addr before, a;

    memset(&a, 0x5a, sizeof(a));
    before = a;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(addr_parse(str_of(texts[i]), &a), -EINVAL);
    assert_int_equal(addr_parse(str_n("127.0.0.1\0:80", 13), &a), -EINVAL);
    assert_int_equal(addr_parse(str_n("unix:/a\0b", 9), &a), -EINVAL);
    assert_memory_equal(&a, &before, sizeof(a));
}

static void a_path_has_its_limit(void **state)
{
    char text[5 + 109] = "unix:";
    char mem[ADDR_TEXT_MAX];
    struct buf b = buf_on(mem, sizeof(mem));
    struct addr a;

    memset(text + 5, 'p', 109);
    assert_int_equal(addr_parse(str_n(text, 5 + 108), &a), -EINVAL);
    assert_int_equal(addr_parse(str_n(text, 5 + 107), &a), 0);
    addr_format(&a, &b);
    assert_false(b.overflow);
    assert_true(str_eq(buf_str(&b), str_n(text, 5 + 107)));
}

static void hosts_and_ports_come_apart(void **state)
{
    struct addr in = parse("10.0.0.1:8080"), in6 = parse("[2001:db8::1]:443"),
                un = parse("unix:/a");
    char mem[ADDR_TEXT_MAX];
    struct buf b = buf_on(mem, sizeof(mem));

    addr_format_host(&in, &b);
    addr_format_host(&in6, &b);
    addr_format_host(&un, &b);
    assert_true(str_eq(buf_str(&b), STR("10.0.0.12001:db8::1unix")));
    assert_int_equal(addr_port(&in), 8080);
    assert_int_equal(addr_port(&in6), 443);
    assert_int_equal(addr_port(&un), 0);
}

static void equal_means_the_same_place(void **state)
{
    const char *texts[] = {"10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80", "[::1]:80",
                           "[::1]:81",    "[::2]:80",    "unix:/a",     "unix:/ab"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
            struct addr a = parse(texts[i]), b = parse(texts[k]);

            assert_int_equal(addr_eq(&a, &b), i == k);
        }
    }
}

static void an_unnamed_unix_socket_has_a_text(void **state)
{
    struct addr a = {.len = sizeof(sa_family_t), .un = {.sun_family = AF_UNIX}};
    char mem[ADDR_TEXT_MAX];
    struct buf b = buf_on(mem, sizeof(mem));

    memset(a.un.sun_path, 'x', sizeof(a.un.sun_path));
    addr_format(&a, &b);
    assert_true(str_eq(buf_str(&b), STR("unix:")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_survives_the_round_trip),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_path_has_its_limit),
        cmocka_unit_test(hosts_and_ports_come_apart),
        cmocka_unit_test(equal_means_the_same_place),
        cmocka_unit_test(an_unnamed_unix_socket_has_a_text),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
