// libweir for C++17: the same functions, with objects that clean up after themselves.
//
//     int main()
//     {
//         return weir::run([] {
//             weir::channel<int> results(8);
//             weir::scope work;
//             work.go("square", [&] { results.send(6 * 6); });
//             work.join();
//             ...
//             return 0;
//         });
//     }
//
// Exceptions stay within a coroutine: one that leaves it, or what weir::run() runs, is a panic
// there (weir/panic.h). Within, they are what they are elsewhere: a coroutine may park while one is
// being handled, and in destructors while one is on its way. They must not pass through functions
// of this library that call back (handlers of weir/http.h, functions given to weir_try() and the
// like): catch them there, or wrap the function with weir::contain(). A panic in its turn does not
// run destructors; it runs deferred calls.
#ifndef WEIR_WEIR_HPP
#define WEIR_WEIR_HPP

#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <weir/weir.h>

namespace weir
{

// Calls f and returns its result; what it throws becomes a panic of this coroutine.
template <class F> auto contain(F &&f) -> decltype(f())
{
    char what[WEIR_PANIC_MESSAGE];

    try {
        return f();
    } catch (const std::exception &e) {
        std::snprintf(what, sizeof(what), "exception: %s", e.what());
    } catch (...) {
        std::snprintf(what, sizeof(what), "an exception that is no std::exception");
    }
    weir_panic(-ENOTRECOVERABLE, "%s", what); // out here: the exception has been destroyed
}

namespace detail
{

template <class F> void destroy(void *arg)
{
    delete static_cast<F *>(arg);
}

template <class F> void run_owned(void *arg)
{
    WEIR_DEFER(destroy<F>, arg); // a panic, too, frees it

    contain([&] { (*static_cast<F *>(arg))(); });
}

template <class F> int run_once(void *arg)
{
    return contain([&] { return (*static_cast<F *>(arg))(); });
}

template <class F, class Start> int start(F &&f, Start begin)
{
    using Own = std::decay_t<F>;
    std::unique_ptr<Own> own(new (std::nothrow) Own(std::forward<F>(f)));

    if (!own)
        return -ENOMEM;
    int error = begin(run_owned<Own>, own.get());
    if (error == 0)
        own.release(); // it is the coroutine's now
    return error;
}

} // namespace detail

// weir_main() with anything that can be called without arguments and returns int.
template <class F> int run(F f, const weir_options *options = nullptr)
{
    return weir_main(detail::run_once<F>, &f, options);
}

// weir_go() with anything that can be called without arguments. f lives until it has returned.
template <class F> int go(const char *name, F &&f)
{
    return detail::start(std::forward<F>(f),
                         [&](void (*fn)(void *), void *arg) { return weir_go(name, fn, arg); });
}

// weir_go_foreign(): from a thread of somebody else.
template <class F> int go_foreign(const char *name, F &&f)
{
    return detail::start(std::forward<F>(f), [&](void (*fn)(void *), void *arg) {
        return weir_go_foreign(name, fn, arg);
    });
}

// A scope that joins its children where it ends, and cancels them before when an exception ends it.
class scope
{
  public:
    scope() : exceptions(std::uncaught_exceptions())
    {
        weir_scope_enter(&s);
    }
    ~scope()
    {
        s.done = std::uncaught_exceptions() <= exceptions;
        weir_scope_leave(&s);
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;

    template <class F> int go(const char *name, F &&f)
    {
        return detail::start(std::forward<F>(f), [&](void (*fn)(void *), void *arg) {
            return weir_scope_go(&s, name, fn, arg);
        });
    }
    int join()
    {
        return weir_scope_join(&s);
    }
    void cancel()
    {
        weir_scope_cancel(&s);
    }
    weir_scope *get()
    {
        return &s;
    }

  private:
    weir_scope s;
    int exceptions;
};

// WEIR_DEADLINE() as an object: what follows in its block ends at at_ns.
class deadline
{
  public:
    explicit deadline(int64_t at_ns)
    {
        weir_deadline_enter(&d, at_ns);
    }
    ~deadline()
    {
        weir_deadline_leave(&d);
    }
    deadline(const deadline &) = delete;
    deadline &operator=(const deadline &) = delete;

  private:
    weir_deadline d;
};

// For std::lock_guard and std::unique_lock.
class mutex
{
  public:
    void lock()
    {
        weir_mutex_lock(&m);
    }
    bool try_lock()
    {
        return weir_mutex_try_lock(&m);
    }
    void unlock()
    {
        weir_mutex_unlock(&m);
    }

  private:
    weir_mutex m = {};
};

// A channel of values that may be copied byte by byte. Throws std::bad_alloc.
template <class T> class channel
{
    static_assert(std::is_trivially_copyable_v<T>, "a channel copies bytes: send a pointer");

  public:
    explicit channel(size_t cap) : c(weir_chan_new(sizeof(T), cap))
    {
        if (c == nullptr)
            throw std::bad_alloc();
    }
    ~channel()
    {
        weir_chan_free(c);
    }
    channel(const channel &) = delete;
    channel &operator=(const channel &) = delete;

    // As weir_chan_send() and so on.
    int send(const T &value)
    {
        return weir_chan_send(c, &value);
    }
    int recv(T &ret)
    {
        return weir_chan_recv(c, &ret);
    }
    int try_send(const T &value)
    {
        return weir_chan_try_send(c, &value);
    }
    int try_recv(T &ret)
    {
        return weir_chan_try_recv(c, &ret);
    }
    void close()
    {
        weir_chan_close(c);
    }
    weir_chan *get() // for select
    {
        return c;
    }

  private:
    weir_chan *c;
};

} // namespace weir

#endif
