/* Which failed step is done again, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "handlers/engine/retry.h"
#include "server/core/clock.h"

#define ENDED (1000 * US_PER_S)
#define COMMAND(idempotent)                                                                                            \
	"{\"name\":\"reload\",\"command\":[\"/bin/true\"],\"timeout\":30,\"idempotent\":" idempotent "}"

static struct step make(int32_t ord, enum step_kind kind, const char *spec, enum step_state state, int32_t attempts)
{
	return (struct step) {.id = ord + 1,
	                      .ord = ord,
	                      .phase = PHASE_APPLY,
	                      .kind = kind,
	                      .name = (char *)(kind == STEP_FLAGS ? "set percentage" : "reload"),
	                      .spec = (char *)spec,
	                      .state = state,
	                      .attempts = attempts,
	                      .ended_at_us = ENDED};
}

static int64_t due(enum incident_kind kind, enum incident_state state, struct step step)
{
	struct incident inc = {.kind = kind, .state = state, .verify_rounds = 1};

	return retry_due_us(&inc, &(struct step_list) {&step, 1}, &step);
}

static void a_failed_step_is_tried_again_ever_more_rarely(void **state)
{
	int64_t before = 0;

	(void)state;
	for (int32_t attempts = 1; attempts < 40; attempts++) {
		int64_t wait = due(KIND_AUTO, INC_VERIFYING, make(0, STEP_FLAGS, "{}", STEP_FAILED, attempts)) - ENDED;

		assert_true(wait >= before && wait <= 60 * US_PER_S);
		assert_true(attempts > 3 || wait <= US_PER_S);
		assert_true(attempts < 12 || wait == 60 * US_PER_S);
		before = wait;
	}
}

static void as_long_as_the_incident_is_open_and_only_downwards(void **state)
{
	struct step failed = make(0, STEP_FLAGS, "{}", STEP_FAILED, 1);

	(void)state;
	for (int s = INC_PENDING; s < INC_STATE_N; s++) {
		bool open = s == INC_VERIFYING || s == INC_FAILED;

		assert_int_equal(due(KIND_AUTO, (enum incident_state)s, failed) != 0, open);
		assert_int_equal(due(KIND_MANUAL, (enum incident_state)s, failed) != 0, open);
		assert_int_equal(due(KIND_ADVANCE, (enum incident_state)s, failed), 0);
		assert_int_equal(due(KIND_DRILL, (enum incident_state)s, failed), 0);
	}
	for (int s = STEP_TODO; s < STEP_STATE_N; s++)
		assert_int_equal(due(KIND_AUTO, INC_FAILED, make(0, STEP_FLAGS, "{}", (enum step_state)s, 1)) != 0,
		                 s == STEP_FAILED);
}

static void a_command_is_repeated_once_the_checks_have_not_said_that_it_is_there(void **state)
{
	struct step failed = make(0, STEP_COMMAND, COMMAND("true"), STEP_FAILED, 1);
	struct incident inc = {.kind = KIND_AUTO, .state = INC_VERIFYING};

	(void)state;
	assert_int_equal(retry_due_us(&inc, &(struct step_list) {&failed, 1}, &failed), 0);
	inc.verify_rounds = inc.verify_passes = 1;
	assert_int_equal(retry_due_us(&inc, &(struct step_list) {&failed, 1}, &failed), 0);
	inc.verify_passes = 0;
	assert_true(retry_due_us(&inc, &(struct step_list) {&failed, 1}, &failed));
}

static void more_than_nothing_is_repeated_only_once_it_was_seen_above(void **state)
{
	struct step command = make(0, STEP_COMMAND, COMMAND("true"), STEP_FAILED, 1),
		    file = make(0, STEP_FLAGS, "{}", STEP_FAILED, 1);
	struct incident inc = {.kind = KIND_AUTO, .state = INC_VERIFYING, .verify_rounds = 1, .pct_wanted = 1000};

	(void)state;
	assert_int_equal(retry_due_us(&inc, &(struct step_list) {&command, 1}, &command), 0);
	assert_true(retry_due_us(&inc, &(struct step_list) {&file, 1}, &file)); /* it never holds more than before */
	inc.condition[CONDITION_ACKNOWLEDGED].state = STATUS_NO;
	assert_true(retry_due_us(&inc, &(struct step_list) {&command, 1}, &command));
}

static void what_may_not_be_repeated_is_not(void **state)
{
	(void)state;
	assert_true(due(KIND_AUTO, INC_FAILED, make(0, STEP_COMMAND, COMMAND("true"), STEP_FAILED, 1)));
	assert_false(due(KIND_AUTO, INC_FAILED, make(0, STEP_COMMAND, COMMAND("false"), STEP_FAILED, 1)));
	assert_false(due(KIND_AUTO, INC_FAILED, make(0, STEP_COMMAND, "no JSON", STEP_FAILED, 1)));
}

static void a_later_step_of_the_same_name_takes_its_place(void **state)
{
	struct step all[] = {make(0, STEP_FLAGS, "{}", STEP_FAILED, 1),
	                     make(1, STEP_COMMAND, COMMAND("true"), STEP_FAILED, 1),
	                     make(2, STEP_FLAGS, "{}", STEP_FAILED, 1)};
	struct step_list l = {all, ARRAY_LEN(all)};
	struct incident inc = {.kind = KIND_AUTO, .state = INC_VERIFYING, .verify_rounds = 1};

	(void)state;
	assert_int_equal(retry_due_us(&inc, &l, &all[0]), 0);
	assert_true(retry_due_us(&inc, &l, &all[1]));
	assert_true(retry_due_us(&inc, &l, &all[2]));
}

static void what_ran_before_the_file_was_lowered_runs_again(void **state)
{
	struct step flags = make(1, STEP_FLAGS, "{}", STEP_DONE, 2);
	struct {
		struct step step;
		bool again;
	} cases[] = {
		{make(2, STEP_COMMAND, COMMAND("true"), STEP_DONE, 1), true},
		{make(2, STEP_COMMAND, COMMAND("true"), STEP_FAILED, 1), true},
		{make(2, STEP_COMMAND, COMMAND("true"), STEP_TODO, 0), false},
		{make(2, STEP_COMMAND, COMMAND("true"), STEP_IN_DOUBT, 1), false},
		{make(2, STEP_COMMAND, COMMAND("false"), STEP_DONE, 1), false},
		{make(0, STEP_COMMAND, COMMAND("true"), STEP_DONE, 1), false}, /* of an older target */
		{make(2, STEP_VERIFY, "{}", STEP_DONE, 1), false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(retry_follows(&flags, &cases[i].step), cases[i].again);
}

static void what_passes_by_itself_is_known(void **state)
{
	(void)state;
	assert_true(retry_may_help(-EBUSY) && retry_may_help(-EAGAIN) && retry_may_help(-ENOSPC));
	assert_false(retry_may_help(-ENOENT) || retry_may_help(-ELOOP) || retry_may_help(-EACCES) || retry_may_help(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_step_is_tried_again_ever_more_rarely),
		cmocka_unit_test(as_long_as_the_incident_is_open_and_only_downwards),
		cmocka_unit_test(a_command_is_repeated_once_the_checks_have_not_said_that_it_is_there),
		cmocka_unit_test(more_than_nothing_is_repeated_only_once_it_was_seen_above),
		cmocka_unit_test(what_may_not_be_repeated_is_not),
		cmocka_unit_test(a_later_step_of_the_same_name_takes_its_place),
		cmocka_unit_test(what_ran_before_the_file_was_lowered_runs_again),
		cmocka_unit_test(what_passes_by_itself_is_known),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
