/* The two forms in which weir explain answers. */
#ifndef WEIR_CLI_EXPLAIN_H
#define WEIR_CLI_EXPLAIN_H

#include "base/text.h"
#include "gateway/explain.h"

void explain_write_text(const struct explanation *e, struct text *out);

/* -ENOMEM. */
int explain_write_json(const struct explanation *e, struct text *out);

#endif
