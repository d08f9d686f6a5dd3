/* PreserveHostHeader: the endpoint is told the host that the client asked for. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

int preserve_host_header(struct exchange *x, const struct chain *next)
{
    if (x->request.authority.len != 0)
        x->forward_host = x->request.authority;
    return chain_next(next, x);
}
