/* An HTTP server in ten lines.
 *
 * Every request is served by a coroutine; an idle connection holds none. Serves on 127.0.0.1:8080
 * or on the address given, until it is killed.
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

static int serve(void *address)
{
    return weir_http_serve(address, hello, NULL);
}

int main(int argc, char **argv)
{
    return weir_main(serve, argc > 1 ? argv[1] : "127.0.0.1:8080", NULL) < 0;
}
