/* The public retry budget. */
#include "policy/budget.h"

#include <weir/retry.h>

void weir_budget_init(struct weir_budget *b, uint32_t percent, uint32_t floor)
{
    *b = (struct weir_budget){.percent_ = percent, .floor_ = floor};
}

void weir_budget_enter(struct weir_budget *b)
{
    budget_enter(&b->word_);
}

void weir_budget_leave(struct weir_budget *b)
{
    budget_leave(&b->word_);
}

bool weir_budget_take(struct weir_budget *b)
{
    return budget_take(&b->word_, b->percent_, b->floor_);
}

void weir_budget_give(struct weir_budget *b)
{
    budget_give(&b->word_);
}

struct weir_budget_view weir_budget_view(const struct weir_budget *b)
{
    uint64_t word = relaxed_load(&b->word_);
    uint64_t allowed = budget_allowed(word, b->percent_, b->floor_);

    return (struct weir_budget_view){
        .in_flight = (uint32_t)word,
        .retries = (uint32_t)(word >> 32),
        .allowed = (uint32_t)MIN(allowed, (uint64_t)UINT32_MAX),
    };
}
