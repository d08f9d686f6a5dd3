/* Inside of the reader: filling its buffer, for heads and bodies alike. */
#ifndef WEIR_HTTP_H1_READER_H
#define WEIR_HTTP_H1_READER_H

#include "http/h1.h"

/* Reads as much as there is room for behind the unread bytes, which may move to the floor. Bytes
 * read; 0: the end (also r->eof); or what the stream said. */
ssize_t h1_reader_fill(struct h1_reader *r) WEIR_PARKS;

#endif
