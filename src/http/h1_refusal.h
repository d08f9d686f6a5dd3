/* Every reason to refuse a message, one row each: R(name, status, text). A server answers status;
 * in a response every row counts as 502. The names are for metrics and logs and do not change. */
#ifdef R
/* line endings and bytes */
R(bare_cr, 400, "a carriage return must be followed by a line feed")
R(bare_lf, 400, "a line must end with carriage return and line feed")
R(control_byte, 400, "control bytes are not allowed in a head")
/* request line */
R(empty_lines, 400, "at most two empty lines may stand before a request")
R(bad_request_line, 400, "expected: method, one space, target, one space, version")
R(bad_method, 400, "a method is a token")
R(long_method, 501, "no method of that length is known")
R(bad_target_byte, 400, "a target consists of visible ASCII without a fragment")
R(bad_target, 400, "expected a path, an absolute http(s) URI, or what CONNECT and OPTIONS allow")
R(long_target, 414, "the target is longer than the limit")
R(bad_version, 400, "expected HTTP/1.0 or HTTP/1.1")
R(unknown_version, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
/* status line */
R(bad_status_line, 502, "expected: version, one space, three digits, a space and the reason")
R(bad_status, 502, "a status is between 100 and 599")
/* field lines */
R(obs_fold, 400, "a field must not continue on the next line")
R(space_before_field, 400, "no blank may stand before the first field")
R(space_before_colon, 400, "no blank may stand between a field name and its colon")
R(no_colon, 400, "a field line needs a colon")
R(empty_name, 400, "a field needs a name")
R(bad_name, 400, "a field name is a token")
R(long_name, 431, "the field name is longer than the limit")
R(many_fields, 431, "there are more fields than the limit")
R(long_head, 431, "the head is longer than the limit")
/* meaning */
R(no_host, 400, "an HTTP/1.1 request needs a Host field")
R(two_hosts, 400, "a request has one Host field")
R(bad_host, 400, "expected a host name or address and perhaps a port")
R(bad_content_length, 400, "Content-Length is one decimal number")
R(content_lengths_differ, 400, "several Content-Length values must be the same")
R(te_and_cl, 400, "Transfer-Encoding and Content-Length exclude each other")
R(te_in_http_1_0, 400, "HTTP/1.0 knows no Transfer-Encoding")
R(bad_transfer_encoding, 400, "Transfer-Encoding must be chunked, once and last")
R(unknown_transfer_coding, 501, "no transfer coding but chunked is known")
R(unknown_expectation, 417, "no expectation but 100-continue is known")
R(many_connection_options, 400, "Connection lists more options than the limit")
/* chunked bodies */
R(bad_chunk_size, 400, "a chunk size consists of hexadecimal digits")
R(large_chunk_size, 400, "the chunk size does not fit")
R(bad_chunk_line, 400, "a chunk size is followed by an extension or the end of the line")
R(long_chunk_line, 400, "the chunk line is longer than the limit")
R(many_extensions, 400, "chunk extensions outweigh the data")
R(bad_chunk_end, 400, "chunk data must be followed by the end of the line")
R(forbidden_trailer, 400, "this field has no place in a trailer")
R(long_trailers, 431, "the trailers are longer than the limit")
/* servers */
R(head_timeout, 408, "the request did not arrive in time")
#endif
