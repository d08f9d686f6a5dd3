/* WEIR_API marks what libweir.so exports; everything else is hidden. In C++ it also says that the
 * function has a C name. */
#ifndef WEIR_VISIBILITY_H
#define WEIR_VISIBILITY_H

#ifdef __cplusplus
#define WEIR_API      extern "C" __attribute__((visibility("default")))
#define WEIR_API_DATA extern "C" __attribute__((visibility("default")))
#else
#define WEIR_API      __attribute__((visibility("default")))
#define WEIR_API_DATA extern __attribute__((visibility("default")))
#endif

#endif
