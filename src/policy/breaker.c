/* Circuit breaker: all that must change together is one word.
 *
 *   bits 63..61  state
 *   bits 60..40  generation; each change of state and each new lease begins one
 *   bits 39..0   closed, metrics only: failures in a row (16 bits)
 *                open: until when, in ms since birth
 *                half-open: issued (5) | passed (5) | end of the lease in 10 ms, modulo 2^30
 *
 * The transition from open to half-open is the same CAS as the first permit, so no more than
 * `probes` can slip through; the end of an opening is inside the word, so nobody sees the state of
 * one opening with the end of another. */
#include <weir/breaker.h>

#include <errno.h>

#include "base/hash.h"
#include "policy/atomic.h"
#include "policy/window.h"

enum {
    STATE_SHIFT = 61,
    GENERATION_SHIFT = 40,
    PASSED_SHIFT = 30,
    ISSUED_SHIFT = 35,
    PROBES_MAX = 31,
    ROW_MAX = 0xffff,
    LEASE_UNIT_NS = 10 * 1000 * 1000,
    LEASE_MASK = (1 << 30) - 1,
    RECOVERY_PERCENT_MIN = 10,
};

#define GENERATION_MASK ((UINT64_C(1) << 21) - 1)
#define PAYLOAD_MASK    ((UINT64_C(1) << GENERATION_SHIFT) - 1)
#define OPEN_MAX_NS     (INT64_C(365) * 24 * 3600 * NS_PER_SEC)

/* Numbers may change while calls run: weir_breaker_change(). */
#define OPTION(b, field) relaxed_load(&(b)->options_.field)

/* ---- the word ---- */

static enum weir_breaker_state state_of(uint64_t word)
{
    return (enum weir_breaker_state)(word >> STATE_SHIFT);
}

static uint32_t generation_of(uint64_t word)
{
    return (uint32_t)(word >> GENERATION_SHIFT & GENERATION_MASK);
}

/* The word of the generation after this one. */
static uint64_t next_word(uint64_t word, enum weir_breaker_state state, uint64_t payload)
{
    uint64_t generation = (generation_of(word) + 1) & GENERATION_MASK;

    return (uint64_t)state << STATE_SHIFT | generation << GENERATION_SHIFT | payload;
}

static uint32_t failures_in_row(uint64_t word)
{
    return (uint32_t)(word & ROW_MAX);
}

static uint32_t issued_of(uint64_t word)
{
    return word >> ISSUED_SHIFT & PROBES_MAX;
}

static uint32_t passed_of(uint64_t word)
{
    return word >> PASSED_SHIFT & PROBES_MAX;
}

static int64_t age_at(const struct weir_breaker *b, int64_t now_ns)
{
    return MAX(now_ns - b->birth_ns_, 0);
}

/* Rounded up: never earlier than asked for. */
static int64_t open_until_ns(const struct weir_breaker *b, uint64_t word)
{
    return b->birth_ns_ + (int64_t)(word & PAYLOAD_MASK) * NS_PER_MS;
}

static uint64_t open_payload(const struct weir_breaker *b, int64_t until_ns)
{
    return ((uint64_t)age_at(b, until_ns) + NS_PER_MS - 1) / NS_PER_MS & PAYLOAD_MASK;
}

static uint64_t lease_payload(const struct weir_breaker *b, int64_t now_ns)
{
    int64_t end = age_at(b, now_ns) + OPTION(b, lease_ns);

    return UINT64_C(1) << ISSUED_SHIFT |
           ((uint64_t)(end + LEASE_UNIT_NS - 1) / LEASE_UNIT_NS & LEASE_MASK);
}

/* What is left of the lease; not positive: over. Right for leases looked at within 62 days. */
static int64_t lease_left_ns(const struct weir_breaker *b, uint64_t word, int64_t now_ns)
{
    int64_t age = age_at(b, now_ns);
    uint32_t now = (uint32_t)(age / LEASE_UNIT_NS) & LEASE_MASK;
    int32_t units = (int32_t)(((uint32_t)(word & LEASE_MASK) - now) << 2) >> 2;

    return (int64_t)units * LEASE_UNIT_NS - age % LEASE_UNIT_NS;
}

/* ---- options ---- */

struct weir_breaker_options weir_breaker_defaults(void)
{
    return (struct weir_breaker_options){
        .size = sizeof(struct weir_breaker_options),
        .consecutive_failures = 5,
        .failure_percent = 50,
        .calls_min = 20,
        .ladder_calls_min = 5,
        .window_ns = 10 * NS_PER_SEC,
        .open_ns = 30 * NS_PER_SEC,
        .open_max_ns = 30 * NS_PER_SEC,
        .probes = 1,
        .lease_ns = 10 * NS_PER_SEC,
    };
}

static bool options_valid(const struct weir_breaker_options *o)
{
    bool window = o->window_calls == 0 ? o->window_ns >= 10 && o->window_ns <= OPEN_MAX_NS
                                       : o->window_calls <= 1024;

    return o->size == sizeof(*o) && window && o->consecutive_failures <= ROW_MAX &&
           o->failure_percent <= 100 && o->slow_percent <= 100 && o->slow_ns >= 0 &&
           o->open_ns > 0 && o->open_ns <= OPEN_MAX_NS && o->open_max_ns <= OPEN_MAX_NS &&
           o->open_jitter_percent <= 100 && o->probes >= 1 && o->probes <= PROBES_MAX &&
           o->lease_ns > 0 && o->lease_ns <= OPEN_MAX_NS / 12 && o->recovery_ns >= 0;
}

int weir_breaker_init(struct weir_breaker *b, const struct weir_breaker_options *options,
                      int64_t now_ns)
{
    if (!options_valid(options))
        return -EINVAL;
    *b = (struct weir_breaker){
        .birth_ns_ = now_ns, .closed_ns_ = INT64_MIN / 2, .options_ = *options};
    if (options->window_calls == 0)
        window_init(b);
    return 0;
}

int weir_breaker_change(struct weir_breaker *b, const struct weir_breaker_options *options,
                        int64_t now_ns)
{
    struct weir_breaker_options *o = &b->options_;

    if (!options_valid(options) || options->window_calls != o->window_calls)
        return -EINVAL;
    relaxed_store(&o->consecutive_failures, options->consecutive_failures);
    relaxed_store(&o->failure_percent, options->failure_percent);
    relaxed_store(&o->slow_percent, options->slow_percent);
    relaxed_store(&o->slow_ns, options->slow_ns);
    relaxed_store(&o->calls_min, options->calls_min);
    relaxed_store(&o->ladder_calls_min, options->ladder_calls_min);
    relaxed_store(&o->open_ns, options->open_ns);
    relaxed_store(&o->open_max_ns, options->open_max_ns);
    relaxed_store(&o->open_jitter_percent, options->open_jitter_percent);
    relaxed_store(&o->probes, options->probes);
    relaxed_store(&o->lease_ns, options->lease_ns);
    relaxed_store(&o->recovery_ns, options->recovery_ns);
    relaxed_store(&b->armed_, 1); /* what was counted may reach the new share */
    if (options->window_ns != o->window_ns) {
        relaxed_store(&o->window_ns, options->window_ns);
        window_resize(b, age_at(b, now_ns));
    }
    return 0;
}

/* ---- transitions ---- */

static void tell(struct weir_breaker *b, uint64_t from, uint64_t to,
                 enum weir_breaker_reason reason, int64_t now_ns, int64_t open_ns)
{
    struct weir_breaker_event event = {.from = state_of(from),
                                       .to = state_of(to),
                                       .reason = reason,
                                       .generation = generation_of(to),
                                       .now_ns = now_ns,
                                       .open_ns = open_ns};

    if (b->options_.on_event != NULL)
        b->options_.on_event(b->options_.arg, &event);
}

/* How long the next opening lasts: doubled with each in a row, less the jitter. */
static int64_t next_open_ns(const struct weir_breaker *b)
{
    uint32_t trips = relaxed_load(&b->trips_);
    int64_t max_ns = MAX(OPTION(b, open_ns), OPTION(b, open_max_ns)), open_ns = OPTION(b, open_ns);
    struct rng rng;

    for (uint32_t i = 0; i < trips && open_ns < max_ns; i++)
        open_ns = open_ns > max_ns / 2 ? max_ns : open_ns * 2;
    if (OPTION(b, open_jitter_percent) != 0) {
        rng_seed(&rng, OPTION(b, seed) + trips * UINT64_C(0x9e3779b97f4a7c15));
        open_ns -= (int64_t)rng_below(
            &rng, (uint64_t)(open_ns / 100 * OPTION(b, open_jitter_percent) + 1));
    }
    return open_ns;
}

/* Opens, when the word is still what the verdict came from. */
static bool open_from(struct weir_breaker *b, uint64_t *word, enum weir_breaker_reason reason,
                      int64_t now_ns)
{
    int64_t open_ns = next_open_ns(b);
    uint64_t from = *word;
    uint64_t to = next_word(from, WEIR_BREAKER_OPEN, open_payload(b, now_ns + open_ns));

    if (!cas(&b->word_, word, to))
        return false;
    __atomic_fetch_add(&b->trips_, 1, __ATOMIC_RELAXED);
    tell(b, from, to, reason, now_ns, open_ns);
    return true;
}

/* The counts are cleared before the door opens, while nobody counts: what failed before must not
 * trip again. */
static bool close_from(struct weir_breaker *b, uint64_t *word, int64_t now_ns)
{
    uint64_t from = *word, to = next_word(from, WEIR_BREAKER_CLOSED, 0);

    window_clear(b, age_at(b, now_ns));
    relaxed_store(&b->armed_, 0);
    relaxed_store(&b->closed_ns_, now_ns);
    relaxed_store(&b->ramp_, 0);
    if (!cas(&b->word_, word, to))
        return false;
    relaxed_store(&b->trips_, 0);
    tell(b, from, to, WEIR_BREAKER_PROBES_PASSED, now_ns, 0);
    return true;
}

/* ---- acquire ---- */

static int refuse(struct weir_breaker *b, int64_t after_ns, int64_t *ret_retry_after_ns)
{
    __atomic_fetch_add(&b->refused_, 1, __ATOMIC_RELAXED);
    if (ret_retry_after_ns != NULL)
        *ret_retry_after_ns = after_ns;
    return -EAGAIN;
}

static void pass(struct weir_breaker_token *ret, uint64_t word, int64_t now_ns)
{
    *ret = (struct weir_breaker_token){.start_ns_ = now_ns, .generation_ = generation_of(word)};
}

/* Just closed: a share of the calls, spread evenly by the golden ratio. */
static bool recovery_admits(struct weir_breaker *b, int64_t now_ns)
{
    int64_t passed_ns = now_ns - relaxed_load(&b->closed_ns_);
    uint64_t percent, turn;

    if (passed_ns >= OPTION(b, recovery_ns))
        return true;
    percent = RECOVERY_PERCENT_MIN +
              (100 - RECOVERY_PERCENT_MIN) *
                  (uint64_t)((double)MAX(passed_ns, 0) * 1000 / (double)OPTION(b, recovery_ns)) /
                  1000;
    turn = __atomic_fetch_add(&b->ramp_, 1, __ATOMIC_RELAXED);
    return (uint32_t)(turn * UINT32_C(0x9e3779b9)) < percent * (UINT32_MAX / 100);
}

/* Open and due, or half-open: takes a permit, in a new lease where the last one is over. */
static int acquire_probe(struct weir_breaker *b, uint64_t word, int64_t now_ns,
                         struct weir_breaker_token *ret, int64_t *ret_retry_after_ns)
{
    for (;;) {
        enum weir_breaker_state state = state_of(word);
        int64_t left_ns = state == WEIR_BREAKER_OPEN ? open_until_ns(b, word) - now_ns
                                                     : lease_left_ns(b, word, now_ns);
        uint64_t from = word, to;

        if (state != WEIR_BREAKER_OPEN && state != WEIR_BREAKER_HALF_OPEN)
            return weir_breaker_acquire(b, now_ns, ret, ret_retry_after_ns); /* it has changed */
        if (left_ns <= 0)
            to = next_word(word, WEIR_BREAKER_HALF_OPEN, lease_payload(b, now_ns));
        else if (state == WEIR_BREAKER_HALF_OPEN && issued_of(word) < OPTION(b, probes))
            to = word + (UINT64_C(1) << ISSUED_SHIFT);
        else
            return refuse(b, left_ns, ret_retry_after_ns);
        if (!cas(&b->word_, &word, to))
            continue;
        pass(ret, to, now_ns);
        if (left_ns <= 0)
            tell(b, from, to,
                 state == WEIR_BREAKER_OPEN ? WEIR_BREAKER_PROBE_DUE : WEIR_BREAKER_LEASE_OVER,
                 now_ns, 0);
        return 0;
    }
}

int weir_breaker_acquire(struct weir_breaker *b, int64_t now_ns, struct weir_breaker_token *ret,
                         int64_t *ret_retry_after_ns)
{
    uint64_t word = acquire_load(&b->word_);
    enum weir_breaker_state state = state_of(word);

    if (unlikely(state == WEIR_BREAKER_OPEN || state == WEIR_BREAKER_HALF_OPEN))
        return acquire_probe(b, word, now_ns, ret, ret_retry_after_ns);
    if (unlikely(state == WEIR_BREAKER_FORCED_OPEN))
        return refuse(b, INT64_MAX, ret_retry_after_ns);
    if (unlikely(OPTION(b, recovery_ns) != 0) && state == WEIR_BREAKER_CLOSED &&
        !recovery_admits(b, now_ns))
        return refuse(b, OPTION(b, recovery_ns) / 10, ret_retry_after_ns);
    pass(ret, word, now_ns);
    return 0;
}

bool weir_breaker_admits_(const struct weir_breaker *b, int64_t now_ns, int64_t *ret_retry_after_ns)
{
    uint64_t word = acquire_load(&b->word_);
    int64_t left_ns = INT64_MAX; /* forced open */

    switch (state_of(word)) {
    case WEIR_BREAKER_FORCED_OPEN:
        break;
    case WEIR_BREAKER_OPEN:
        left_ns = open_until_ns(b, word) - now_ns;
        break;
    case WEIR_BREAKER_HALF_OPEN:
        left_ns = issued_of(word) < OPTION(b, probes) ? 0 : lease_left_ns(b, word, now_ns);
        break;
    default:
        return true;
    }
    if (left_ns > 0 && ret_retry_after_ns != NULL)
        *ret_retry_after_ns = left_ns;
    return left_ns <= 0;
}

void weir_breaker_hasten(struct weir_breaker *b, int64_t now_ns)
{
    uint64_t word = acquire_load(&b->word_);

    while (state_of(word) == WEIR_BREAKER_OPEN && open_until_ns(b, word) > now_ns) {
        uint64_t until = (uint64_t)age_at(b, now_ns) / NS_PER_MS;

        if (cas(&b->word_, &word, (word & ~PAYLOAD_MASK) | until))
            return;
    }
}

/* ---- report ---- */

static bool share_reached(uint32_t part, uint32_t calls, uint32_t percent)
{
    return percent != 0 && (uint64_t)part * 100 >= (uint64_t)calls * percent;
}

/* The reason to open that the counts give, or -1. */
static int verdict(struct weir_breaker *b, uint64_t word, bool row_opens, int64_t now_ns)
{
    struct window_counts c;
    bool failing, slow;
    uint32_t row_max = OPTION(b, consecutive_failures);

    if (row_opens && row_max != 0 && failures_in_row(word) >= row_max)
        return WEIR_BREAKER_CONSECUTIVE;
    if (OPTION(b, failure_percent) == 0 && OPTION(b, slow_percent) == 0)
        return -1;
    c = window_counts(b, age_at(b, now_ns));
    failing = c.failures != 0 && share_reached(c.failures, c.calls, OPTION(b, failure_percent));
    slow = c.slow != 0 && share_reached(c.slow, c.calls, OPTION(b, slow_percent));
    relaxed_store(&b->armed_, failing || slow);
    if (c.calls < OPTION(b, calls_min))
        return -1;
    return failing ? WEIR_BREAKER_FAILURE_RATE : slow ? WEIR_BREAKER_SLOW_RATE : -1;
}

/* Counts it among the failures in a row, or ends the row. False: the generation is over. */
static bool note_in_row(struct weir_breaker *b, uint64_t *word, uint32_t generation, bool failed)
{
    for (;;) {
        uint64_t to =
            failed ? *word + (failures_in_row(*word) < ROW_MAX) : *word & ~(uint64_t)ROW_MAX;

        if (to == *word || cas(&b->word_, word, to)) {
            *word = to;
            return true;
        }
        if (generation_of(*word) != generation)
            return false;
    }
}

/* What is not just another call that went well. */
static __attribute__((noinline)) bool judge(struct weir_breaker *b, uint64_t word,
                                            uint32_t generation, bool failed, bool row_opens,
                                            int64_t now_ns)
{
    int reason;

    if (!note_in_row(b, &word, generation, failed))
        return state_of(word) == WEIR_BREAKER_OPEN;
    while (state_of(word) == WEIR_BREAKER_CLOSED && generation_of(word) == generation &&
           (reason = verdict(b, word, row_opens, now_ns)) >= 0)
        if (open_from(b, &word, (enum weir_breaker_reason)reason, now_ns))
            return true;
    return state_of(word) == WEIR_BREAKER_OPEN;
}

static __attribute__((noinline)) bool report_probe(struct weir_breaker *b, uint64_t word,
                                                   uint32_t generation, enum weir_outcome outcome,
                                                   int64_t now_ns)
{
    while (generation_of(word) == generation && passed_of(word) < issued_of(word)) {
        uint64_t passed = word + (UINT64_C(1) << PASSED_SHIFT);

        if (outcome == WEIR_OUTCOME_FAILED) {
            if (open_from(b, &word, WEIR_BREAKER_PROBE_FAILED, now_ns))
                return true;
        } else if (outcome == WEIR_OUTCOME_IGNORED) {
            if (cas(&b->word_, &word, word - (UINT64_C(1) << ISSUED_SHIFT)))
                return false;
        } else if (passed_of(passed) >= OPTION(b, probes)) {
            if (close_from(b, &word, now_ns))
                return false;
        } else if (cas(&b->word_, &word, passed)) {
            return false;
        }
    }
    return state_of(word) == WEIR_BREAKER_OPEN;
}

static inline bool report(struct weir_breaker *b, const struct weir_breaker_token *token,
                          enum weir_outcome outcome, bool row_opens, int64_t now_ns)
{
    uint64_t word = acquire_load(&b->word_);
    enum weir_breaker_state state = state_of(word);
    uint32_t generation = token->generation_;
    bool slow = OPTION(b, slow_percent) != 0 && now_ns - token->start_ns_ > OPTION(b, slow_ns);
    bool failed = outcome == WEIR_OUTCOME_FAILED;

    if (unlikely(generation_of(word) != generation)) {
        __atomic_fetch_add(&b->late_, 1, __ATOMIC_RELAXED);
        return state == WEIR_BREAKER_OPEN || state == WEIR_BREAKER_FORCED_OPEN;
    }
    if (unlikely(state == WEIR_BREAKER_HALF_OPEN)) {
        if (slow && outcome == WEIR_OUTCOME_OK)
            outcome = WEIR_OUTCOME_FAILED;
        return report_probe(b, word, generation, outcome, now_ns);
    }
    if (outcome == WEIR_OUTCOME_IGNORED || state == WEIR_BREAKER_DISABLED)
        return false;
    window_add(b, age_at(b, now_ns), failed, slow);
    if (likely(!failed && !slow && failures_in_row(word) == 0 && !relaxed_load(&b->armed_)))
        return false;
    return judge(b, word, generation, failed, row_opens, now_ns);
}

bool weir_breaker_report(struct weir_breaker *b, const struct weir_breaker_token *token,
                         enum weir_outcome outcome, int64_t now_ns)
{
    return report(b, token, outcome, true, now_ns);
}

bool weir_breaker_report_share(struct weir_breaker *b, const struct weir_breaker_token *token,
                               enum weir_outcome outcome, int64_t now_ns)
{
    return report(b, token, outcome, false, now_ns);
}

bool weir_breaker_ladder(struct weir_breaker *b, uint32_t failed_attempts, int64_t now_ns)
{
    static const uint32_t above_percent[] = {100, 50, 70};
    uint64_t word = acquire_load(&b->word_);

    while (state_of(word) == WEIR_BREAKER_CLOSED) {
        if (failed_attempts < 3) {
            struct window_counts c = window_counts(b, age_at(b, now_ns));

            if (c.calls < OPTION(b, ladder_calls_min) ||
                (uint64_t)c.failures * 100 <= (uint64_t)c.calls * above_percent[failed_attempts])
                return false;
        }
        if (open_from(b, &word, WEIR_BREAKER_RETRY_EXHAUSTED, now_ns))
            return true;
    }
    return state_of(word) == WEIR_BREAKER_OPEN || state_of(word) == WEIR_BREAKER_FORCED_OPEN;
}

/* ---- operators and viewers ---- */

int weir_breaker_set(struct weir_breaker *b, enum weir_breaker_state state, int64_t now_ns)
{
    uint64_t word = acquire_load(&b->word_), from, to;

    if (state != WEIR_BREAKER_CLOSED && state != WEIR_BREAKER_FORCED_OPEN &&
        state != WEIR_BREAKER_DISABLED && state != WEIR_BREAKER_METRICS_ONLY)
        return -EINVAL;
    do {
        from = word;
        to = next_word(word, state, 0);
    } while (!cas(&b->word_, &word, to));
    window_clear(b, age_at(b, now_ns));
    relaxed_store(&b->trips_, 0);
    relaxed_store(&b->armed_, 0);
    relaxed_store(&b->closed_ns_, INT64_MIN / 2); /* an operator's reset lets all pass */
    tell(b, from, to, WEIR_BREAKER_OPERATOR, now_ns, 0);
    return 0;
}

struct weir_breaker_view weir_breaker_view(const struct weir_breaker *b, int64_t now_ns)
{
    uint64_t word = acquire_load(&b->word_);
    enum weir_breaker_state state = state_of(word);
    struct window_counts c = window_counts(b, age_at(b, now_ns));
    struct weir_breaker_view v = {
        .state = state,
        .generation = generation_of(word),
        .calls = c.calls,
        .failures = c.failures,
        .slow_calls = c.slow,
        .until_ns = INT64_MAX,
        .refused = relaxed_load(&b->refused_),
        .late = relaxed_load(&b->late_),
    };

    if (state == WEIR_BREAKER_CLOSED || state == WEIR_BREAKER_METRICS_ONLY)
        v.consecutive_failures = failures_in_row(word);
    if (state == WEIR_BREAKER_OPEN)
        v.until_ns = open_until_ns(b, word);
    if (state == WEIR_BREAKER_HALF_OPEN) {
        v.probes_issued = issued_of(word);
        v.probes_passed = passed_of(word);
        v.until_ns = now_ns + lease_left_ns(b, word, now_ns);
    }
    return v;
}

const char *weir_breaker_state_text(enum weir_breaker_state state)
{
    static const char *const text[] = {"closed",      "open",     "half_open",
                                       "forced_open", "disabled", "metrics_only"};

    return (size_t)state < sizeof(text) / sizeof(text[0]) ? text[state] : "unknown";
}

const char *weir_breaker_reason_text(enum weir_breaker_reason reason)
{
    static const char *const text[] = {"consecutive_failures", "failure_rate", "slow_rate",
                                       "retry_exhausted",      "probe_failed", "probe_due",
                                       "probes_passed",        "lease_over",   "operator"};

    return (size_t)reason < sizeof(text) / sizeof(text[0]) ? text[reason] : "unknown";
}
