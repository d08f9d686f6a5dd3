/* The admin pages of policies: what there is, and an operator's hand on it. */
#ifndef WEIR_CONTROL_POLICY_PAGES_H
#define WEIR_CONTROL_POLICY_PAGES_H

#include "control/admin.h"

/* GET /api/policies */
int serve_policies(struct admin *a, struct http_call *call, void *arg) WEIR_PARKS;

/* POST /api/policies/ID?action=reset|force_open|disable|enable: answers with the new state. */
int serve_policy_action(struct admin *a, struct http_call *call, void *arg) WEIR_PARKS;

#endif
