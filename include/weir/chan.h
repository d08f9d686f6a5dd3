/* Channels: first in first out, unbuffered (cap 0) or buffered.
 *
 *     WEIR_CHAN_TYPE(jobs, struct job *);          // once, at file scope: struct jobs,
 * jobs_send(), ...
 *
 *     struct jobs q = jobs_new(16);
 *     jobs_send(q, job);                           // elsewhere
 *     WEIR_CHAN_EACH (q.chan, struct job *, job) { // until it is closed and empty
 *         work_on(job);
 *     }
 *
 * A NULL channel is never ready: waiting for one ends with the scope of the caller only. */
#ifndef WEIR_CHAN_H
#define WEIR_CHAN_H

#include <weir/runtime.h>

struct weir_chan;

/* NULL when memory is out. The caller frees it when nobody uses it any more; a weir_select() that
 * names it uses it until it returns. NULL may be freed. */
WEIR_API struct weir_chan *weir_chan_new(size_t elem_bytes, size_t cap);
WEIR_API void weir_chan_free(struct weir_chan *c);

/* Sends one element, copied from elem; parks while the buffer is full (unbuffered: until a receiver
 * takes it). 0; -EPIPE: closed; -ECANCELED, -ETIMEDOUT: nothing was sent. */
WEIR_API int weir_chan_send(struct weir_chan *c, const void *elem) WEIR_PARKS;

/* Receives one element into elem. 1: got one; 0: closed and empty; -ECANCELED, -ETIMEDOUT. */
WEIR_API int weir_chan_recv(struct weir_chan *c, void *elem) WEIR_PARKS;

/* The same with a time (of weir_now()) at which to give up with -ETIMEDOUT; what can be done at
 * once is done, however early the time. The deadline in force still limits both. */
WEIR_API int weir_chan_send_until(struct weir_chan *c, const void *elem, int64_t at_ns) WEIR_PARKS;
WEIR_API int weir_chan_recv_until(struct weir_chan *c, void *elem, int64_t at_ns) WEIR_PARKS;

/* Without waiting: -EAGAIN when it would have to. From any thread. */
WEIR_API int weir_chan_try_send(struct weir_chan *c, const void *elem);
WEIR_API int weir_chan_try_recv(struct weir_chan *c, void *elem);

/* After closing, sends fail, receives drain what is buffered. Wakes everybody who waits. Closing
 * twice is harmless. From any thread. Does not park. */
WEIR_API void weir_chan_close(struct weir_chan *c);

/* How many elements are buffered now, and how many can be. */
WEIR_API size_t weir_chan_len(const struct weir_chan *c);
WEIR_API size_t weir_chan_cap(const struct weir_chan *c);

/* Runs the block once per element received, in a variable of its own; ends when the channel is
 * closed and empty, or when the caller's scope has ended (weir_cancelled() tells). */
#define WEIR_CHAN_EACH(chan_, type_, var_) for (type_ var_; weir_chan_recv((chan_), &(var_)) > 0;)

/* A type for channels of one element type, so that the compiler checks what goes in and out:
 * struct NAME, passed by value, and NAME_new(), NAME_send() and so on for the functions above. The
 * elements are sent by value. NAME_new() may return one whose chan is NULL: memory is out. */
#define WEIR_CHAN_TYPE(name_, type_)                                                               \
    struct name_ {                                                                                 \
        struct weir_chan *chan;                                                                    \
    };                                                                                             \
    __attribute__((unused)) static inline struct name_ name_##_new(size_t cap)                     \
    {                                                                                              \
        struct name_ c = {weir_chan_new(sizeof(type_), cap)};                                      \
        return c;                                                                                  \
    }                                                                                              \
    __attribute__((unused)) static inline void name_##_free(struct name_ c)                        \
    {                                                                                              \
        weir_chan_free(c.chan);                                                                    \
    }                                                                                              \
    __attribute__((unused)) static inline int name_##_send(struct name_ c, type_ value)            \
    {                                                                                              \
        return weir_chan_send(c.chan, &value);                                                     \
    }                                                                                              \
    __attribute__((unused)) static inline int name_##_recv(struct name_ c, type_ *ret)             \
    {                                                                                              \
        return weir_chan_recv(c.chan, ret);                                                        \
    }                                                                                              \
    __attribute__((unused)) static inline int name_##_send_until(struct name_ c, type_ value,      \
                                                                 int64_t at_ns)                    \
    {                                                                                              \
        return weir_chan_send_until(c.chan, &value, at_ns);                                        \
    }                                                                                              \
    __attribute__((unused)) static inline int name_##_recv_until(struct name_ c, type_ *ret,       \
                                                                 int64_t at_ns)                    \
    {                                                                                              \
        return weir_chan_recv_until(c.chan, ret, at_ns);                                           \
    }                                                                                              \
    __attribute__((unused)) static inline int name_##_try_send(struct name_ c, type_ value)        \
    {                                                                                              \
        return weir_chan_try_send(c.chan, &value);                                                 \
    }                                                                                              \
    __attribute__((unused)) static inline int name_##_try_recv(struct name_ c, type_ *ret)         \
    {                                                                                              \
        return weir_chan_try_recv(c.chan, ret);                                                    \
    }                                                                                              \
    __attribute__((unused)) static inline void name_##_close(struct name_ c)                       \
    {                                                                                              \
        weir_chan_close(c.chan);                                                                   \
    }                                                                                              \
    struct name_ /* the semicolon after the macro ends this */

#endif
