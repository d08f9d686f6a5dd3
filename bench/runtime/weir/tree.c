/* Trees of coroutines. */
#include <weir/chan.h>
#include <weir/scope.h>

#include "runtime/meter.h"
#include "runtime/weir/tests.h"

enum { BRANCHES = 10 };

/* ---- skynet: every node starts ten children and sums up what they send; a leaf sends its number.
 * ---- */

struct node {
    struct weir_chan *out;
    int64_t number, leaves;
};

static void skynet(void *arg)
{
    struct node self = *(struct node *)arg, children[BRANCHES];
    int64_t sum = 0, part;

    if (self.leaves == 1) {
        weir_chan_send(self.out, &self.number);
        return;
    }
    struct weir_chan *in = weir_chan_new(sizeof(int64_t), 0);

    WEIR_SCOPE (s) {
        for (int i = 0; i < BRANCHES; i++) {
            int64_t leaves = self.leaves / BRANCHES;

            children[i] = (struct node){in, self.number + i * leaves, leaves};
            weir_scope_go(s, "skynet", skynet, &children[i]);
        }
        for (int i = 0; i < BRANCHES; i++) {
            weir_chan_recv(in, &part);
            sum += part;
        }
    }
    weir_chan_free(in);
    weir_chan_send(self.out, &sum);
}

void test_skynet(uint64_t count, unsigned workers)
{
    struct weir_chan *out = weir_chan_new(sizeof(int64_t), 0);
    struct node root = {.out = out, .leaves = (int64_t)count};
    struct meter m = meter_begin();
    uint64_t sum = 0;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "skynet", skynet, &root);
        weir_chan_recv(out, &sum);
    }
    m = meter_end(m);
    weir_chan_free(out);
    meter_expect(sum == count * (count - 1) / 2, "the sum of the leaves");
    meter_print(m, 1, "");
}

/* ---- fib: the left branch in a coroutine of its own, the right one here, without a cut-off ----
 */

struct fib {
    uint64_t n, value;
};

static void fib(void *arg)
{
    struct fib *f = arg;

    if (f->n < 2) {
        f->value = f->n;
        return;
    }
    struct fib left = {.n = f->n - 1}, right = {.n = f->n - 2};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "fib", fib, &left);
        fib(&right);
    }
    f->value = left.value + right.value;
}

static uint64_t fib_plain(uint64_t n)
{
    uint64_t a = 0, b = 1;

    for (; n > 0; n--) {
        b += a;
        a = b - a;
    }
    return a;
}

void test_fib(uint64_t count, unsigned workers)
{
    struct fib root = {.n = count};
    struct meter m = meter_begin();

    fib(&root);
    m = meter_end(m);
    meter_expect(root.value == fib_plain(count), "the number");
    meter_print(m, 1, "");
}
