/* What the fuzz targets share: taking the input apart. */
#ifndef WEIR_TESTS_FUZZ_H
#define WEIR_TESTS_FUZZ_H

#include <stdlib.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(x)                                                                              \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

/* The first bytes of the input choose; what follows is the message. */
static inline uint8_t fuzz_byte(struct str *in)
{
    uint8_t b = 0;

    if (in->len != 0) {
        b = (uint8_t)*in->ptr++;
        in->len--;
    }
    return b;
}

/* A copy that ends where its memory ends, so that reading past it is noticed. */
static inline char *fuzz_exact(const char *ptr, size_t len)
{
    char *copy = malloc(len != 0 ? len : 1);

    FUZZ_CHECK(copy != NULL);
    if (len != 0)
        memcpy(copy, ptr, len);
    return copy;
}

#endif
