/* The success metrics: which they are, and that only a number within its bound is met. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "handlers/gates/success.h"

static struct criterion least = {.name = "cache hit rate", .unit = "ratio", .is_min = true, .bound = 0.8};
static struct criterion most = {.name = "error rate delta", .unit = "", .bound = 0.001};

static struct criterion_result said(enum criterion_state s, double value)
{
	return (struct criterion_result) {.state = s, .value = value, .samples = NAN, .why = "unknown: no data"};
}

static void a_number_within_its_bound_is_met_and_nothing_else(void **state)
{
	static const struct {
		struct criterion *c;
		enum criterion_state s;
		double value;
		enum metric_verdict v;
	} rows[] = {
		{&least, CRITERION_HOLDS, 0.8, VERDICT_MET},
		{&least, CRITERION_FAILS, 0.79, VERDICT_MISSED},
		{&most, CRITERION_HOLDS, 0.001, VERDICT_MET},
		{&most, CRITERION_FAILS, 0.0011, VERDICT_MISSED},
		{&most, CRITERION_UNKNOWN, NAN, VERDICT_UNKNOWN},
		{&most, CRITERION_UNKNOWN, 0.0001, VERDICT_UNKNOWN}, /* too few samples */
		{&most, CRITERION_NOT_YET, 0.0001, VERDICT_UNKNOWN},
		{&most, CRITERION_HOLDS, NAN, VERDICT_UNKNOWN},  /* kept by something older or broken */
		{&most, CRITERION_HOLDS, 0.002, VERDICT_MISSED}, /* it held against the bound of that day */
		{&most, CRITERION_FAILS, 0.0005, VERDICT_MET},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct criterion_result r = said(rows[i].s, rows[i].value);

		if (success_judge(rows[i].c, &r) != rows[i].v)
			fail_msg("row %zu: %s", i, verdict_name(success_judge(rows[i].c, &r)));
	}
	assert_int_equal(success_judge(&most, NULL), VERDICT_UNKNOWN);
}

static void check_words(const struct criterion *c, const struct criterion_result *r, const char *want)
{
	struct buf b = BUF(1000);

	success_words(&b, c, r);
	assert_string_equal(buf_text(&b), want);
	buf_free(&b);
}

static void the_target_stands_beside_the_value(void **state)
{
	struct criterion_result r = said(CRITERION_HOLDS, 0.93);

	(void)state;
	check_words(&least, &r, "met: 0.93 ratio, at least 0.8");
	r = said(CRITERION_FAILS, 0.02);
	check_words(&most, &r, "missed: 0.02, at most 0.001");
	r = said(CRITERION_UNKNOWN, NAN);
	check_words(&least, &r, "unknown: no data; at least 0.8 ratio");
	check_words(&most, NULL, "unknown: not evaluated yet; at most 0.001");
}

static void the_last_stage_of_this_environment_with_criteria_says_what_success_is(void **state)
{
	struct stage stages[] = {
		{.number = 3, .environment = "production", .criteria = &most, .n_criteria = 1},
		{.number = 1, .environment = "production", .criteria = &least, .n_criteria = 1},
		{.number = 5, .environment = "staging", .criteria = &most, .n_criteria = 1},
		{.number = 4, .environment = "production"},
	};
	struct settings s = {.environment = "production"};
	struct rollout r = {.stages = stages, .n_stages = ARRAY_LEN(stages)};

	(void)state;
	assert_ptr_equal(success_stage(&s, &r), &stages[0]);
	r.n_stages = 0;
	assert_null(success_stage(&s, &r));
}

static void what_was_kept_is_read_back_or_is_nothing(void **state)
{
	static const char kept[] = "{\"a \\\"b\\\"\":{\"state\":1,\"value\":0.5,\"why\":\"holds: "
				   "0.5\"},\"c\":{\"state\":0,\"value\":null,\"why\":"
				   "\"unknown: no data\"},\"d\":{\"state\":9,\"value\":1},\"e\":7}";
	struct criterion_result r = {0};

	(void)state;
	assert_int_equal(success_kept(kept, "a \"b\"", &r), 0);
	assert_int_equal(r.state, CRITERION_HOLDS);
	assert_true(r.value == 0.5);
	assert_string_equal(r.why, "holds: 0.5");
	assert_int_equal(success_kept(kept, "c", &r), 0);
	assert_int_equal(r.state, CRITERION_UNKNOWN);
	assert_true(isnan(r.value));
	static const char *const not_there[] = {"b", "d", "e", ""};
	for (size_t i = 0; i < ARRAY_LEN(not_there); i++)
		assert_true(success_kept(kept, not_there[i], &r) < 0);
	assert_true(success_kept("", "a", &r) < 0);
	assert_true(success_kept("{\"a\":", "a", &r) < 0);
	assert_true(success_kept("[1]", "a", &r) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_within_its_bound_is_met_and_nothing_else),
		cmocka_unit_test(the_target_stands_beside_the_value),
		cmocka_unit_test(the_last_stage_of_this_environment_with_criteria_says_what_success_is),
		cmocka_unit_test(what_was_kept_is_read_back_or_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
