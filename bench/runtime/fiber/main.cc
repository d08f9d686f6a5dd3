// rt_fiber TEST WORKERS COUNT: runs one test on Boost.Fiber and prints what it took. One worker
// takes the round-robin scheduler and pooled stacks; several steal work, and stacks that any thread
// may free. Boost.Fiber has no select, no readers-writer lock and no sockets.
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/fiber/all.hpp>

#include "runtime/meter.h"

namespace fibers = boost::fibers;

namespace
{

constexpr std::size_t stack_bytes = 32 * 1024, buffer = 128;
constexpr unsigned crowd = 8, branches = 10;
constexpr unsigned spread_us = 1000 * 1000, spread_step = 7919;

using channel = fibers::buffered_channel<std::int64_t>;
using rendezvous = fibers::unbuffered_channel<std::int64_t>;

std::unique_ptr<fibers::pooled_fixedsize_stack> pooled; // not safe with several threads

template <typename Fn> fibers::fiber start(Fn &&fn, fibers::launch how = fibers::launch::post)
{
    if (pooled)
        return fibers::fiber(how, std::allocator_arg, *pooled, std::forward<Fn>(fn));
    return fibers::fiber(how, std::allocator_arg, fibers::fixedsize_stack(stack_bytes),
                         std::forward<Fn>(fn));
}

template <typename Fn> void together(unsigned n, Fn fn)
{
    std::vector<fibers::fiber> all;
    for (unsigned i = 0; i < n; i++)
        all.push_back(start([fn, i] { fn(i); }));
    for (auto &f : all)
        f.join();
}

void test_switch(std::uint64_t count, unsigned workers)
{
    auto each = count / (2 * workers);
    auto m = meter_begin();
    together(2 * workers, [=](unsigned) {
        for (auto n = each; n > 0; n--)
            boost::this_fiber::yield();
    });
    meter_print(meter_end(m), each * 2 * workers, "");
}

void test_spawn(std::uint64_t count, unsigned workers)
{
    auto each = count / workers;
    auto m = meter_begin();
    together(workers, [=](unsigned) {
        for (auto n = each; n > 0; n--)
            start([] {}, fibers::launch::dispatch).join();
    });
    meter_print(meter_end(m), each * workers, "");
}

void test_pingpong(std::uint64_t count, unsigned workers)
{
    auto each = count / workers;
    auto m = meter_begin();
    together(workers, [=](unsigned) {
        rendezvous there, back;
        auto other = start([&] {
            for (std::int64_t ball : there)
                back.push(ball);
        });
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(each); i++) {
            there.push(i);
            meter_expect(back.value_pop() == i, "the ball that came back");
        }
        there.close();
        other.join();
    });
    meter_print(meter_end(m), each * workers, "");
}

void pass_through(std::uint64_t each, unsigned pairs)
{
    channel c(buffer);
    std::vector<std::int64_t> sums(pairs);
    std::vector<fibers::fiber> consumers;
    for (unsigned i = 0; i < pairs; i++)
        consumers.push_back(start([&, i] {
            std::int64_t sum = 0;
            for (std::int64_t v : c)
                sum += v;
            sums[i] = sum;
        }));
    together(pairs, [&](unsigned) {
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(each); i++)
            c.push(i);
    });
    c.close();
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < pairs; i++) {
        consumers[i].join();
        sum += static_cast<std::uint64_t>(sums[i]);
    }
    meter_expect(sum == pairs * (each * (each - 1) / 2), "the sum of what was received");
}

void test_chan11(std::uint64_t count, unsigned workers)
{
    auto each = count / workers;
    auto m = meter_begin();
    together(workers, [=](unsigned) { pass_through(each, 1); });
    meter_print(meter_end(m), each * workers, "");
}

void test_chan88(std::uint64_t count, unsigned)
{
    auto m = meter_begin();
    pass_through(count / crowd, crowd);
    meter_print(meter_end(m), count / crowd * crowd, "");
}

void test_mutex(std::uint64_t count, unsigned)
{
    fibers::mutex mutex;
    std::uint64_t counter = 0, each = count / crowd;
    auto m = meter_begin();
    together(crowd, [&](unsigned) {
        for (auto n = each; n > 0; n--) {
            std::lock_guard<fibers::mutex> lock(mutex);
            counter++;
        }
    });
    m = meter_end(m);
    meter_expect(counter == each * crowd, "the counter under the mutex");
    meter_print(m, counter, "");
}

void skynet(rendezvous &out, std::int64_t number, std::int64_t leaves)
{
    if (leaves == 1) {
        out.push(number);
        return;
    }
    rendezvous in;
    std::int64_t sum = 0;
    // The child runs at once: queued, a million of them would be alive at a time.
    for (std::int64_t i = 0; i < branches; i++)
        start([&in, number, leaves,
               i] { skynet(in, number + i * (leaves / branches), leaves / branches); },
              fibers::launch::dispatch)
            .detach();
    for (unsigned i = 0; i < branches; i++)
        sum += in.value_pop();
    out.push(sum);
}

void test_skynet(std::uint64_t count, unsigned)
{
    rendezvous out;
    auto m = meter_begin();
    start([&] { skynet(out, 0, static_cast<std::int64_t>(count)); }).detach();
    auto sum = static_cast<std::uint64_t>(out.value_pop());
    m = meter_end(m);
    meter_expect(sum == count * (count - 1) / 2, "the sum of the leaves");
    meter_print(m, 1, "");
}

std::uint64_t fib(std::uint64_t n)
{
    if (n < 2)
        return n;
    std::uint64_t left = 0;
    auto f = start([&] { left = fib(n - 1); }, fibers::launch::dispatch);
    auto right = fib(n - 2);
    f.join();
    return left + right;
}

void test_fib(std::uint64_t count, unsigned)
{
    std::uint64_t got = 0, a = 0, b = 1;
    auto m = meter_begin();
    start([&] { got = fib(count); }).join();
    m = meter_end(m);
    for (auto n = count; n > 0; n--)
        b += a, a = b - a;
    meter_expect(got == a, "the number");
    meter_print(m, 1, "");
}

void test_sleepers(std::uint64_t count, unsigned)
{
    auto m = meter_begin();
    std::uint64_t alive = count;
    fibers::mutex mutex;
    fibers::condition_variable none;
    for (std::uint64_t i = 0; i < count; i++)
        start(
            [&, i] {
                boost::this_fiber::sleep_for(
                    std::chrono::microseconds(i * spread_step % spread_us));
                std::lock_guard<fibers::mutex> lock(mutex);
                if (--alive == 0)
                    none.notify_one();
            },
            fibers::launch::dispatch)
            .detach();
    std::unique_lock<fibers::mutex> lock(mutex);
    none.wait(lock, [&] { return alive == 0; });
    meter_print(meter_end(m), 1, "");
}

void test_memory(std::uint64_t count, unsigned)
{
    rendezvous gate;
    std::vector<fibers::fiber> all;
    all.reserve(count);
    auto m = meter_begin();
    for (std::uint64_t i = 0; i < count; i++)
        all.push_back(start(
            [&] {
                std::int64_t v;
                gate.pop(v);
            },
            fibers::launch::dispatch));
    m = meter_end(m);
    gate.close();
    for (auto &f : all)
        f.join();
    auto more = ", \"bytes\": " + std::to_string(double(m.memory) / double(count));
    meter_print(m, count, more.c_str());
}

const std::map<std::string, void (*)(std::uint64_t, unsigned)> tests = {
    {"switch", test_switch}, {"spawn", test_spawn},   {"pingpong", test_pingpong},
    {"chan11", test_chan11}, {"chan88", test_chan88}, {"mutex", test_mutex},
    {"skynet", test_skynet}, {"fib", test_fib},       {"sleepers", test_sleepers},
    {"memory", test_memory},
};

// The other threads offer themselves to the stealing scheduler until the test has ended.
class crew
{
  public:
    explicit crew(unsigned workers)
    {
        for (unsigned i = 1; i < workers; i++)
            threads.emplace_back([this, workers] {
                fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(workers, true);
                std::unique_lock<fibers::mutex> lock(mutex);
                ended.wait(lock, [this] { return over; });
            });
        if (workers > 1)
            fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(workers, true);
    }
    ~crew()
    {
        {
            std::lock_guard<fibers::mutex> lock(mutex);
            over = true;
        }
        ended.notify_all();
        for (auto &t : threads)
            t.join();
    }

  private:
    std::vector<std::thread> threads;
    fibers::mutex mutex;
    fibers::condition_variable ended;
    bool over = false;
};

} // namespace

int main(int argc, char **argv)
{
    auto test = argc == 4 ? tests.find(argv[1]) : tests.end();
    if (test == tests.end()) {
        std::fprintf(stderr, "usage: rt_fiber TEST WORKERS COUNT\n");
        return 2;
    }
    auto workers = static_cast<unsigned>(std::atoi(argv[2]));
    if (workers == 1)
        pooled = std::make_unique<fibers::pooled_fixedsize_stack>(stack_bytes);
    crew others(workers);
    test->second(std::strtoull(argv[3], nullptr, 10), workers);
    return 0;
}
