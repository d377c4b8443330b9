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

static struct success_record one(const struct criterion *c, struct criterion_result r)
{
	struct success_record s = SUCCESS_NOTHING;

	success_add(&s, c, &r, 1);
	return s;
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
		struct success_record s = one(rows[i].c, said(rows[i].s, rows[i].value));

		if (success_judge(rows[i].c, &s, true) != rows[i].v)
			fail_msg("row %zu: %s", i, verdict_name(success_judge(rows[i].c, &s, true)));
	}
	assert_int_equal(success_judge(&most, NULL, false), VERDICT_UNKNOWN);
}

/* After a corruption "met: 0" was said: the newest answer was 0 again. */
static void what_did_not_hold_once_is_missed_whatever_came_after(void **state)
{
	struct criterion none = {.name = "index validation failures", .bound = 0};
	struct success_record s = SUCCESS_NOTHING, later = SUCCESS_NOTHING;
	struct criterion_result good = said(CRITERION_HOLDS, 0), bad = said(CRITERION_FAILS, 1);

	(void)state;
	for (int64_t at = 1; at <= 999; at++)
		success_add(&s, &none, at == 500 ? &bad : &good, at);
	assert_int_equal(success_judge(&none, &s, true), VERDICT_MISSED);
	assert_true(s.worst == 1 && s.worst_us == 500);
	success_add(&later, &none, &good, 2000); /* the next run of the stage */
	assert_int_equal(success_judge(&none, &later, true), VERDICT_MET);
	success_add_earlier(&later, &none, &s);
	assert_int_equal(success_judge(&none, &later, true), VERDICT_MISSED);
	assert_int_equal(later.judged, 1000);
	assert_int_equal(later.held, 999);
	assert_true(later.worst_us == 500);
}

static void the_worst_of_a_least_bound_is_the_lowest(void **state)
{
	struct success_record s = SUCCESS_NOTHING;
	struct criterion_result high = said(CRITERION_HOLDS, 0.9), low = said(CRITERION_HOLDS, 0.81);

	(void)state;
	success_add(&s, &least, &high, 1);
	success_add(&s, &least, &low, 2);
	success_add(&s, &least, &high, 3);
	assert_true(s.worst == 0.81 && s.worst_us == 2);
}

/* Nobody knows now: what was seen before proves no success, but a miss stays one. */
static void unknown_now_is_not_met_by_what_was_before(void **state)
{
	struct criterion_result good = said(CRITERION_HOLDS, 0), bad = said(CRITERION_FAILS, 1),
				nothing = said(CRITERION_UNKNOWN, NAN);
	struct success_record s = one(&most, good);

	(void)state;
	success_add(&s, &most, &nothing, 2);
	assert_int_equal(success_judge(&most, &s, true), VERDICT_UNKNOWN);
	assert_int_equal(success_judge(&most, &s, false), VERDICT_MET); /* the stage does not judge it any more */
	success_add(&s, &most, &bad, 3);
	success_add(&s, &most, &nothing, 4);
	assert_int_equal(success_judge(&most, &s, true), VERDICT_MISSED);
}

static void check_words(const struct criterion *c, const struct success_record *s, const char *want)
{
	struct buf b = BUF(1000);

	success_words(&b, c, s, true);
	assert_string_equal(buf_text(&b), want);
	buf_free(&b);
}

static void the_target_stands_beside_the_value(void **state)
{
	struct success_record s = one(&least, said(CRITERION_HOLDS, 0.93));

	(void)state;
	check_words(&least, &s, "met: 93% at worst, at least 80%");
	s = one(&most, said(CRITERION_FAILS, 0.02));
	check_words(&most, &s, "missed: 0.02 at worst, at most 0.001, held 0% of the time");
	struct criterion_result good = said(CRITERION_HOLDS, 0);
	for (int i = 0; i < 9999; i++)
		success_add(&s, &most, &good, 1);
	check_words(&most, &s, "missed: 0.02 at worst, at most 0.001, held 99.9% of the time");
	s = one(&least, said(CRITERION_UNKNOWN, NAN));
	check_words(&least, &s, "unknown: no data; at least 80%");
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
	struct success_record r;

	(void)state;
	assert_int_equal(success_kept(kept, "a \"b\"", &r), 0);
	assert_int_equal(r.last.state, CRITERION_HOLDS);
	assert_true(r.last.value == 0.5);
	assert_string_equal(r.last.why, "holds: 0.5");
	assert_int_equal(r.judged, 1); /* an older release kept the last answer only */
	assert_true(r.worst == 0.5);
	assert_int_equal(success_kept(kept, "c", &r), 0);
	assert_int_equal(r.last.state, CRITERION_UNKNOWN);
	assert_true(isnan(r.last.value) && isnan(r.worst) && r.judged == 0);
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
		cmocka_unit_test(what_did_not_hold_once_is_missed_whatever_came_after),
		cmocka_unit_test(the_worst_of_a_least_bound_is_the_lowest),
		cmocka_unit_test(unknown_now_is_not_met_by_what_was_before),
		cmocka_unit_test(the_target_stands_beside_the_value),
		cmocka_unit_test(the_last_stage_of_this_environment_with_criteria_says_what_success_is),
		cmocka_unit_test(what_was_kept_is_read_back_or_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
