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

static enum verdict judge(enum channel_kind kind, int error, int status, const char *body)
{
	struct fetch_result r = {.error = error,
	                         .error_text = error ? "timed out" : "",
	                         .status = status,
	                         .body = body,
	                         .body_len = strlen(body)};
	char text[200];

	return delivery_verdict(kind, &r, text, sizeof(text));
}

/* docs.slack.dev, incoming webhooks: 200 with the text "ok"; 429 and 5xx pass; other 4xx never will. */
static void answers_of_the_chats_are_understood(void **state)
{
	static const struct {
		enum channel_kind kind;
		int error, status;
		const char *body;
		enum verdict want;
	} rows[] = {
		{CHANNEL_SLACK, 0, 200, "ok", VERDICT_SENT},
		{CHANNEL_SLACK, 0, 200, "<html>proxy</html>", VERDICT_RETRY},
		{CHANNEL_SLACK, 0, 429, "", VERDICT_RETRY},
		{CHANNEL_SLACK, 0, 500, "rollup_error", VERDICT_RETRY},
		{CHANNEL_SLACK, 0, 400, "invalid_payload", VERDICT_REFUSED},
		{CHANNEL_SLACK, 0, 403, "action_prohibited", VERDICT_REFUSED},
		{CHANNEL_SLACK, 0, 404, "no_service", VERDICT_REFUSED},
		{CHANNEL_SLACK, 0, 410, "channel_is_archived", VERDICT_REFUSED},
		{CHANNEL_SLACK, 0, 302, "", VERDICT_REFUSED},
		{CHANNEL_SLACK, -ETIMEDOUT, 0, "", VERDICT_RETRY},
		{CHANNEL_WEBHOOK, 0, 204, "", VERDICT_SENT},
		{CHANNEL_WEBHOOK, 0, 202, "whatever", VERDICT_SENT},
		{CHANNEL_WEBHOOK, 0, 503, "", VERDICT_RETRY},
		{CHANNEL_WEBHOOK, 0, 401, "", VERDICT_REFUSED},
		{CHANNEL_WEBHOOK, -ECONNREFUSED, 0, "", VERDICT_RETRY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(judge(rows[i].kind, rows[i].error, rows[i].status, rows[i].body), rows[i].want);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_of_the_chats_are_understood),
		cmocka_unit_test(waiting_grows_to_five_minutes_and_is_never_in_step),
		cmocka_unit_test(retry_after_is_obeyed_within_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
