/* Waiting for whichever of several sends, receives and times comes first.
 *
 *     switch (WEIR_SELECT(WEIR_RECV(a, &x), WEIR_SEND(b, &y), WEIR_AFTER(50 * WEIR_MS))) {
 *     case 0: ... x came from a, or a is closed ...
 *     case 1: ... y went into b ...
 *     case 2: ... neither within 50 ms ...
 *     default: ... negative: the scope of the caller has ended ...
 *     }
 *
 * Among the cases that are ready each has the same chance. Exactly one case happens, also when
 * several become ready at once, or with a time, a cancellation or a close. */
#ifndef WEIR_SELECT_H
#define WEIR_SELECT_H

#include <weir/chan.h>

enum weir_case_kind {
    WEIR_CASE_RECV,
    WEIR_CASE_SEND,
    WEIR_CASE_AFTER,   /* a time span, from the moment in which nothing was ready */
    WEIR_CASE_UNTIL,   /* a time */
    WEIR_CASE_DEFAULT, /* at once, when nothing is ready */
};

/* Made by the macros below; may be kept in an array and used again. */
struct weir_case {
    enum weir_case_kind kind;
    struct weir_chan *chan; /* NULL: never ready */
    void *elem;             /* where to, or where from (then not written) */
    int *ret_result;        /* NULL, or where what the operation alone would return goes */
    int64_t ns;
};

/* The index of the case that happened; -ECANCELED, -ETIMEDOUT: none, the scope or the deadline of
 * the caller ended the wait. -ENOMEM: with more than 16 channels there was no memory for the
 * records of the wait. No cases at all: waits for the end of the scope. Does not park when a case
 * is ready or there is a default. */
WEIR_API int weir_select(const struct weir_case *cases, size_t count) WEIR_PARKS;

/* The same with the cases as arguments. */
#define WEIR_SELECT(...)                                                                           \
    (__extension__({                                                                               \
        const struct weir_case weir_cases_[] = {__VA_ARGS__};                                      \
        weir_select(weir_cases_, sizeof(weir_cases_) / sizeof(weir_cases_[0]));                    \
    }))

static inline struct weir_case weir_case_of(enum weir_case_kind kind, struct weir_chan *c,
                                            void *elem, int *ret_result, int64_t ns)
{
    struct weir_case wc;

    wc.kind = kind;
    wc.chan = c;
    wc.elem = elem;
    wc.ret_result = ret_result;
    wc.ns = ns;
    return wc;
}

/* WEIR_RECV happens, too, when the channel is closed and empty, and WEIR_SEND when it is closed;
 * the forms with a result say which it was: as weir_chan_recv() 1 or 0, as weir_chan_send() 0 or
 * -EPIPE. */
#define WEIR_RECV(chan_, elem_) weir_case_of(WEIR_CASE_RECV, (chan_), (elem_), NULL, 0)
#define WEIR_SEND(chan_, elem_)                                                                    \
    weir_case_of(WEIR_CASE_SEND, (chan_), (void *)(uintptr_t)(elem_), NULL, 0)
#define WEIR_RECV_RESULT(chan_, elem_, ret_)                                                       \
    weir_case_of(WEIR_CASE_RECV, (chan_), (elem_), (ret_), 0)
#define WEIR_SEND_RESULT(chan_, elem_, ret_)                                                       \
    weir_case_of(WEIR_CASE_SEND, (chan_), (void *)(uintptr_t)(elem_), (ret_), 0)
#define WEIR_AFTER(span_ns_) weir_case_of(WEIR_CASE_AFTER, NULL, NULL, NULL, (span_ns_))
#define WEIR_UNTIL(at_ns_)   weir_case_of(WEIR_CASE_UNTIL, NULL, NULL, NULL, (at_ns_))
#define WEIR_DEFAULT         weir_case_of(WEIR_CASE_DEFAULT, NULL, NULL, NULL, 0)

#endif
