/* The demo's clients. */
#include "cli/demo/load.h"

#include "base/assert.h"

#define PAUSE_MIN_NS    (60 * NS_PER_MS)
#define PAUSE_SPREAD_NS (100 * NS_PER_MS)
#define PATIENCE_NS     (5 * NS_PER_SEC)
#define ID_COUNT        100 /* one of them, 0, does not exist: some 404s for the picture */

static unsigned bucket_of(int64_t ns)
{
    unsigned low = 0, high = METRIC_HISTOGRAM_BOUNDS; /* the last: beyond all bounds */

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (ns <= metric_bound_ns(mid))
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static void record(struct demo_load *l, bool ok, int64_t latency_ns)
{
    unsigned bucket = bucket_of(latency_ns);

    spin_lock(&l->lock);
    l->requests++;
    if (ok)
        l->ok++;
    else
        l->failed++;
    l->latency.buckets[bucket]++;
    l->latency.count++;
    l->latency.sum_ns += (uint64_t)latency_ns;
    spin_unlock(&l->lock);
}

/* One request; false when the client is to end. */
static bool ask(struct demo_load *l, struct http_client *c, struct str target)
{
    const struct http_client_request q = {.target = target, .host = STR("demo.local")};
    struct http_client_response r = {0};
    int64_t begun_ns = weir_now();
    int rc = 0;

    WEIR_DEADLINE (begun_ns + PATIENCE_NS) {
        rc = http_client_do(c, &q, NULL, 0, &r);
    }
    if (rc == -ECANCELED)
        return false;
    record(l, rc == 0 && r.status < 500, weir_now() - begun_ns);
    return true;
}

static void run_client(void *arg)
{
    static const char *const services[] = {"orders", "users", "inventory"};
    struct demo_load *l = arg;
    struct http_client c = {.addr = l->gateway};
    bool going = true;

    for (unsigned turn = 0; going; turn++) {
        char target[64];
        struct buf b = buf_on(target, sizeof(target));
        int64_t pause_ns = PAUSE_MIN_NS + (int64_t)(runtime_random() % PAUSE_SPREAD_NS);

        if (weir_sleep(pause_ns) < 0)
            break;
        buf_printf(&b, "/%s/%u", services[turn % ARRAY_LEN(services)],
                   (unsigned)(runtime_random() % ID_COUNT));
        going = ask(l, &c, buf_str(&b));
    }
    http_client_done(&c);
}

int demo_load_start(struct demo_load *l, struct weir_scope *scope)
{
    for (int i = 0; i < DEMO_CLIENTS; i++) {
        int rc = weir_scope_go(scope, "demo client", run_client, l);

        if (rc < 0)
            return rc;
    }
    return 0;
}

void demo_load_read(struct demo_load *l, struct demo_load_counts *ret)
{
    spin_lock(&l->lock);
    ret->requests = l->requests;
    ret->ok = l->ok;
    ret->failed = l->failed;
    ret->latency = l->latency;
    spin_unlock(&l->lock);
}

int64_t demo_load_quantile(const struct demo_load_counts *before,
                           const struct demo_load_counts *after, double q)
{
    struct metric_snapshot between = after->latency;

    between.count -= before->latency.count;
    between.sum_ns -= before->latency.sum_ns;
    for (size_t i = 0; i < ARRAY_LEN(between.buckets); i++)
        between.buckets[i] -= before->latency.buckets[i];
    return metric_snapshot_quantile(&between, q);
}
