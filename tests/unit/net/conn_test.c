/* <weir/net.h>: connections and listeners under their public names, in both worlds. */
#include <weir/net.h>

#include "base/duration.h"
#include "lab.h"

/* An address of the lab's kind that nobody uses: its listener has port 0. */
static void listen_here(struct weir_listener **ret, char address[WEIR_ADDRESS_MAX])
{
    CHECK_EQ(weir_listen(lab_now->sim != NULL ? "10.0.0.7:70" : "127.0.0.1:0", ret), 0);
    CHECK_EQ(weir_listener_address(*ret, address, WEIR_ADDRESS_MAX), 0);
}

/* Sends back what comes until the end. */
static void echo(void *arg)
{
    struct weir_conn *c = arg;
    char data[1000];
    ssize_t n;

    while ((n = weir_conn_read(c, data, sizeof(data))) > 0)
        CHECK_EQ(weir_conn_write(c, data, (size_t)n), 0);
    CHECK_EQ(n, 0);
    CHECK_EQ(weir_conn_shutdown(c), 0);
    weir_conn_close(c);
}

static void accept_and_echo(void *arg)
{
    struct weir_conn *c;

    CHECK_EQ(weir_accept(arg, &c), 0);
    echo(c);
}

static void echo_body(struct lab *lab)
{
    struct weir_listener *l;
    struct weir_conn *c;
    char address[WEIR_ADDRESS_MAX], peer[WEIR_ADDRESS_MAX], got[8];

    listen_here(&l, address);
    WEIR_SCOPE (scope) {
        struct iovec iov[] = {{(char[]){"ab"}, 2}, {NULL, 0}, {(char[]){"cde"}, 3}};

        CHECK_EQ(weir_scope_go(scope, "echo", accept_and_echo, l), 0);
        CHECK_EQ(weir_dial(address, &c), 0);
        CHECK_EQ(weir_conn_peer(c, peer, sizeof(peer)), 0);
        CHECK_EQ(strcmp(peer, address), 0);
        CHECK_EQ(weir_conn_local(c, peer, sizeof(peer)), 0);
        CHECK(strcmp(peer, address) != 0);
        CHECK_EQ(weir_conn_writev(c, iov, 3), 0);
        CHECK_EQ(weir_conn_read_full(c, got, 5), 0);
        CHECK_EQ(memcmp(got, "abcde", 5), 0);
        CHECK_EQ(weir_conn_write(c, "xyz", 3), 0);
        CHECK_EQ(weir_conn_shutdown(c), 0);
        CHECK_EQ(weir_conn_read_full(c, got, 4), -ECONNRESET); /* the end comes within */
        CHECK_EQ(weir_conn_read_full(c, got, 1), -EPIPE);
        CHECK_EQ(weir_conn_read(c, got, 1), 0);
        CHECK_EQ(weir_conn_read(c, got, 0), -EINVAL);
    }
    weir_conn_close(c);
    weir_listener_close(l);
}

static void bytes_go_there_and_back(void **state)
{
    run_everywhere(echo_body);
}

static void deadline_body(struct lab *lab)
{
    struct weir_listener *l;
    struct weir_conn *c, *none;
    char address[WEIR_ADDRESS_MAX], byte;

    listen_here(&l, address);
    CHECK_EQ(weir_dial(address, &c), 0);
    WEIR_DEADLINE (weir_now() + 5 * NS_PER_MS) {
        CHECK_EQ(weir_conn_read(c, &byte, 1), -ETIMEDOUT);
        CHECK_EQ(weir_conn_write(c, "a", 1), -ETIMEDOUT);
        CHECK_EQ(weir_dial(address, &none), -ETIMEDOUT);
    }
    weir_conn_close(c);
    CHECK_EQ(weir_accept(l, &c), 0); /* what was dialled first */
    weir_conn_reset(c);
    weir_listener_close(l);
}

static void calls_end_with_the_deadline_of_their_scope(void **state)
{
    run_everywhere(deadline_body);
}

static void names_body(struct lab *lab)
{
    static const char *const wrong[] = {"",       "80",      "localhost", "127.0.0.1:",
                                        "a:b:c:", "[::1]",   "a:99999",   "127.0.0.1:70000",
                                        "unix:",  "[::1]:x", ":",         "256.0.0.1:x"};
    struct weir_listener *l;
    struct weir_conn *c = NULL;
    char text[4];

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        CHECK_EQ(weir_listen(wrong[i], &l), -EINVAL);
        CHECK_EQ(weir_dial(wrong[i], &c), -EINVAL);
    }
    CHECK_EQ(weir_listen(NULL, &l), -EINVAL);
    CHECK_EQ(weir_dial(NULL, &c), -EINVAL);
    CHECK(c == NULL);
    CHECK_EQ(weir_listen(":0", &l), 0);
    CHECK_EQ(weir_listener_address(l, text, sizeof(text)), -ENOBUFS);
    weir_listener_close(l);
    weir_listener_close(NULL);
    weir_conn_close(NULL);
}

static void what_is_no_address_is_refused(void **state)
{
    run_everywhere(names_body);
}

static void resolve_body(struct lab *lab)
{
    struct weir_listener *l;
    struct weir_conn *c;
    char address[WEIR_ADDRESS_MAX], name[WEIR_ADDRESS_MAX];

    listen_here(&l, address);
    snprintf(name, sizeof(name), "localhost%s", strchr(address, ':'));
    CHECK_EQ(weir_dial(name, &c), 0); /* ::1, where there is one, refuses; the next one is tried */
    weir_conn_close(c);
    CHECK(weir_dial("no-such-host.invalid:80", &c) < 0);
    WEIR_DEADLINE (weir_now() - NS_PER_SEC) {
        CHECK_EQ(weir_dial(name, &c), -ETIMEDOUT);
    }
    weir_listener_close(l);
}

static void names_are_looked_up(void **state)
{
    lab_run(0, resolve_body);
}

static void unix_body(struct lab *lab)
{
    struct weir_listener *l;
    struct weir_conn *c;
    char path[64], address[WEIR_ADDRESS_MAX];

    snprintf(path, sizeof(path), "unix:/tmp/weir-conn-test-%llu.sock",
             (unsigned long long)weir_now());
    CHECK_EQ(weir_listen(path, &l), 0);
    CHECK_EQ(weir_listener_address(l, address, sizeof(address)), 0);
    CHECK_EQ(strcmp(address, path), 0);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "echo", accept_and_echo, l), 0);
        CHECK_EQ(weir_dial(path, &c), 0);
        CHECK_EQ(weir_conn_shutdown(c), 0);
        CHECK_EQ(weir_conn_read(c, address, 1), 0);
    }
    weir_conn_close(c);
    weir_listener_close(l);
    remove(path + 5);
}

static void unix_sockets_are_no_different(void **state)
{
    lab_run(0, unix_body);
}

struct caller {
    char address[WEIR_ADDRESS_MAX];
    atomic_int done;
};

enum { TRIPS = 200 };

static void call(void *arg)
{
    struct caller *k = arg;
    struct weir_conn *c;
    char out[100], in[200]; /* a read that fills its buffer asks again */

    CHECK_EQ(weir_dial(k->address, &c), 0);
    for (int i = 0; i < TRIPS; i++) {
        memset(out, i, sizeof(out));
        CHECK_EQ(weir_conn_write(c, out, sizeof(out)), 0);
        CHECK_EQ(weir_conn_read(c, in, sizeof(in)), sizeof(out));
        CHECK_EQ(memcmp(in, out, sizeof(out)), 0);
    }
    CHECK_EQ(weir_conn_shutdown(c), 0);
    CHECK_EQ(weir_conn_read(c, in, 1), 0);
    weir_conn_close(c);
    atomic_fetch_add(&k->done, 1);
}

enum { CALLERS = 10 };

static void trips_body(struct lab *lab)
{
    struct caller k = {.done = 0};
    struct weir_listener *l;
    struct weir_conn *c;

    listen_here(&l, k.address);
    WEIR_SCOPE (scope) {
        for (int i = 0; i < CALLERS; i++)
            CHECK_EQ(weir_scope_go(scope, "call", call, &k), 0);
        for (int i = 0; i < CALLERS; i++) {
            CHECK_EQ(weir_accept(l, &c), 0);
            CHECK_EQ(weir_scope_go(scope, "echo", echo, c), 0);
        }
    }
    CHECK_EQ(k.done, CALLERS);
    weir_listener_close(l);
    if (lab->sim ==
        NULL) { /* a round trip is a send and a receive on each side, and none in vain */
        unsigned trips = CALLERS * TRIPS, ends = CALLERS * 4;

        CHECK(lab->counts->sends == 2 * trips);
        CHECK(lab->counts->recvs <= 2 * trips + ends);
        CHECK(lab->counts->vain <= ends);
    }
}

static void a_round_trip_is_one_send_and_one_receive(void **state)
{
    lab_run(0, trips_body);
    lab_run(7, trips_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_there_and_back),
        cmocka_unit_test(calls_end_with_the_deadline_of_their_scope),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(unix_sockets_are_no_different),
        cmocka_unit_test(a_round_trip_is_one_send_and_one_receive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
