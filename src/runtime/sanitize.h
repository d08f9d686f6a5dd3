/* What the sanitizers must be told about switches between stacks; empty in other builds. */
#ifndef WEIR_RUNTIME_SANITIZE_H
#define WEIR_RUNTIME_SANITIZE_H

#include "runtime/stack.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WEIR_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(WEIR_ASAN)
#define WEIR_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(WEIR_TSAN)
#define WEIR_TSAN 1
#endif

#if defined(WEIR_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(WEIR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* Once per slot, when it is first used: valgrind takes a jump to memory that it knows as a stack
 * for a switch. A few instructions outside of valgrind, and nothing where its header is missing. */
static inline void sanitize_new_stack(const void *low, const void *end)
{
#ifdef VALGRIND_STACK_REGISTER
    (void)VALGRIND_STACK_REGISTER(low, end);
#else
    (void)low;
    (void)end;
#endif
}

/* Everything takes some fifty times as long here, so that what is slow says nothing. */
static inline bool sanitize_slow(void)
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* Bounds of a stack as the address sanitizer wants them. */
struct stack_bounds {
    const void *low;
    size_t size;
};

/* Right before the switch. dies: the coroutine will not be switched to again; its fake stack goes.
 * Every stack has a fake stack of its own: NULL is passed at death only. */
static inline void sanitize_leave(struct co *from, struct co *to, struct stack_bounds to_bounds,
                                  bool dies)
{
#if defined(WEIR_ASAN)
    __sanitizer_start_switch_fiber(dies ? NULL : &from->fake_stack, to_bounds.low, to_bounds.size);
#endif
#if defined(WEIR_TSAN)
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    (void)from, (void)to, (void)to_bounds, (void)dies;
}

/* Right after it, on the stack that was switched to. */
static inline void sanitize_arrive(struct co *self, bool first)
{
#if defined(WEIR_ASAN)
    __sanitizer_finish_switch_fiber(first ? NULL : self->fake_stack, NULL, NULL);
#endif
    (void)self, (void)first;
}

static inline void sanitize_born(struct co *co)
{
#if defined(WEIR_ASAN)
    __asan_unpoison_memory_region(stack_low(co), (size_t)((char *)co - stack_low(co)));
    co->fake_stack = NULL;
#endif
#if defined(WEIR_TSAN)
    co->fiber = __tsan_create_fiber(0);
#endif
    (void)co;
}

/* Frames between here and to, on the same stack, are abandoned. */
static inline void sanitize_abandon(const void *to)
{
#if defined(WEIR_ASAN)
    const char *from = __builtin_frame_address(0);

    __asan_unpoison_memory_region(from, (size_t)((const char *)to - from));
#endif
    (void)to;
}

static inline void sanitize_dead(struct co *co)
{
#if defined(WEIR_TSAN)
    __tsan_destroy_fiber(co->fiber);
#endif
    (void)co;
}

/* A pointer goes through the kernel (epoll) from the one to the other; the thread sanitizer does
 * not know epoll_pwait2. */
static inline void sanitize_send(void *udata)
{
#if defined(WEIR_TSAN)
    __tsan_release(udata);
#endif
    (void)udata;
}

static inline void sanitize_receive(void *udata)
{
#if defined(WEIR_TSAN)
    __tsan_acquire(udata);
#endif
    (void)udata;
}

static inline void sanitize_thread(struct co *g0)
{
#if defined(WEIR_TSAN)
    g0->fiber = __tsan_get_current_fiber();
#endif
    (void)g0;
}

#endif
