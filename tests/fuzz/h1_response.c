/* Response heads from any bytes, split in any way, to several methods. */
#include "h1_head.h"

static enum http_method method;

static void parse(struct str data, uint32_t *scanned, const struct h1_limits *limits,
                  struct head_run *ret)
{
    ret->result = h1_parse_response(data, scanned, limits, method, &ret->head, &ret->refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_method methods[] = {HTTP_GET, HTTP_HEAD, HTTP_CONNECT};
    struct str in = str_n((const char *)data, size);

    method = methods[fuzz_byte(&in) % 3];
    fuzz_head(in, parse);
    return 0;
}
