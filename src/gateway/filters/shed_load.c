/* Load shedding: while the gateway has more to do than it can, what matters less is refused early,
 * before anything is spent on it (gateway/shedding.c). In every chain while it is configured. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"

int shed_load(struct exchange *x, const struct chain *next)
{
    struct shedding *s = &x->gateway->shedding;
    unsigned priority = exchange_priority(x);

    if (likely(weir_shed_admit(&s->shed, priority, 0, NULL) == 0))
        return chain_next(next, x);
    metric_inc(s->refused);
    return exchange_refuse(x, CAUSE_LOAD_SHED, "pressure %u, priority %u of 3",
                           weir_shed_view(&s->shed).pressure, priority);
}
