/* Deadlines that travel: see deadline.h. */
#include "gateway/deadline.h"

#include "base/duration.h"
#include "gateway/gateway_impl.h"
#include "runtime/here.h"

static struct str field_name(const struct exchange *x)
{
    return x->route->config->timeouts.deadline_header;
}

/* Digits, and a unit as of gRPC (H M S m u n); without one milliseconds. */
static int parse(struct str s, int64_t *ret_ns)
{
    static const char units[] = "HMSmun";
    static const int64_t unit_ns[] = {
        3600 * NS_PER_SEC, 60 * NS_PER_SEC, NS_PER_SEC, NS_PER_MS, NS_PER_MS / 1000, 1,
    };
    const char *unit = s.len != 0 ? memchr(units, s.ptr[s.len - 1], sizeof(units) - 1) : NULL;
    uint64_t n;

    if (unit != NULL)
        s.len--;
    if (str_to_u64(s, UINT64_C(9999999999), &n) < 0)
        return -EINVAL;
    if (__builtin_mul_overflow((int64_t)n, unit != NULL ? unit_ns[unit - units] : NS_PER_MS,
                               ret_ns))
        *ret_ns = NS_NEVER;
    return 0;
}

void deadline_begin(struct exchange *x)
{
    struct http_field *f;
    int64_t ns;

    x->limit_ns = unlikely(x->elsewhere) ? x->before.deadline_ns : NS_NEVER;
    if (likely(field_name(x).len == 0))
        return;
    f = http_head_find(&x->request, field_name(x));
    if (f != NULL && parse(http_field_value(f), &ns) == 0)
        x->limit_ns = MIN(x->limit_ns, ns_add(x->start_ns, ns));
}

static char *format(struct exchange *x, int64_t left_ns)
{
    int64_t ms = MAX(left_ns / NS_PER_MS, INT64_C(1));

    if (!str_eq_nocase(field_name(x), STR("grpc-timeout")))
        return arena_printf(&x->arena, "%lld", (long long)ms);
    if (ms > 99999999) /* eight digits are the most */
        return arena_printf(&x->arena, "%lldS", (long long)MIN(ms / 1000, INT64_C(99999999)));
    return arena_printf(&x->arena, "%lldm", (long long)ms);
}

bool deadline_pass_on(struct exchange *x)
{
    int64_t until_ns = MIN(x->deadline_ns, x->limit_ns), left_ns;
    char *text;

    if (likely(field_name(x).len == 0) || until_ns == NS_NEVER)
        return true;
    left_ns = until_ns - here_now_ns();
    if (left_ns <= 0) {
        exchange_refuse(x, CAUSE_DEADLINE_EXCEEDED, NULL);
        return false;
    }
    text = format(x, left_ns);
    http_head_drop(&x->request, field_name(x));
    return text != NULL && exchange_add_request_field(x, field_name(x), str_of(text)) == 0;
}
