/* Parallel divide and conquer: a merge sort.
 *
 * Each half is sorted by a coroutine of its own, as long as it is worth one. A scope joins them,
 * and the processors steal them from each other.
 *
 * Prints:
 *
 *     200000 numbers sorted: yes
 *     sum before and after: equal
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

enum { COUNT = 200000, WORTH_A_COROUTINE = 2000 };

struct part {
    unsigned *data, *spare;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

static void merge(const struct part *p, size_t half)
{
    size_t left = 0, right = half;

    for (size_t i = 0; i < p->count; i++) {
        bool from_left = right == p->count || (left < half && p->data[left] <= p->data[right]);

        p->spare[i] = p->data[from_left ? left++ : right++];
    }
    memcpy(p->data, p->spare, p->count * sizeof(*p->data));
}

static void sort(void *arg)
{
    const struct part *p = arg;
    size_t half = p->count / 2;
    struct part left = {p->data, p->spare, half};
    struct part right = {p->data + half, p->spare + half, p->count - half};

    if (p->count < WORTH_A_COROUTINE) {
        qsort(p->data, p->count, sizeof(*p->data), compare);
        return;
    }
    WEIR_SCOPE (s) {
        if (weir_scope_go(s, "sort", sort, &left) < 0)
            sort(&left); /* no coroutine to be had: then here */
        sort(&right);
    }
    merge(p, half);
}

static unsigned long sum(const unsigned *data)
{
    unsigned long total = 0;

    for (size_t i = 0; i < COUNT; i++)
        total += data[i];
    return total;
}

static int run(void *arg)
{
    static unsigned data[COUNT], spare[COUNT];
    unsigned long before;
    unsigned random = 1;
    bool sorted = true;

    for (size_t i = 0; i < COUNT; i++)
        data[i] = random = random * 1664525 + 1013904223;
    before = sum(data);
    sort(&(struct part){data, spare, COUNT});
    for (size_t i = 1; i < COUNT; i++)
        sorted = sorted && data[i - 1] <= data[i];
    printf("%d numbers sorted: %s\n", COUNT, sorted ? "yes" : "no");
    printf("sum before and after: %s\n", sum(data) == before ? "equal" : "not equal");
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
