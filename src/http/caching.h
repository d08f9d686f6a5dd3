/* What a shared cache may store, and for whom it may use it again (RFC 9111, RFC 5861). Pure: heads
 * and seconds go in, decisions come out. Seconds of dates are Unix time. */
#ifndef WEIR_HTTP_CACHING_H
#define WEIR_HTTP_CACHING_H

#include "base/duration.h"
#include "http/message.h"

/* A directive that is not there, or a number that nobody gave. */
#define HTTP_NO_SECONDS (-1)
/* What a larger number of seconds is taken for (RFC 9111 section 1.2.2). */
#define HTTP_SECONDS_MAX INT64_C(2147483648)

/* Cache-Control of a request or a response. Where a directive is given twice, the smaller number
 * counts; what is no number is 0. no-cache and private with field names are taken for the whole. */
struct http_cache_control {
    bool no_store, no_cache, must_revalidate, proxy_revalidate, public_, private_, only_if_cached;
    int64_t max_age, s_maxage, max_stale, min_fresh; /* max-stale without a number: the maximum */
    int64_t stale_while_revalidate, stale_if_error;
};

/* The fields that caching looks at, found in one pass. Text points into the head; ptr NULL: none.
 * Of a field that must not be repeated the first one counts. */
struct http_caching {
    struct http_cache_control control; /* of a request without Cache-Control: Pragma counts */
    struct str date, age, expires, etag, last_modified;
    bool vary, vary_any;    /* there is Vary; it says * */
    bool set_cookie;        /* of a response */
    bool authorization;     /* of a request, as the next three */
    bool cookie;            /* */
    bool conditional;       /* If-None-Match or If-Modified-Since: the store can answer them */
    bool conditional_other; /* If-Match, If-Unmodified-Since, If-Range, Range: it can not */
};

void http_caching_read(const struct http_head *h, struct http_caching *ret);

/* Adds the directives of one field value. *ret is zeroed, but numbers HTTP_NO_SECONDS, at first. */
void http_cache_control_add(struct http_cache_control *ret, struct str value);

/* How long a stored response may be used. */
struct http_freshness {
    int64_t lifetime_sec;    /* fresh while its age is less */
    int64_t initial_age_sec; /* when it came (RFC 9111 section 4.2.3) */
    int64_t stale_while_revalidate_sec, stale_if_error_sec; /* its own words; HTTP_NO_SECONDS */
    bool validate_always;                                   /* no-cache */
    bool stale_forbidden;             /* must-revalidate and the like: never without validation */
    bool stale_forbidden_unless_said; /* s-maxage: only in the times that the response itself gives
                                       */
};

enum http_store_verdict {
    HTTP_STORE,
    HTTP_STORE_NOT_METHOD,
    HTTP_STORE_NOT_STATUS,
    HTTP_STORE_NOT_NO_STORE,
    HTTP_STORE_NOT_PRIVATE,
    HTTP_STORE_NOT_AUTHORIZATION,
    HTTP_STORE_NOT_SET_COOKIE,
    HTTP_STORE_NOT_VARY,
    HTTP_STORE_NOT_FRESH, /* nothing says how long, or it is over and could not be validated */
};

struct http_store_query {
    enum http_method method;
    const struct http_caching *request, *response;
    int status;
    int64_t asked_sec, answered_sec; /* wall clock, when the request went out, the response came */
    int64_t default_sec; /* for responses that do not say how long themselves, to requests without
                            Cookie; HTTP_NO_SECONDS: these are not stored */
    int64_t limit_sec;   /* never fresh for longer; HTTP_NO_SECONDS: no limit */
};

/* May it be stored (RFC 9111 section 3), and for how long is it fresh (section 4.2)? */
enum http_store_verdict http_may_store(const struct http_store_query *q,
                                       struct http_freshness *ret);

/* True when a stored response of this age may answer the request without asking
 * (section 4.2, 5.2.1): it is fresh, or the request takes stale ones. */
bool http_may_use(const struct http_freshness *f, int64_t age_sec,
                  const struct http_cache_control *request);

/* True when a response past its lifetime may be used for another so many seconds (NO_SECONDS: not)
 * that the response itself (said) or the operator grants: the larger of the two, where nothing
 * forbids it. */
bool http_may_use_stale(const struct http_freshness *f, int64_t age_sec, int64_t said_sec,
                        int64_t granted_sec);

/* True when the conditions of the request (If-None-Match, else If-Modified-Since) say that its
 * sender has the response with these validators already. */
bool http_not_modified(const struct http_head *request, struct str etag, struct str last_modified,
                       int64_t now_sec);

/* Unsafe methods change what is stored (RFC 9110 section 9.2.1). */
static inline bool http_method_safe(enum http_method m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS || m == HTTP_TRACE;
}

#endif
