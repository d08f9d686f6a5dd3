/* SetStatus=n: the status of the answer, whoever made it; but what the gateway itself refuses stays
 * a refusal. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

int set_status(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    int rc = chain_next(next, x);

    if (rc == 0 && x->source != RESPONSE_TUNNEL && !exchange_refused(x))
        x->response.status = (int)s->config->number;
    return rc;
}
