/* The fields that weir itself looks at: one row each, in the order of enum http_field_id.
 *
 *     F(id, name in lower case, last letter but one, kind)
 *
 * kind: HOP is never forwarded (RFC 9110 section 7.6.1). OWN stays even when Connection names it:
 * taking such a field away would change who is asking, for what, or what weir itself adds. PLAIN is
 * dropped when Connection names it.
 *
 * The letter is there for the perfect hash over (length, that letter) in field_id.h: two rows that
 * meet in one slot do not compile, and then the shift there must be chosen anew. */
#ifdef F
F(HOST, "host", 's', OWN)
F(CONNECTION, "connection", 'o', HOP)
F(CONTENT_LENGTH, "content-length", 't', OWN)
F(TRANSFER_ENCODING, "transfer-encoding", 'n', HOP)
F(KEEP_ALIVE, "keep-alive", 'v', HOP)
F(PROXY_CONNECTION, "proxy-connection", 'o', HOP)
F(PROXY_AUTHENTICATE, "proxy-authenticate", 't', HOP)
F(PROXY_AUTHORIZATION, "proxy-authorization", 'o', HOP)
F(TE, "te", 't', HOP)
F(TRAILER, "trailer", 'e', PLAIN)
F(UPGRADE, "upgrade", 'd', HOP)
F(EXPECT, "expect", 'c', OWN)
F(DATE, "date", 't', OWN)
F(SERVER, "server", 'e', PLAIN)
F(VIA, "via", 'i', OWN)
F(FORWARDED, "forwarded", 'e', OWN)
F(X_FORWARDED_FOR, "x-forwarded-for", 'o', OWN)
F(X_FORWARDED_PROTO, "x-forwarded-proto", 't', OWN)
F(X_FORWARDED_HOST, "x-forwarded-host", 's', OWN)
F(X_FORWARDED_PORT, "x-forwarded-port", 'r', OWN)
F(X_REQUEST_ID, "x-request-id", 'i', OWN)
F(LOCATION, "location", 'o', OWN)
F(CONTENT_TYPE, "content-type", 'p', OWN)
F(AUTHORIZATION, "authorization", 'o', OWN)
F(COOKIE, "cookie", 'i', OWN)
F(RETRY_AFTER, "retry-after", 'e', OWN)
F(MAX_FORWARDS, "max-forwards", 'd', OWN)
F(TRACEPARENT, "traceparent", 'n', OWN)
F(USER_AGENT, "user-agent", 'n', PLAIN)
F(ACCEPT, "accept", 'p', PLAIN)
F(ACCEPT_ENCODING, "accept-encoding", 'n', PLAIN)
F(IDEMPOTENCY_KEY, "idempotency-key", 'e', OWN)
F(X_REAL_IP, "x-real-ip", 'i', OWN)
#endif
