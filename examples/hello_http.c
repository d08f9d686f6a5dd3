/* An HTTP server in ten lines.
 *
 * Every request is served by a coroutine; an idle connection holds none. A client that is slow in
 * asking or in listening is let go, a body that is too large is refused, and SIGTERM lets the
 * requests in flight end. Serves on 127.0.0.1:8080 or on the address given.
 *
 * Answers:
 *
 *     $ curl http://127.0.0.1:8080/world
 *     hello from /world
 */
#include <weir/weir.h>

static int hello(struct weir_http_request *q, struct weir_http_response *r)
{
    return weir_http_printf(r, "hello from %s\n", weir_http_path(q));
}

int main(int argc, char **argv)
{
    return weir_http_main(argc > 1 ? argv[1] : "127.0.0.1:8080", hello, NULL);
}
