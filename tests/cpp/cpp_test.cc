// libweir from C++: lambdas as coroutines, channels, select, scopes, and exceptions beside parking.
#include <weir/weir.hpp>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                           \
            std::abort();                                                                          \
        }                                                                                          \
    } while (0)

static int run_with(unsigned workers, int (*fn)())
{
    weir_options o = {};

    o.size = sizeof(o);
    o.workers = workers;
    return weir::run([fn] { return fn(); }, &o);
}

static int lambdas_run_as_coroutines()
{
    weir::channel<int> squares(4);
    std::string words = "captured by reference";
    int sum = 0, n, got = 0;

    weir::scope producers;
    for (int i = 1; i <= 10; i++)
        CHECK(producers.go("square", [&squares, i] { CHECK(squares.send(i * i) == 0); }) == 0);
    CHECK(producers.go("closer", [&] { CHECK(words == "captured by reference"); }) == 0);
    while (got < 10 && squares.recv(n) == 1) {
        sum += n;
        got++;
    }
    CHECK(sum == 385);
    CHECK(producers.join() == 0);
    squares.close();
    CHECK(squares.recv(n) == 0);
    CHECK(squares.send(1) == -EPIPE);
    return 0;
}

// The macros of the C headers, as a C++ compiler sees them.
static int macros_of_c_work()
{
    weir::channel<int> a(1), b(1);
    int x = 0, y = 7, blocks = 0;

    WEIR_SCOPE (s) {
        CHECK(weir_scope_go(
                  s, "late",
                  [](void *arg) {
                      weir_sleep(WEIR_MS);
                      static_cast<weir::channel<int> *>(arg)->send(5);
                  },
                  &a) == 0);
        blocks++;
    }
    CHECK(WEIR_SELECT(WEIR_RECV(a.get(), &x), WEIR_AFTER(WEIR_S)) == 0);
    CHECK(x == 5);
    CHECK(WEIR_SELECT(WEIR_RECV(a.get(), &x), WEIR_AFTER(WEIR_MS)) == 1);
    CHECK(WEIR_SELECT(WEIR_RECV(a.get(), &x), WEIR_SEND(b.get(), &y), WEIR_DEFAULT) == 1);
    CHECK(WEIR_SELECT(WEIR_RECV(a.get(), &x), WEIR_DEFAULT) == 1);
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK(a.recv(x) == -ETIMEDOUT);
        blocks++;
    }
    {
        weir::deadline limit(weir_now() + WEIR_MS);
        CHECK(weir_sleep(WEIR_S) == -ETIMEDOUT);
    }
    CHECK(weir_sleep(0) == 0);
    CHECK(blocks == 2);
    return 0;
}

static int a_mutex_fits_the_guards_of_the_library()
{
    weir::mutex m;
    int count = 0;

    {
        weir::scope s;
        for (int i = 0; i < 20; i++)
            CHECK(s.go("count", [&] {
                std::lock_guard<weir::mutex> guard(m);
                int before = count;
                weir_yield();
                count = before + 1;
            }) == 0);
    }
    CHECK(count == 20);
    return 0;
}

static int a_scope_left_by_an_exception_cancels()
{
    bool cancelled = false, caught = false;

    try {
        weir::scope s;
        CHECK(s.go("sleeper", [&] { cancelled = weir_sleep(3600 * WEIR_S) == -ECANCELED; }) == 0);
        CHECK(weir_sleep(WEIR_MS) == 0);
        throw std::runtime_error("out"); // the destructor joins: it parks amid the unwinding
    } catch (const std::runtime_error &e) {
        caught = std::strcmp(e.what(), "out") == 0;
    }
    CHECK(caught && cancelled);
    CHECK(std::uncaught_exceptions() == 0);
    return 0;
}

// Handlers that park and go on in another order, on other threads: each finds its own exception.
static int exceptions_move_with_their_coroutine()
{
    weir::scope s;

    for (int i = 0; i < 200; i++) {
        CHECK(s.go("thrower", [i] {
            for (int j = 0; j < 20; j++) {
                try {
                    try {
                        throw i * 1000 + j;
                    } catch (int) {
                        weir_sleep((i * 7 + j) % 5 * 100 * WEIR_US);
                        throw; // the one that is being handled
                    }
                } catch (int n) {
                    CHECK(n == i * 1000 + j);
                    weir_yield();
                    CHECK(std::current_exception() != nullptr);
                    try {
                        throw std::string(std::to_string(n));
                    } catch (const std::string &text) {
                        weir_yield();
                        CHECK(text == std::to_string(n));
                    }
                    CHECK(std::uncaught_exceptions() == 0);
                }
                CHECK(std::current_exception() == nullptr);
            }
        }) == 0);
    }
    return 0;
}

struct parks_at_its_end {
    explicit parks_at_its_end(int &count) : count(count)
    {
    }
    ~parks_at_its_end()
    {
        int before = std::uncaught_exceptions();

        weir_sleep(count++ % 3 * 100 * WEIR_US);
        CHECK(std::uncaught_exceptions() == before);
    }
    int &count;
};

static int destructors_park_while_an_exception_is_on_its_way()
{
    weir::scope s;
    static int counts[100];

    for (int i = 0; i < 100; i++) {
        CHECK(s.go("unwinder", [i] {
            for (int j = 0; j < 20; j++) {
                try {
                    parks_at_its_end a(counts[i]), b(counts[i]);
                    if (j % 2 == 0)
                        throw j;
                } catch (int n) {
                    CHECK(n == j);
                }
                CHECK(std::uncaught_exceptions() == 0);
            }
        }) == 0);
    }
    return 0;
}

static int an_exception_that_leaves_a_coroutine_is_its_panic()
{
    static int reports;

    reports = 0;
    weir_set_panic_hook(
        [](const weir_panic_info *info, void *) {
            CHECK(std::strcmp(info->message, "exception: nobody catches this") == 0);
            reports++;
        },
        nullptr);
    {
        weir::scope s;
        CHECK(s.go("thrower", [] { throw std::runtime_error("nobody catches this"); }) == 0);
        CHECK(s.join() == 0 || weir_cancelled());
    }
    CHECK(reports == 1);
    weir_set_panic_hook(nullptr, nullptr);
    return 0;
}

static int threads_of_others_send()
{
    weir::channel<int> c(3);
    int sum = 0, n;

    std::thread other([&] {
        for (int i = 1; i <= 100; i++) {
            while (c.try_send(i) == -EAGAIN)
                std::this_thread::yield();
        }
        CHECK(weir::go_foreign("closer", [&] { c.close(); }) == 0);
    });
    while (c.recv(n) == 1)
        sum += n;
    CHECK(sum == 5050);
    other.join();
    return 0;
}

static int greet(weir_http_request *q, weir_http_response *r)
{
    return weir::contain([&] {
        if (std::strcmp(weir_http_path(q), "/throws") == 0)
            throw std::runtime_error("a handler threw");
        std::string text = std::string("hello from ") + weir_http_path(q);
        return weir_http_write(r, text.data(), text.size());
    });
}

static int a_server_in_a_scope()
{
    weir_http_options options = {};
    weir_http_reply *reply = nullptr;
    weir_listener *l;
    char address[WEIR_ADDRESS_MAX];
    std::string url;

    options.size = sizeof(options);
    options.panicked = [](const weir_panic_info *info, void *) {
        CHECK(std::strcmp(info->message, "exception: a handler threw") == 0);
    };
    CHECK(weir_listen("127.0.0.1:0", &l) == 0);
    CHECK(weir_listener_address(l, address, sizeof(address)) == 0);
    url = std::string("http://") + address;
    WEIR_SCOPE (s) {
        struct server {
            weir_listener *l;
            weir_http_options *o;
        } server = {l, &options};

        CHECK(weir_scope_go(
                  s, "server",
                  [](void *arg) {
                      auto *it = static_cast<struct server *>(arg);
                      CHECK(weir_http_serve_on(it->l, greet, nullptr, it->o) == -ECANCELED);
                  },
                  &server) == 0);
        CHECK(weir_http_get(nullptr, (url + "/c++").c_str(), &reply) == 0);
        CHECK(std::string(reply->body) == "hello from /c++");
        weir_http_reply_free(reply);
        CHECK(weir_http_get(nullptr, (url + "/throws").c_str(), &reply) == 0);
        CHECK(reply->status == 500);
        weir_http_reply_free(reply);
        weir_scope_cancel(s);
    }
    return 0;
}

int main()
{
    static const struct {
        const char *name;
        int (*fn)();
    } tests[] = {
        {"lambdas run as coroutines", lambdas_run_as_coroutines},
        {"macros of C work", macros_of_c_work},
        {"a mutex fits the guards of the library", a_mutex_fits_the_guards_of_the_library},
        {"a scope left by an exception cancels", a_scope_left_by_an_exception_cancels},
        {"exceptions move with their coroutine", exceptions_move_with_their_coroutine},
        {"destructors park while an exception is on its way",
         destructors_park_while_an_exception_is_on_its_way},
        {"an exception that leaves a coroutine is its panic",
         an_exception_that_leaves_a_coroutine_is_its_panic},
        {"threads of others send", threads_of_others_send},
        {"a server in a scope", a_server_in_a_scope},
    };

    for (const auto &test : tests) {
        for (unsigned workers = 1; workers <= 4; workers *= 2) {
            std::fprintf(stderr, "[ run ] %s, %u workers\n", test.name, workers);
            CHECK(run_with(workers, test.fn) == 0);
        }
    }
    return 0;
}
