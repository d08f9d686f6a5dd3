/* Request heads from any bytes, split in any way. */
#include "h1_head.h"

static void parse(struct str data, uint32_t *scanned, const struct h1_limits *limits,
                  struct head_run *ret)
{
    ret->result = h1_parse_request(data, scanned, limits, &ret->head, &ret->refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_head(str_n((const char *)data, size), parse);
    return 0;
}
