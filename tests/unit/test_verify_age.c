/* A round of checks after an act: what was so before it counts for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "handlers/checks/verify.h"
#include "server/core/clock.h"
#include "tests/unit/fake_http.h"

#define VECTOR(samples) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"
/* A sample of a moment: when it was evaluated, and its value. */
#define SAMPLE(at, value) VECTOR("{\"metric\":{},\"value\":[" at ",\"" value "\"]}")

static struct loop *loop;
static enum condition_status is;
static bool stale;

static void on_round(void *arg, const struct verify_result *r)
{
	(void)arg;
	is = r->acknowledged.state;
	stale = r->stale;
	loop_stop(loop);
}

static void how_many_instances_there_are_is_as_young_as_what_they_say(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query?query=min%28timestamp%28cst", 200, SAMPLE("1000", "1000")},
		{"/api/v1/query?query=min%28timestamp%28up", 200, SAMPLE("1000", "940")},
		{"/api/v1/query?query=min%28timestamp%28now", 200, SAMPLE("1000", "1000")},
		{"/api/v1/query?query=min%28timestamp%28odd", 200, SAMPLE("1000", "-1e300")},
		{"/api/v1/query?query=cst", 200, SAMPLE("1000", "0")},
		{"/api/v1/query?query=count", 200, SAMPLE("1000", "1")},
		{"/api/v1/query?query=1", 200, SAMPLE("1000", "1")},
	};
	static const struct {
		const char *instances;
		enum condition_status is;
		bool stale; /* so it is asked again */
	} cases[] = {{"count(up)", STATUS_UNKNOWN, true},
	             {"count(now)", STATUS_YES, false},
	             {"1", STATUS_YES, false},
	             {"count(odd)", STATUS_UNKNOWN, false}};
	char url[64];

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	assert_int_equal(loop_new(&loop), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct check check = {.kind = CHECK_PROMETHEUS,
		                      .query = "cst",
		                      .instances = cases[i].instances,
		                      .timeout_us = 5 * US_PER_S};
		struct plan plan = {.prometheus = {fake_url(url, sizeof(url), ""), US_PER_S},
		                    .rollout = {.checks = &check, .n_checks = 1}};
		struct verify *v;

		assert_int_equal(verify_start(loop, &plan, (struct wanted) {.pct = 0, .at_most = true},
		                              clock_mono_us() - US_PER_S, NULL, on_round, NULL, &v),
		                 0);
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(is, cases[i].is);
		assert_int_equal(stale, cases[i].stale);
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(how_many_instances_there_are_is_as_young_as_what_they_say)};

	if (loop_global_init() < 0 || fake_start() < 0)
		return 1;
	int failed = cmocka_run_group_tests_name("verify_age", tests, NULL, NULL);
	fake_stop();
	return failed;
}
