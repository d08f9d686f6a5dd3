/* WEIR_API marks what libweir.so exports; everything else is hidden. */
#ifndef WEIR_VISIBILITY_H
#define WEIR_VISIBILITY_H

#define WEIR_API __attribute__((visibility("default")))

#endif
