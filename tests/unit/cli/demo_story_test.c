/* What the demo tells about failures: one sentence for like ones, with what the client got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/demo/story.h"

#define TOLD_MAX 32

static char told[TOLD_MAX][DEMO_EVENT_MAX];
static enum demo_tone tones[TOLD_MAX];
static uint32_t counts[TOLD_MAX];
static unsigned told_count;

static void listen_to(void *arg, enum demo_tone tone, const char *text, uint32_t count)
{
    assert_true(told_count < TOLD_MAX);
    tones[told_count] = tone;
    counts[told_count] = count;
    snprintf(told[told_count++], DEMO_EVENT_MAX, "%s", text);
}

static struct story *setup(void)
{
    static struct demo_fleet fleet;
    static struct story s;

    demo_fleet_init(&fleet);
    story_init(&s, &fleet);
    told_count = 0;
    return &s;
}

/* A request that failed on 9101 that way, then was answered by 9102 with that status. */
static void happen(struct story *s, enum cause outcome, int status, int final)
{
    struct access_record r = {.endpoint = STR("127.0.0.1:9102"), .status = final};
    struct access_attempt *a = access_add_attempt(&r);

    a->endpoint = STR("127.0.0.1:9101");
    a->outcome = outcome;
    a->status = status;
    a = access_add_attempt(&r);
    a->endpoint = r.endpoint;
    a->status = final;
    s->sink.write(&s->sink, &r);
}

static void a_request_that_went_well_is_no_story(void **state)
{
    struct story *s = setup();
    struct access_record r = {.endpoint = STR("127.0.0.1:9101"), .status = 404};

    access_add_attempt(&r)->status = 404;
    s->sink.write(&s->sink, &r);
    story_tell(s, listen_to, NULL);
    assert_int_equal(told_count, 0);
}

static void like_failures_become_one_sentence_with_a_count(void **state)
{
    struct story *s = setup();

    for (int i = 0; i < 7; i++)
        happen(s, CAUSE_CONNECTION_REFUSED, 0, 200);
    story_tell(s, listen_to, NULL);
    assert_int_equal(told_count, 1);
    assert_string_equal(told[0], "orders-1: connection refused; orders-2 answered instead");
    assert_int_equal(counts[0], 7);
    assert_int_equal(tones[0], DEMO_GOOD);
    story_tell(s, listen_to, NULL);
    assert_int_equal(told_count, 1);
}

static void what_the_client_saw_fail_is_told_apart(void **state)
{
    struct story *s = setup();

    happen(s, CAUSE_CONNECTION_REFUSED, 0, 200);
    happen(s, CAUSE_CONNECTION_REFUSED, 0, 502);
    story_tell(s, listen_to, NULL);
    assert_int_equal(told_count, 2);
    assert_string_equal(told[1], "orders-1: connection refused; the client got 502");
    assert_int_equal(tones[1], DEMO_BAD);
}

static void a_request_without_an_endpoint_is_told(void **state)
{
    struct story *s = setup();
    const struct access_record r = {.status = 503, .cause = CAUSE_DESTINATION_UNAVAILABLE};

    s->sink.write(&s->sink, &r);
    story_tell(s, listen_to, NULL);
    assert_int_equal(told_count, 1);
    assert_string_equal(told[0], "no endpoint to ask; the client got 503");
}

static void more_kinds_than_fit_are_counted(void **state)
{
    struct story *s = setup();

    for (int i = 0; i < STORY_KINDS_MAX + 3; i++)
        happen(s, CAUSE_NONE, 500 + i, 500 + i);
    story_tell(s, listen_to, NULL);
    assert_int_equal(told_count, STORY_KINDS_MAX + 1);
    assert_string_equal(told[STORY_KINDS_MAX], "and more failures of other kinds");
    assert_int_equal(counts[STORY_KINDS_MAX], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_went_well_is_no_story),
        cmocka_unit_test(like_failures_become_one_sentence_with_a_count),
        cmocka_unit_test(what_the_client_saw_fail_is_told_apart),
        cmocka_unit_test(a_request_without_an_endpoint_is_told),
        cmocka_unit_test(more_kinds_than_fit_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
