/* echo_load PORT CONNECTIONS BYTES: the clients of the echo test, the same for every server. Each
 * connection sends a message, waits until all of it has come back, and sends the next. Prints a
 * line when all are open and have made some round trips; for each line `run SECONDS` on its input
 * it then prints a line with what that took. It never sleeps while it runs, so no server pays for
 * waking it, and it polls so seldom that it is faster than any server. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "histogram.h"
#include "tool.h"

enum { MESSAGE_MAX = 4096, EVENTS = 256, WARMUP_TRIPS = 5 };

/* All connections begin at once, and until that has spread out what is measured is the queue of the
 * start: latencies are those of the messages sent later. */
static const int64_t lead_in_ns = 100 * 1000 * 1000;

struct client {
    int sock;
    size_t received; /* of the message on its way */
    int64_t sent_ns;
    uint64_t trips;
};

static struct client *clients;
static unsigned client_count;
static size_t message_bytes;
static char message[MESSAGE_MAX];
static int poller;
static struct histogram latencies;

static void send_one(struct client *c, int64_t now_ns)
{
    c->sent_ns = now_ns;
    c->received = 0;
    if (send(c->sock, message, message_bytes, MSG_NOSIGNAL) != (ssize_t)message_bytes)
        die("cannot send: %s", strerror(errno));
}

/* True when a round trip is complete. */
static bool receive(struct client *c)
{
    char data[MESSAGE_MAX];
    ssize_t n = recv(c->sock, data, sizeof(data), 0);

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        die("the server closed: %s", n < 0 ? strerror(errno) : "end");
    if (memcmp(data, message + c->received, (size_t)n) != 0)
        die("what came back is not what was sent");
    c->received += (size_t)n;
    return c->received == message_bytes;
}

/* All connections go round until the time is over (or each has made so many trips), and every
 * message is back; the latencies of those sent from the given time on are recorded. Returns the
 * number of trips. */
static uint64_t go_round(int64_t from_ns, int64_t until_ns, uint64_t trips_each)
{
    struct epoll_event events[EVENTS];
    int64_t now_ns = clock_ns();
    unsigned under_way = client_count;
    uint64_t trips = 0;

    for (unsigned i = 0; i < client_count; i++) {
        clients[i].trips = 0;
        send_one(&clients[i], now_ns);
    }
    while (under_way > 0) {
        int n = epoll_wait(poller, events, EVENTS, 0);

        if (n == 0)
            sched_yield();
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;

            if (!receive(c))
                continue;
            now_ns = clock_ns();
            if (c->sent_ns >= from_ns)
                histogram_record(&latencies, (uint64_t)(now_ns - c->sent_ns));
            trips++;
            if (now_ns < until_ns || ++c->trips < trips_each)
                send_one(c, now_ns);
            else
                under_way--;
        }
    }
    return trips;
}

static void open_all(const struct sockaddr_in *to)
{
    poller = epoll_create1(0);
    clients = calloc(client_count, sizeof(*clients));
    for (unsigned i = 0; i < client_count; i++) {
        struct client *c = &clients[i];
        struct epoll_event watch = {.events = EPOLLIN | EPOLLET, .data.ptr = c};

        c->sock = connect_to(to);
        if (c->sock < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, c->sock, &watch) != 0)
            die("connection %u: %s", i, strerror(c->sock < 0 ? -c->sock : errno));
    }
}

static void run(double seconds)
{
    int64_t began_ns = clock_ns();
    uint64_t trips;

    memset(&latencies, 0, sizeof(latencies));
    trips = go_round(began_ns + lead_in_ns, began_ns + lead_in_ns + (int64_t)(seconds * 1e9), 0);
    printf("{\"event\": \"done\", \"ops\": %llu, \"wall_ns\": %lld, \"p50_ns\": %llu, "
           "\"p99_ns\": %llu}\n",
           (unsigned long long)trips, (long long)(clock_ns() - began_ns),
           (unsigned long long)histogram_quantile(&latencies, 0.5),
           (unsigned long long)histogram_quantile(&latencies, 0.99));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char line[64];

    if (argc != 4)
        die("usage: echo_load PORT CONNECTIONS BYTES");
    to.sin_port = htons((uint16_t)parse_count("PORT", argv[1]));
    client_count = (unsigned)parse_count("CONNECTIONS", argv[2]);
    message_bytes = parse_count("BYTES", argv[3]);
    if (client_count == 0 || message_bytes == 0 || message_bytes > MESSAGE_MAX)
        die("at least one connection, 1 to %d bytes", MESSAGE_MAX);
    for (size_t i = 0; i < message_bytes; i++)
        message[i] = (char)('a' + i % 26);
    raise_file_limit();
    open_all(&to);
    go_round(0, 0, WARMUP_TRIPS);
    printf("{\"event\": \"ready\"}\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL && strncmp(line, "run ", 4) == 0)
        run(atof(line + 4));
    return 0;
}
