/* Active health checks: see health_checker.h. An idle gateway wakes for these timers and for
 * nothing else. */
#include "gateway/health_checker.h"

#include <stdlib.h>

#include <weir/scope.h>

#include "base/duration.h"
#include "base/log.h"
#include "gateway/task.h"
#include "http/client.h"

struct health_checker {
    atomic_uint refs; /* the owner and the coroutine */
    struct task task;
    struct endpoint *endpoint;
    struct config *config;
    const struct config_health *settings; /* in config */
};

static void unref(void *arg)
{
    struct health_checker *h = arg;

    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    endpoint_unref(h->endpoint);
    config_unref(h->config);
    free(h);
}

static int check_tcp(struct health_checker *h)
{
    struct stream *s;
    int rc = stream_dial(&h->endpoint->addr, &s);

    if (rc == 0)
        stream_close(s);
    return rc;
}

/* 0 and the status, or an error. Each check opens a connection of its own: it shows whether one can
 * be opened, too. */
static int check_http(struct health_checker *h, int *ret_status)
{
    const struct config_health *s = h->settings;
    struct http_client client = {.addr = h->endpoint->addr};
    struct http_client_request request = {
        .target = s->path,
        .host = s->host.ptr != NULL ? s->host : h->endpoint->host,
        .fields = STR("User-Agent: weir-health\r\n"),
        .close = true,
    };
    struct http_client_response response;
    int rc = http_client_do(&client, &request, NULL, 0, &response);

    http_client_done(&client);
    if (rc == 0)
        *ret_status = response.status;
    return rc;
}

/* One check; why says what was seen, for people. -ECANCELED: the checker is to end. */
static int check(struct health_checker *h, bool *ret_passed, struct buf *why)
{
    const struct config_health *s = h->settings;
    int status = 0, rc = 0;

    WEIR_DEADLINE (ns_add(weir_now(), s->timeout_ns)) {
        rc = s->path.ptr == NULL ? check_tcp(h) : check_http(h, &status);
    }
    if (rc == -ECANCELED)
        return rc;
    *ret_passed =
        rc == 0 && (s->path.ptr == NULL || (status >= s->status_min && status <= s->status_max));
    if (rc < 0)
        buf_printf(why, "check: %s", strerror(-rc));
    else if (s->path.ptr == NULL)
        buf_puts(why, STR("check: connected"));
    else
        buf_printf(why, "check: status %d", status);
    return 0;
}

static void report(struct health_checker *h, bool passed, struct str why)
{
    struct endpoint *e = h->endpoint;
    struct health_options options = {h->settings->fall, h->settings->rise};
    int64_t now_ns = runtime_now_coarse();
    bool was_usable = health_usable(&e->health);

    metric_inc(passed ? e->metrics.checks_passed : e->metrics.checks_failed);
    bool changed = health_report(&e->health, &options, passed, now_ns), back;

    if (changed) {
        endpoint_set_reason(e, false, STR_FMT, STR_ARG(why));
        log_info("endpoint_health", "endpoint " STR_FMT " is " STR_FMT ": " STR_FMT,
                 STR_ARG(e->address), STR_ARG(health_state_text(health_state(&e->health))),
                 STR_ARG(why));
    }
    back = passed && eject_restore(&e->eject, now_ns);
    if (back || (passed && changed))
        weir_breaker_hasten(&e->breaker, now_ns);
    if (back || (!was_usable && health_usable(&e->health)))
        endpoint_begins(e, now_ns);
    if (back)
        endpoint_set_reason(e, false, "back before its time: " STR_FMT, STR_ARG(why));
}

static void check_loop(void *arg)
{
    struct health_checker *h = arg;
    int64_t wait_ns = health_first_delay(h->settings->interval_ns, runtime_random());
    bool passed;

    while (weir_sleep(wait_ns) == 0) {
        char text[ENDPOINT_REASON_MAX];
        struct buf why = buf_on(text, sizeof(text));

        if (check(h, &passed, &why) < 0)
            return;
        report(h, passed, buf_str(&why));
        wait_ns = health_next_delay(h->settings->interval_ns, runtime_random());
    }
}

int health_checker_start(struct endpoint *e, struct config *config,
                         const struct config_health *settings, struct health_checker **ret)
{
    struct health_checker *h = calloc(1, sizeof(*h));
    int rc;

    if (h == NULL)
        return -ENOMEM;
    atomic_init(&h->refs, 2);
    endpoint_ref(e);
    h->endpoint = e;
    h->config = config_ref(config);
    h->settings = settings;
    rc = task_start(&h->task, "health check", check_loop, unref, h);
    if (rc < 0) {
        unref(h);
        unref(h);
        return rc;
    }
    *ret = h;
    return 0;
}

void health_checker_stop(struct health_checker *h)
{
    if (h == NULL)
        return;
    task_stop(&h->task);
    unref(h);
}

/* Absent and empty are two things. */
static bool same_text(struct str a, struct str b)
{
    if (a.ptr == NULL || b.ptr == NULL)
        return a.ptr == b.ptr;
    return str_eq(a, b);
}

bool health_checker_same(const struct health_checker *h, const struct config_health *s)
{
    const struct config_health *mine = h->settings;

    return s->enabled && same_text(s->path, mine->path) && same_text(s->host, mine->host) &&
           s->interval_ns == mine->interval_ns && s->timeout_ns == mine->timeout_ns &&
           s->fall == mine->fall && s->rise == mine->rise && s->status_min == mine->status_min &&
           s->status_max == mine->status_max;
}
