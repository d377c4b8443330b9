/* What a good answer of Prometheus is, and when it is evidence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "handlers/checks/prom_query.h"
#include "server/core/clock.h"
#include "tests/unit/fake_http.h"

#define VECTOR(sample) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" sample "]}}"
#define VALUE          "{\"metric\":{\"i\":\"a\"},\"value\":[1000,\"0\"]}"
/* Prometheus says at second 1000 how old its newest sample is. */
#define SAMPLED(when) "{\"metric\":{},\"value\":[1000,\"" when "\"]}"
#define AGE_PATH      "/api/v1/query?query=min%28timestamp"
#define VALUE_PATH    "/api/v1/query?query=gauge"

static struct loop *loop;
static struct prometheus_options options;
static int64_t limit_us = 20 * US_PER_S; /* a busy machine answers late */
static char url[100];
static struct {
	int calls;
	bool stale, reached;
	size_t n;
	char why[PROM_WHY_MAX];
} got;

static void on_reply(void *arg, const struct prom_reply *r)
{
	(void)arg;
	got.calls++;
	got.stale = r->stale;
	got.reached = r->reached;
	got.n = r->vector.n;
	snprintf(got.why, sizeof(got.why), "%s", r->why);
	loop_stop(loop);
}

static void ask(const char *query, int64_t since_mono_us)
{
	struct prom_question q = {
		.query = query, .timeout_us = limit_us, .share = LOOP_SHARE_ACT, .since_mono_us = since_mono_us};
	struct prom_query *handle = NULL;

	memset(&got, 0, sizeof(got));
	assert_int_equal(prom_query_start(loop, &options, &q, on_reply, NULL, &handle), 0);
	assert_int_equal(got.calls, 0); /* never inside the call */
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(got.calls, 1);
}

static void only_an_answer_that_prometheus_stands_behind_is_good(void **state)
{
	static const struct {
		int status;
		const char *body;
		bool good;
	} cases[] = {
		{200, VECTOR(VALUE), true},
		{200, VECTOR(""), true},
		{299, VECTOR(VALUE), true},
		{500, VECTOR(VALUE), false},
		{206, VECTOR(VALUE), false},
		{302, VECTOR(VALUE), false},
		{404, VECTOR(VALUE), false},
		{200,
	         "{\"status\":\"success\",\"warnings\":[\"a store is "
	         "down\"],\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
	         false},
		{200, "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"x\"}", false},
		{503, "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"x\"}", false},
		{200, "<html>", false},
		{200, "", false},
		{0, "", false}, /* silence */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake_answer a = {VALUE_PATH, cases[i].status, cases[i].body};

		fake_answers(&a, 1);
		ask("gauge", 0);
		assert_int_equal(got.why[0] == '\0', cases[i].good);
		assert_false(got.stale);
		if (!cases[i].good)
			assert_int_equal(got.n, 0);
	}
}

static void a_sample_counts_only_if_it_is_younger(void **state)
{
	static const struct {
		const char *age;
		bool good;
	} cases[] = {
		{VECTOR(SAMPLED("999.9")), true}, /* 0.1 s old, asked about the last 5 s */
		{VECTOR(SAMPLED("996")), true},    {VECTOR(SAMPLED("990")), false},
		{VECTOR(SAMPLED("0")), false},     {VECTOR(""), false},
		{VECTOR(SAMPLED("87400")), false}, {VECTOR(SAMPLED("1000.4")), true},
		{VECTOR(SAMPLED("NaN")), false},   {VECTOR(SAMPLED("999.9") "," SAMPLED("999.9")), false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake_answer answers[] = {{AGE_PATH, 200, cases[i].age}, {VALUE_PATH, 200, VECTOR(VALUE)}};

		fake_answers(answers, ARRAY_LEN(answers));
		ask("gauge", clock_mono_us() - 5 * US_PER_S);
		assert_int_equal(got.why[0] == '\0', cases[i].good);
		assert_int_equal(got.n, cases[i].good ? 1 : 0);
	}
}

static void an_old_sample_is_stale_and_no_data_is_not(void **state)
{
	static const struct fake_answer old[] = {{AGE_PATH, 200, VECTOR(SAMPLED("900"))}};
	static const struct fake_answer none[] = {{AGE_PATH, 200, VECTOR("")}};

	(void)state;
	fake_answers(old, 1);
	ask("gauge", clock_mono_us());
	assert_true(got.stale && got.reached);
	assert_int_equal(fake.n_requests, 1); /* the value is not even asked for */
	fake_answers(none, 1);
	ask("gauge", clock_mono_us());
	assert_false(got.stale);
	assert_string_equal(got.why, "no data");
}

static void what_has_no_age_is_no_evidence(void **state)
{
	static const char *const queries[] = {"vector(0)", "gauge offset 1m", "gauge[", "time()"};
	static const struct fake_answer any[] = {{"/", 200, VECTOR(SAMPLED("1000"))}};

	(void)state;
	fake_answers(any, 1);
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		ask(queries[i], clock_mono_us() - US_PER_S);
		assert_true(got.why[0] != '\0');
		assert_false(got.stale);
	}
	assert_int_equal(fake.n_requests, 0);
}

static void a_question_has_one_time_limit_however_many_ages_it_asks_for(void **state)
{
	static const struct fake_answer silent[] = {{"/", 0, ""}};
	int64_t begun = clock_mono_us();

	(void)state;
	fake_answers(silent, 1);
	limit_us = 300 * US_PER_MS;
	ask("a + b + c", clock_mono_us());
	limit_us = 20 * US_PER_S;
	assert_true(clock_mono_us() - begun < US_PER_S);
	assert_false(got.reached);
}

static void one_that_is_cancelled_never_calls_back(void **state)
{
	static const struct fake_answer silent[] = {{"/", 0, ""}};
	struct prom_question q = {.query = "gauge", .timeout_us = US_PER_S, .share = LOOP_SHARE_ACT};
	struct prom_query *handle = NULL;

	(void)state;
	fake_answers(silent, 1);
	memset(&got, 0, sizeof(got));
	assert_int_equal(prom_query_start(loop, &options, &q, on_reply, NULL, &handle), 0);
	prom_query_cancel(handle);
	prom_query_cancel(NULL);
	assert_int_equal(got.calls, 0);
}

/* As rules are, put together. */
static void what_is_too_long_for_a_url_is_a_form(void **state)
{
	static const struct fake_answer any[] = {
		{"/api/v1/query_range", 200,
	         "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}"}};
	static char query[20001];
	struct prom_question q = {.query = query,
	                          .timeout_us = limit_us,
	                          .share = LOOP_SHARE_ACT,
	                          .range = true,
	                          .from_us = US_PER_S,
	                          .to_us = 2 * US_PER_S,
	                          .step_us = US_PER_S,
	                          .max_series = 1,
	                          .max_points = 2};
	struct prom_query *handle = NULL;

	(void)state;
	memset(query, 'a', sizeof(query) - 1);
	fake_answers(any, 1);
	memset(&got, 0, sizeof(got));
	assert_int_equal(prom_query_start(loop, &options, &q, on_reply, NULL, &handle), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(got.why, "");
	assert_int_equal(strncmp(fake.last, "POST /api/v1/query_range HTTP", 29), 0);
	assert_non_null(strstr(fake.last, "\r\n\r\nquery=aaaa"));
	assert_non_null(strstr(fake.last, "&step=1"));
}

static int setup(void **state)
{
	(void)state;
	if (loop_global_init() < 0 || loop_new(&loop) < 0 || fake_start() < 0)
		return -1;
	options = (struct prometheus_options) {.url = fake_url(url, sizeof(url), "")};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_stop();
	loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_answer_that_prometheus_stands_behind_is_good),
		cmocka_unit_test(a_sample_counts_only_if_it_is_younger),
		cmocka_unit_test(an_old_sample_is_stale_and_no_data_is_not),
		cmocka_unit_test(what_has_no_age_is_no_evidence),
		cmocka_unit_test(a_question_has_one_time_limit_however_many_ages_it_asks_for),
		cmocka_unit_test(one_that_is_cancelled_never_calls_back),
		cmocka_unit_test(what_is_too_long_for_a_url_is_a_form),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
