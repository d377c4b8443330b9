/* Which stage a percentage is, and which is the previous one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "handlers/settings/settings.h"
#include "server/core/scope.h"

static struct stage stages[] = {
	{.number = 0, .environment = "staging", .pct = 100},
	{.number = 1, .environment = "production", .pct = 1000},
	{.number = 2, .environment = "staging", .pct = 2000},
	{.number = 3, .environment = "production", .pct = 2500},
	{.number = 4, .environment = "production", .pct = 5000},
	{.number = 5, .environment = "production", .pct = 10000},
};
static const struct settings settings = {.environment = "production"};
static const struct rollout rollout = {.stages = stages, .n_stages = ARRAY_LEN(stages)};

static int32_t previous(int32_t stage, int32_t there)
{
	return stage_previous(&settings, &rollout, stage, there);
}

static void the_previous_stage_is_the_nearest_earlier_one_with_a_lower_percentage(void **state)
{
	(void)state;
	assert_int_equal(previous(5, 10000), 5000);
	assert_int_equal(previous(4, 5000), 2500);
	assert_int_equal(previous(4, 10000), 2500);
	assert_int_equal(previous(4, 2500), 1000);
}

static void a_stage_of_another_environment_is_never_gone_to(void **state)
{
	(void)state;
	assert_int_equal(previous(3, 2500), 1000);
	assert_int_equal(previous(1, 1000), 0);
}

static void nothing_lower_or_an_unknown_percentage_is_zero(void **state)
{
	(void)state;
	assert_int_equal(previous(1, 1000), 0);
	assert_int_equal(previous(4, 500), 0);
	assert_int_equal(previous(4, 0), 0);
	assert_int_equal(previous(4, -1), 0);
}

static void an_unstaged_rollout_goes_to_the_last_stage_below_what_is_there(void **state)
{
	(void)state;
	assert_int_equal(previous(-1, 3300), 2500);
	assert_int_equal(previous(-1, 900), 0);
}

static void the_previous_percentage_is_always_lower(void **state)
{
	(void)state;
	for (int32_t stage = -1; stage < 7; stage++)
		for (int32_t there = 1; there <= 10000; there += 33)
			assert_true(previous(stage, there) < there);
}

static void only_a_stage_of_this_environment_is_adopted(void **state)
{
	(void)state;
	assert_int_equal(stage_of_percentage(&settings, &rollout, 2500)->number, 3);
	assert_null(stage_of_percentage(&settings, &rollout, 2000));
	assert_null(stage_of_percentage(&settings, &rollout, 2501));
	assert_int_equal(rollout_stage(&rollout, 2)->pct, 2000);
	assert_null(rollout_stage(&rollout, 6));
}

static void the_last_stage_is_the_one_with_the_greatest_number(void **state)
{
	struct stage unordered[] = {{.number = 3}, {.number = 7}, {.number = 0}};
	const struct rollout r = {.stages = unordered, .n_stages = ARRAY_LEN(unordered)}, none = {0};

	(void)state;
	assert_int_equal(rollout_last_stage(&r), 7);
	assert_int_equal(rollout_last_stage(&none), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_previous_stage_is_the_nearest_earlier_one_with_a_lower_percentage),
		cmocka_unit_test(a_stage_of_another_environment_is_never_gone_to),
		cmocka_unit_test(nothing_lower_or_an_unknown_percentage_is_zero),
		cmocka_unit_test(an_unstaged_rollout_goes_to_the_last_stage_below_what_is_there),
		cmocka_unit_test(the_previous_percentage_is_always_lower),
		cmocka_unit_test(only_a_stage_of_this_environment_is_adopted),
		cmocka_unit_test(the_last_stage_is_the_one_with_the_greatest_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
