/* When is a message delivered, tried again, or given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "handlers/notify/delivery.h"
#include "server/core/clock.h"

static enum delivery_verdict judge(int error, int status, const char *body)
{
	struct fetch_result r = {.error = error,
	                         .error_text = error ? "timed out" : "",
	                         .status = status,
	                         .body = body,
	                         .body_len = strlen(body)};
	char text[200];
	enum delivery_verdict v = delivery_verdict(&r, text, sizeof(text));

	assert_int_equal(v == VERDICT_SENT, text[0] == '\0'); /* a no is never without a reason */
	return v;
}

/* docs.slack.dev, incoming webhooks: 429 and 5xx pass; other 4xx never will. */
static void the_status_is_understood(void **state)
{
	static const struct {
		int error, status;
		const char *body;
		enum delivery_verdict want;
	} rows[] = {
		{0, 429, "", VERDICT_RETRY},
		{0, 500, "rollup_error", VERDICT_RETRY},
		{0, 503, "ok", VERDICT_RETRY},
		{0, 408, "", VERDICT_RETRY},
		{0, 425, "", VERDICT_RETRY},
		{0, 400, "invalid_payload", VERDICT_REFUSED},
		{0, 403, "action_prohibited", VERDICT_REFUSED},
		{0, 404, "no_service", VERDICT_REFUSED},
		{0, 410, "channel_is_archived", VERDICT_REFUSED},
		{0, 401, "", VERDICT_REFUSED},
		{0, 302, "", VERDICT_REFUSED},
		{-ETIMEDOUT, 0, "", VERDICT_RETRY},
		{-ECONNREFUSED, 0, "", VERDICT_RETRY},
		{-ETIMEDOUT, 500, "half an ans", VERDICT_RETRY},
		{-EMSGSIZE, 200, "<html>a very long page", VERDICT_SENT}, /* said yes, then talked on */
		{-EIO, 204, "", VERDICT_SENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(judge(rows[i].error, rows[i].status, rows[i].body), rows[i].want);
}

static void a_2xx_is_a_yes_unless_its_body_says_no(void **state)
{
	static const char *const yes[] = {"ok",
	                                  "OK",
	                                  "",
	                                  "1",
	                                  "null",
	                                  "true",
	                                  "accepted",
	                                  "message_sent",
	                                  "<html><title>Thanks, no error here</title></html>",
	                                  "Message posted",
	                                  "{\"success\":true}",
	                                  "{\"ok\":true,\"error\":null,\"errors\":[]}",
	                                  "{\"errcode\":0,\"errmsg\":\"ok\"}",
	                                  "{\"code\":200,\"status\":\"success\"}",
	                                  "{\"StatusCode\":0,\"StatusMessage\":\"success\"}",
	                                  "{\"error\":false}",
	                                  "{\"id\":\"1\",\"content\":\"[INCIDENT] error rate exceeded\"}",
	                                  "{\"ok\":",
	                                  "[]"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_int_equal(judge(0, 200, yes[i]), VERDICT_SENT);
}

/* Words of docs.slack.dev; members of Slack's Web API, DingTalk, Lark, Discord and Mattermost; the sentence of
 * learn.microsoft.com, "Create an Incoming Webhook" (rate limits). */
static void a_body_that_says_no_is_no_delivery(void **state)
{
	static const struct {
		const char *body;
		enum delivery_verdict want;
	} rows[] = {
		{"invalid_payload", VERDICT_REFUSED},
		{"no_text\n", VERDICT_REFUSED},
		{"channel_not_found", VERDICT_REFUSED},
		{"posting_to_general_channel_denied", VERDICT_REFUSED},
		{"rollup_error", VERDICT_RETRY},
		{"ratelimited", VERDICT_RETRY},
		{"service_unavailable", VERDICT_RETRY},
		{"{\"ok\":false,\"error\":\"channel_not_found\"}", VERDICT_REFUSED},
		{"{\"ok\":false}", VERDICT_RETRY},
		{" {\"success\": false} ", VERDICT_RETRY},
		{"{\"success\":\"false\"}", VERDICT_RETRY},
		{"{\"errcode\":310000,\"errmsg\":\"sign not match\"}", VERDICT_RETRY},
		{"{\"code\":19024,\"msg\":\"Key Words Not Found\"}", VERDICT_RETRY},
		{"{\"code\":50035,\"message\":\"Invalid Form Body\"}", VERDICT_REFUSED},
		{"{\"status_code\":400,\"message\":\"Unable to parse incoming data\"}", VERDICT_RETRY},
		{"{\"status\":\"error\"}", VERDICT_RETRY},
		{"{\"errors\":[{\"message\":\"x\"}]}", VERDICT_RETRY},
		{"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with "
	         "ContextId x",
	         VERDICT_RETRY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(judge(0, 200, rows[i].body), rows[i].want);
}

static void waiting_grows_to_five_minutes_and_is_never_in_step(void **state)
{
	(void)state;
	for (int64_t n = 1; n < 100; n++) {
		int64_t least = delivery_backoff_us(n, 0), most = delivery_backoff_us(n, UINT32_MAX);

		assert_true(least > 0 && least < most);
		assert_true(most <= 300 * US_PER_S);
		assert_true(most <= delivery_backoff_us(n + 1, UINT32_MAX));
	}
	assert_true(delivery_backoff_us(1, UINT32_MAX) <= US_PER_S);
	assert_int_equal(delivery_backoff_us(50, UINT32_MAX), 300 * US_PER_S);
}

static void retry_after_is_obeyed_within_reason(void **state)
{
	const int64_t now = INT64_C(1760436000) * US_PER_S; /* Tue, 14 Oct 2025 10:00:00 GMT */
	static const struct {
		const char *header;
		int64_t want_s; /* -1: none */
	} rows[] = {
		{"30", 30},
		{"0", 1},
		{"3600", 3600},
		{"1e9", 3600},
		{"-1", -1},
		{"soon", -1},
		{"", -1},
		{NULL, -1},
		{"Tue, 14 Oct 2025 10:02:00 GMT", 120},
		{"Tue, 14 Oct 2025 09:00:00 GMT", 1},
		{"Wed, 15 Oct 2025 10:00:00 GMT", 3600},
		{"nan", -1},
		{"inf", -1},
		{"12 apples", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(delivery_retry_after_us(rows[i].header, now),
		                 rows[i].want_s < 0 ? -1 : rows[i].want_s * US_PER_S);
	assert_int_equal(delivery_retry_after_us("2.5", now), 2500 * US_PER_MS);
}

static void a_page_comes_again_within_a_minute(void **state)
{
	const int64_t now = INT64_C(1760436000) * US_PER_S;

	(void)state;
	for (int64_t n = 1; n < 30; n++)
		for (int i = 0; i < 3; i++) {
			const char *header = i == 0 ? NULL : i == 1 ? "3600" : "Wed, 15 Oct 2025 10:00:00 GMT";

			assert_true(delivery_wait_us(true, n, UINT32_MAX, header, now) <= 60 * US_PER_S);
		}
	assert_int_equal(delivery_wait_us(true, 1, 0, "30", now), 30 * US_PER_S);
	assert_int_equal(delivery_wait_us(false, 1, 0, "3600", now), 3600 * US_PER_S);
	assert_int_equal(delivery_wait_us(false, 50, UINT32_MAX, "2", now), 300 * US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_is_understood),
		cmocka_unit_test(a_2xx_is_a_yes_unless_its_body_says_no),
		cmocka_unit_test(a_body_that_says_no_is_no_delivery),
		cmocka_unit_test(waiting_grows_to_five_minutes_and_is_never_in_step),
		cmocka_unit_test(retry_after_is_obeyed_within_reason),
		cmocka_unit_test(a_page_comes_again_within_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
