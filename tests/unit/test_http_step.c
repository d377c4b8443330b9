#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "handlers/steps/http_step.h"
#include "server/core/clock.h"
#include "tests/unit/fake_http.h"

#define LIMIT_US (20 * US_PER_S)

static struct loop *loop;
static char url[100];
static struct {
	int calls;
	struct http_step_result r;
	char text[2000];
} answer;

static const struct fake_answer answers[] = {
	{"/flags", 204, ""}, {"/busy", 409, "a release\nis under way"}, {"/down", 500, ""}, {"/moved", 302, ""},
	{"/slow", 0, ""},
};

static int setup(void **state)
{
	(void)state;
	memset(&answer, 0, sizeof(answer));
	fake_answers(answers, ARRAY_LEN(answers));
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void on_end(void *arg, const struct http_step_result *r)
{
	(void)arg;
	answer.calls++;
	answer.r = *r;
	snprintf(answer.text, sizeof(answer.text), "%s", r->text);
	loop_stop(loop);
}

static struct act put(const char *path, int64_t timeout_us)
{
	return (struct act) {.kind = ACT_HTTP,
	                     .method = "PUT",
	                     .url = fake_url(url, sizeof(url), path),
	                     .body = "{\"p\": ${percentage}}",
	                     .timeout_us = timeout_us};
}

static void send_step(struct act act, int32_t pct)
{
	struct loop_timer *limit = loop_timer_at(loop, clock_mono_us() + LIMIT_US, stop, NULL);
	struct http_step *h;

	answer.calls = 0;
	assert_int_equal(http_step_start(loop, &act, pct, "rollbackd-12-17", on_end, NULL, &h), 0);
	assert_int_equal(answer.calls, 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_cancel(loop, limit);
	assert_int_equal(answer.calls, 1);
}

static void the_percentage_is_sent_with_a_key_against_repetition(void **state)
{
	(void)state;
	send_step(put("/flags?token=secret", 5 * US_PER_S), 1250);
	assert_true(answer.r.done);
	assert_int_equal(answer.r.status, 204);
	assert_int_equal(fake.n_requests, 1);
	assert_ptr_equal(strstr(fake.last, "PUT /flags?token=secret HTTP/1.1\r\n"), fake.last);
	assert_non_null(strcasestr(fake.last, "\r\nIdempotency-Key: rollbackd-12-17\r\n"));
	assert_non_null(strcasestr(fake.last, "\r\nContent-Type: application/json\r\n"));
	assert_string_equal(strstr(fake.last, "\r\n\r\n"), "\r\n\r\n{\"p\": 12.5}");
	assert_non_null(strstr(answer.text, "/flags: answered 204"));
	assert_null(strstr(answer.text, "secret"));
}

static void a_step_without_a_body_sends_none(void **state)
{
	struct act act = put("/flags", 5 * US_PER_S);

	(void)state;
	act.method = "POST";
	act.body = NULL;
	send_step(act, 0);
	assert_true(answer.r.done);
	assert_ptr_equal(strstr(fake.last, "POST /flags "), fake.last);
	assert_string_equal(strstr(fake.last, "\r\n\r\n"), "\r\n\r\n");
}

static void every_other_answer_is_a_failure_with_a_sentence(void **state)
{
	(void)state;
	send_step(put("/busy", 5 * US_PER_S), 0);
	assert_false(answer.r.done);
	assert_int_equal(answer.r.status, 409);
	assert_non_null(strstr(answer.text, "/busy: answered 409: a release is under way"));
	send_step(put("/down", 5 * US_PER_S), 0);
	assert_false(answer.r.done);
	assert_int_equal(answer.r.status, 500);
	fake_answers(answers, ARRAY_LEN(answers));
	send_step(put("/moved", 5 * US_PER_S), 0);
	assert_false(answer.r.done);
	assert_int_equal(fake.n_requests, 1);
	assert_non_null(strstr(answer.text, "redirect, which is not followed"));
	send_step(put("/slow", 200 * US_PER_MS), 0);
	assert_false(answer.r.done);
	assert_int_equal(answer.r.status, 0);
	assert_non_null(strstr(answer.text, "/slow: no answer within 200ms"));
}

static void a_step_that_cannot_be_sent_does_not_start(void **state)
{
	struct act act = put("/flags", US_PER_S);
	struct http_step *h;

	(void)state;
	assert_int_equal(http_step_start(loop, &act, 0, "a\r\nX: b", on_end, NULL, &h), -EINVAL);
}

static void a_cancelled_step_never_calls_back(void **state)
{
	struct act act = put("/flags", US_PER_S);
	struct http_step *h;

	(void)state;
	assert_int_equal(http_step_start(loop, &act, 0, "k", on_end, NULL, &h), 0);
	http_step_cancel(h);
	http_step_cancel(NULL);
	assert_non_null(loop_timer_at(loop, clock_mono_us() + 100 * US_PER_MS, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(answer.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		TEST(the_percentage_is_sent_with_a_key_against_repetition),
		TEST(a_step_without_a_body_sends_none),
		TEST(every_other_answer_is_a_failure_with_a_sentence),
		TEST(a_step_that_cannot_be_sent_does_not_start),
		TEST(a_cancelled_step_never_calls_back),
	};

	if (loop_global_init() < 0 || fake_start() < 0)
		return 1;
	int failed = cmocka_run_group_tests_name("http_step", tests, NULL, NULL);
	fake_stop();
	return failed;
}
