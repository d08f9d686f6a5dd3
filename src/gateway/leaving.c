/* Clients that leave while their request waits: see leaving.h. */
#include "gateway/leaving.h"

int client_gone(struct exchange *x)
{
    (void)exchange_refuse(x, CAUSE_CLIENT_CLOSED, NULL);
    x->cut = true;
    return 0;
}

int client_cancelled(struct exchange *x)
{
    return client_left(x) ? client_gone(x) : exchange_refuse(x, CAUSE_STOPPING, NULL);
}
