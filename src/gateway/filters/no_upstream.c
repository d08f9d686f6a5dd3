/* The last filters of chains that lead to no upstream. */
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

int route_not_found(struct exchange *x, const struct chain *next)
{
    return exchange_refuse(x, CAUSE_ROUTE_NOT_FOUND, NULL);
}

int destination_not_found(struct exchange *x, const struct chain *next)
{
    return exchange_refuse(x, CAUSE_DESTINATION_NOT_FOUND, NULL);
}

int answer_empty(struct exchange *x, const struct chain *next)
{
    return exchange_answer(x, 200, STR(""));
}
