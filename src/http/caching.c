/* The rules of shared caches: see caching.h. */
#include "http/caching.h"

/* -- Cache-Control -- */

static int64_t seconds_of(struct str s)
{
    uint64_t n;

    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        s = str_n(s.ptr + 1, s.len - 2);
    switch (str_to_u64(s, (uint64_t)HTTP_SECONDS_MAX, &n)) {
    case 0:
        return (int64_t)n;
    case -ERANGE:
        return HTTP_SECONDS_MAX;
    default:
        return 0;
    }
}

static void take_seconds(int64_t *at, struct str value)
{
    int64_t n = seconds_of(value);

    *at = *at == HTTP_NO_SECONDS ? n : MIN(*at, n);
}

static void add_directive(struct http_cache_control *c, struct str name, struct str value)
{
    static const struct {
        const char *name;
        size_t offset;
        bool seconds;
    } known[] = {
#define FLAG(name_, field) {name_, offsetof(struct http_cache_control, field), false}
#define SECONDS(name_, field)                                                                      \
    {                                                                                              \
        name_, offsetof(struct http_cache_control, field), true                                    \
    }
        FLAG("no-store", no_store),
        FLAG("no-cache", no_cache),
        FLAG("must-revalidate", must_revalidate),
        FLAG("proxy-revalidate", proxy_revalidate),
        FLAG("public", public_),
        FLAG("private", private_),
        FLAG("only-if-cached", only_if_cached),
        SECONDS("max-age", max_age),
        SECONDS("s-maxage", s_maxage),
        SECONDS("max-stale", max_stale),
        SECONDS("min-fresh", min_fresh),
        SECONDS("stale-while-revalidate", stale_while_revalidate),
        SECONDS("stale-if-error", stale_if_error),
#undef FLAG
#undef SECONDS
    };

    if (value.ptr == NULL && str_eq_nocase(name, STR("max-stale"))) {
        c->max_stale = HTTP_SECONDS_MAX;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        char *at = (char *)c + known[i].offset;

        if (!str_eq_nocase(name, str_of(known[i].name)))
            continue;
        if (known[i].seconds)
            take_seconds((int64_t *)(void *)at, value);
        else
            *(bool *)at = true;
        return;
    }
}

/* Up to the next comma that does not stand in a quoted string. */
static struct str next_member(struct str *rest)
{
    bool quoted = false;
    size_t i = 0;
    struct str member;

    for (; i < rest->len && (quoted || rest->ptr[i] != ','); i++) {
        if (rest->ptr[i] == '"')
            quoted = !quoted;
        else if (quoted && rest->ptr[i] == '\\' && i + 1 < rest->len)
            i++;
    }
    member = str_trim(str_n(rest->ptr, i));
    i += i < rest->len;
    *rest = str_n(rest->ptr + i, rest->len - i);
    return member;
}

void http_cache_control_add(struct http_cache_control *ret, struct str value)
{
    while (value.len != 0) {
        struct str name = next_member(&value), argument = STR_NULL;
        ssize_t equals = str_find(name, '=');

        if (equals >= 0) {
            argument = str_trim(str_n(name.ptr + equals + 1, name.len - (size_t)equals - 1));
            name = str_trim(str_n(name.ptr, (size_t)equals));
        }
        add_directive(ret, name, argument);
    }
}

/* -- fields -- */

static void take_first(struct str *at, struct str value)
{
    if (at->ptr == NULL)
        *at = value;
}

struct scan {
    struct http_caching *ret;
    bool control, pragma;
};

static void scan_field(struct scan *s, struct str name, struct str value)
{
    struct http_caching *r = s->ret;

    if (str_eq_nocase(name, STR("Cache-Control"))) {
        s->control = true;
        http_cache_control_add(&r->control, value);
    } else if (str_eq_nocase(name, STR("Pragma"))) {
        s->pragma |= http_list_has(value, STR("no-cache"));
    } else if (str_eq_nocase(name, STR("Age"))) {
        take_first(&r->age, value);
    } else if (str_eq_nocase(name, STR("Expires"))) {
        take_first(&r->expires, value);
    } else if (str_eq_nocase(name, STR("ETag"))) {
        take_first(&r->etag, value);
    } else if (str_eq_nocase(name, STR("Last-Modified"))) {
        take_first(&r->last_modified, value);
    } else if (str_eq_nocase(name, STR("Vary"))) {
        r->vary = true;
        r->vary_any |= http_list_has(value, STR("*"));
    } else if (str_eq_nocase(name, STR("Set-Cookie"))) {
        r->set_cookie = true;
    } else if (str_eq_nocase(name, STR("If-None-Match")) ||
               str_eq_nocase(name, STR("If-Modified-Since"))) {
        r->conditional = true;
    } else if (str_eq_nocase(name, STR("If-Match")) || str_eq_nocase(name, STR("Range")) ||
               str_eq_nocase(name, STR("If-Range")) ||
               str_eq_nocase(name, STR("If-Unmodified-Since"))) {
        r->conditional_other = true;
    }
}

void http_caching_read(const struct http_head *h, struct http_caching *ret)
{
    struct scan s = {.ret = ret};

    *ret = (struct http_caching){0};
    ret->control.max_age = ret->control.s_maxage = HTTP_NO_SECONDS;
    ret->control.max_stale = ret->control.min_fresh = HTTP_NO_SECONDS;
    ret->control.stale_while_revalidate = ret->control.stale_if_error = HTTP_NO_SECONDS;
    for (uint32_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];

        if (f->dropped)
            continue;
        switch (f->id) {
        case HTTP_F_OTHER:
            scan_field(&s, http_field_name(f), http_field_value(f));
            break;
        case HTTP_F_DATE:
            take_first(&ret->date, http_field_value(f));
            break;
        case HTTP_F_AUTHORIZATION:
            ret->authorization = true;
            break;
        case HTTP_F_COOKIE:
            ret->cookie = true;
            break;
        default:
            break;
        }
    }
    if (s.pragma && !s.control)
        ret->control.no_cache = true;
}

/* -- storing -- */

/* Statuses whose meaning a cache needs to know nothing more about. */
static bool is_understood(int status)
{
    static const uint16_t list[] = {200, 203, 204, 300, 301, 302, 307,
                                    308, 404, 405, 410, 414, 451, 501};

    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        if (status == list[i])
            return true;
    }
    return false;
}

/* Those that last when nobody said so. Errors are left out: a page that is missing now need not be
 * missing in five minutes. */
static bool lasts_by_default(int status)
{
    return status == 200 || status == 203 || status == 300 || status == 301 || status == 308 ||
           status == 410;
}

/* RFC 9111 section 4.2.3 */
static int64_t initial_age(const struct http_store_query *q, int64_t date_sec)
{
    int64_t apparent_sec = MAX(q->answered_sec - date_sec, INT64_C(0));
    int64_t delay_sec = MAX(q->answered_sec - q->asked_sec, INT64_C(0));
    int64_t told_sec = q->response->age.ptr != NULL ? seconds_of(q->response->age) : 0;

    return MAX(apparent_sec, told_sec + delay_sec);
}

/* What the response says about its lifetime, or HTTP_NO_SECONDS (section 4.2.1). */
static int64_t said_lifetime(const struct http_store_query *q, int64_t date_sec)
{
    const struct http_cache_control *c = &q->response->control;
    int64_t expires_sec;

    if (c->s_maxage != HTTP_NO_SECONDS)
        return c->s_maxage;
    if (c->max_age != HTTP_NO_SECONDS)
        return c->max_age;
    if (q->response->expires.ptr == NULL)
        return HTTP_NO_SECONDS;
    if (http_date_parse(q->response->expires, q->answered_sec, &expires_sec) < 0)
        return 0;
    return MAX(expires_sec - date_sec, INT64_C(0));
}

static enum http_store_verdict forbidden(const struct http_store_query *q)
{
    const struct http_cache_control *c = &q->response->control;
    bool shared = c->public_ || c->s_maxage != HTTP_NO_SECONDS;

    if (q->method != HTTP_GET)
        return HTTP_STORE_NOT_METHOD;
    if (!is_understood(q->status))
        return HTTP_STORE_NOT_STATUS;
    if (c->no_store || q->request->control.no_store)
        return HTTP_STORE_NOT_NO_STORE;
    if (c->private_)
        return HTTP_STORE_NOT_PRIVATE;
    if (q->request->authorization && !shared && !c->must_revalidate)
        return HTTP_STORE_NOT_AUTHORIZATION;
    if (q->response->set_cookie && !shared)
        return HTTP_STORE_NOT_SET_COOKIE;
    return q->response->vary_any ? HTTP_STORE_NOT_VARY : HTTP_STORE;
}

enum http_store_verdict http_may_store(const struct http_store_query *q, struct http_freshness *ret)
{
    const struct http_cache_control *c = &q->response->control;
    enum http_store_verdict verdict = forbidden(q);
    struct http_freshness f;
    int64_t date_sec;

    if (verdict != HTTP_STORE)
        return verdict;
    if (http_date_parse(q->response->date, q->answered_sec, &date_sec) < 0)
        date_sec = q->answered_sec;
    f = (struct http_freshness){
        .lifetime_sec = said_lifetime(q, date_sec),
        .initial_age_sec = initial_age(q, date_sec),
        .stale_while_revalidate_sec = c->stale_while_revalidate,
        .stale_if_error_sec = c->stale_if_error,
        .validate_always = c->no_cache,
        .stale_forbidden = c->no_cache || c->must_revalidate || c->proxy_revalidate,
        .stale_forbidden_unless_said = c->s_maxage != HTTP_NO_SECONDS,
    };
    if (f.lifetime_sec == HTTP_NO_SECONDS) {
        if (!lasts_by_default(q->status) || q->request->cookie)
            return HTTP_STORE_NOT_FRESH;
        f.lifetime_sec = q->default_sec;
        if (f.lifetime_sec == HTTP_NO_SECONDS && c->no_cache)
            f.lifetime_sec = 0;
    }
    if (f.lifetime_sec == HTTP_NO_SECONDS)
        return HTTP_STORE_NOT_FRESH;
    if (q->limit_sec != HTTP_NO_SECONDS)
        f.lifetime_sec = MIN(f.lifetime_sec, f.initial_age_sec + q->limit_sec);
    if ((f.lifetime_sec <= f.initial_age_sec || f.validate_always) &&
        q->response->etag.ptr == NULL && q->response->last_modified.ptr == NULL)
        return HTTP_STORE_NOT_FRESH;
    *ret = f;
    return HTTP_STORE;
}

/* -- using -- */

bool http_may_use(const struct http_freshness *f, int64_t age_sec,
                  const struct http_cache_control *request)
{
    int64_t left_sec = f->lifetime_sec - age_sec;

    if (f->validate_always || request->no_cache)
        return false;
    if (request->max_age == 0 || (request->max_age > 0 && age_sec > request->max_age))
        return false; /* max-age=0 is how browsers reload: within the first second, too */
    if (request->min_fresh != HTTP_NO_SECONDS && left_sec < request->min_fresh)
        return false;
    if (left_sec > 0)
        return true;
    return request->max_stale != HTTP_NO_SECONDS && -left_sec <= request->max_stale &&
           !f->stale_forbidden && !f->stale_forbidden_unless_said;
}

bool http_may_use_stale(const struct http_freshness *f, int64_t age_sec, int64_t said_sec,
                        int64_t granted_sec)
{
    int64_t extra_sec = f->stale_forbidden_unless_said ? said_sec : MAX(said_sec, granted_sec);

    return !f->stale_forbidden && extra_sec != HTTP_NO_SECONDS &&
           age_sec - f->lifetime_sec <= extra_sec;
}

/* Weak comparison (RFC 9110 section 8.8.3.2). */
static bool same_etag(struct str a, struct str b)
{
    if (str_starts(a, STR("W/")))
        a = str_n(a.ptr + 2, a.len - 2);
    if (str_starts(b, STR("W/")))
        b = str_n(b.ptr + 2, b.len - 2);
    return a.len != 0 && str_eq(a, b);
}

static bool lists_etag(struct str list, struct str etag)
{
    while (list.len != 0) {
        struct str member = next_member(&list);

        if (str_eq(member, STR("*")) || same_etag(member, etag))
            return true;
    }
    return false;
}

bool http_not_modified(const struct http_head *request, struct str etag, struct str last_modified,
                       int64_t now_sec)
{
    struct str since = STR_NULL;
    bool listed = false;
    int64_t modified_sec, since_sec;

    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct http_field *f = &request->fields[i];

        if (f->dropped || f->id != HTTP_F_OTHER)
            continue;
        if (str_eq_nocase(http_field_name(f), STR("If-None-Match"))) {
            if (lists_etag(http_field_value(f), etag))
                return true;
            listed = true;
        } else if (str_eq_nocase(http_field_name(f), STR("If-Modified-Since"))) {
            take_first(&since, http_field_value(f));
        }
    }
    if (listed || since.ptr == NULL || last_modified.ptr == NULL)
        return false;
    return http_date_parse(since, now_sec, &since_sec) == 0 &&
           http_date_parse(last_modified, now_sec, &modified_sec) == 0 && modified_sec <= since_sec;
}
