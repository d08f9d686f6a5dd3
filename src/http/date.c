/* The latest date that was made, for all to copy. A reader who finds that somebody is changing it
 * makes its own; the text follows from the second alone, so nothing else can be wrong with it. */
#include "http/date.h"

#include <stdatomic.h>

enum { WORDS = (HTTP_DATE_LEN + 7) / 8 };

static struct {
    atomic_uint version; /* odd: being changed */
    _Atomic(int64_t) second;
    _Atomic(uint64_t) words[WORDS];
} latest = {.second = INT64_MIN};

/* The loads are ordered, so an unchanged version at the end vouches for all between. */
static bool copy_latest(unsigned version, int64_t unix_sec, char out[static HTTP_DATE_LEN])
{
    uint64_t words[WORDS];

    if (version % 2 != 0 || atomic_load_explicit(&latest.second, memory_order_acquire) != unix_sec)
        return false;
    for (int i = 0; i < WORDS; i++)
        words[i] = atomic_load_explicit(&latest.words[i], memory_order_acquire);
    if (atomic_load_explicit(&latest.version, memory_order_relaxed) != version)
        return false;
    memcpy(out, words, HTTP_DATE_LEN);
    return true;
}

static void set_latest(unsigned version, int64_t unix_sec, const char text[static HTTP_DATE_LEN])
{
    uint64_t words[WORDS] = {0};

    if (version % 2 != 0 || !atomic_compare_exchange_strong(&latest.version, &version, version + 1))
        return;
    memcpy(words, text, HTTP_DATE_LEN);
    atomic_store_explicit(&latest.second, unix_sec, memory_order_release);
    for (int i = 0; i < WORDS; i++)
        atomic_store_explicit(&latest.words[i], words[i], memory_order_release);
    atomic_store_explicit(&latest.version, version + 2, memory_order_release);
}

void http_date_cached(int64_t unix_sec, char out[static HTTP_DATE_LEN])
{
    unsigned version = atomic_load_explicit(&latest.version, memory_order_acquire);

    if (copy_latest(version, unix_sec, out))
        return;
    http_date_format(unix_sec, out);
    set_latest(version, unix_sec, out);
}
