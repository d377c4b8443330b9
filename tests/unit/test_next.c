/* What an open incident does next, by its rows and what was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/engine/next.h"
#include "server/core/clock.h"

#define NOW     (1000 * US_PER_S)
#define COMMAND "{\"name\":\"reload\",\"command\":[\"/bin/true\",\"${percentage}\"],\"timeout\":30,\"idempotent\":true}"

static struct fallback others[] = {{.act = {.name = "restart"}, .after_us = 60 * US_PER_S},
                                   {.act = {.name = "stop"}, .after_us = 120 * US_PER_S}};
static const struct rollout rollout = {.name = "shop", .fallbacks = others, .n_fallbacks = ARRAY_LEN(others)};

static struct step command(int32_t ord, enum step_phase phase, enum step_state state)
{
	return (struct step) {.id = ord + 1,
	                      .ord = ord,
	                      .phase = phase,
	                      .kind = STEP_COMMAND,
	                      .name = (char *)"reload",
	                      .spec = (char *)COMMAND,
	                      .state = state,
	                      .attempts = state != STEP_TODO,
	                      .ended_at_us = NOW};
}

static struct incident verifying(int32_t wanted)
{
	return (struct incident) {.kind = KIND_AUTO,
	                          .state = INC_VERIFYING,
	                          .pct_wanted = wanted,
	                          .verify_rounds = 1,
	                          .applied_at_us = NOW,
	                          .evidence_since_us = NOW};
}

static struct situation situation(const struct incident *inc, const struct step_list *l)
{
	return (struct situation) {
		.inc = inc, .steps = l, .rollout = &rollout, .seen = {.there = -1, .file = -1}, .now_us = NOW};
}

static void which_step_may_run_when(void **state)
{
	(void)state;
	for (int s = 1; s < INC_STATE_N; s++) {
		bool looks = s == INC_VERIFYING || s == INC_FAILED;

		assert_int_equal(step_may_run((enum incident_state)s, PHASE_APPLY), s == INC_ROLLING_BACK || looks);
		assert_int_equal(step_may_run((enum incident_state)s, PHASE_FALLBACK), looks);
		assert_int_equal(step_may_run((enum incident_state)s, PHASE_FOLLOWUP), looks || s == INC_ROLLED_BACK);
		assert_false(step_may_run((enum incident_state)s, PHASE_VERIFY));
		assert_false(step_may_run((enum incident_state)s, PHASE_SNAPSHOT));
	}
}

static void what_follows_waits_for_a_person_before_it(void **state)
{
	struct step all[] = {command(0, PHASE_FOLLOWUP, STEP_WAITING), command(1, PHASE_FOLLOWUP, STEP_TODO)};
	struct step_list l = {all, ARRAY_LEN(all)};
	struct incident inc = verifying(0);
	struct situation now = situation(&inc, &l);

	(void)state;
	assert_false(next_may_begin(&now, &all[1]));
	all[0].state = STEP_DONE;
	assert_true(next_may_begin(&now, &all[1]));
}

/* What is done late, or again, above 0 %. */
static void more_than_nothing_waits_until_everybody_was_seen_at_that(void **state)
{
	struct step all[] = {command(0, PHASE_FALLBACK, STEP_TODO), command(1, PHASE_APPLY, STEP_FAILED)};
	struct step_list l = {all, ARRAY_LEN(all)};
	struct incident inc = verifying(1000);
	struct situation now = situation(&inc, &l);
	int64_t due = 0;

	(void)state;
	inc.condition[CONDITION_ACKNOWLEDGED].state = STATUS_NO;
	all[1].name = (char *)"restart";
	assert_false(next_may_begin(&now, &all[0]) || next_retry(&now, &due));
	now.seen = (struct sighting) {.there = 500, .file = -1, .since_us = NOW};
	assert_false(next_may_begin(&now, &all[0]) || next_retry(&now, &due));
	now.seen.there = 1000;
	assert_true(next_may_begin(&now, &all[0]));
	assert_ptr_equal(next_retry(&now, &due), &all[1]);
	assert_true(due > NOW);
	now.seen.since_us = NOW - 1; /* before the last act */
	assert_false(next_may_begin(&now, &all[0]) || next_retry(&now, &due));
	inc.pct_wanted = 0; /* raises nothing */
	assert_true(next_may_begin(&now, &all[0]));
	assert_ptr_equal(next_retry(&now, &due), &all[1]);
}

static void of_two_that_failed_the_one_due_first(void **state)
{
	struct step all[] = {command(0, PHASE_APPLY, STEP_FAILED), command(1, PHASE_APPLY, STEP_FAILED)};
	struct step_list l = {all, ARRAY_LEN(all)};
	struct incident inc = verifying(0);
	struct situation now = situation(&inc, &l);
	int64_t due = 0;

	(void)state;
	all[1].name = (char *)"restart";
	all[0].attempts = 5;
	assert_ptr_equal(next_retry(&now, &due), &all[1]);
	all[1].attempts = 9;
	assert_ptr_equal(next_retry(&now, &due), &all[0]);
	all[0].state = all[1].state = STEP_DONE;
	assert_null(next_retry(&now, &due));
}

static void another_way_in_its_order_and_time_while_nobody_acknowledged(void **state)
{
	struct step used = command(0, PHASE_FALLBACK, STEP_RUNNING);
	struct step_list none = {0}, one = {&used, 1};
	struct incident inc = verifying(0);
	struct situation now = situation(&inc, &none);

	(void)state;
	now.now_us = NOW + 60 * US_PER_S - 1;
	assert_null(next_fallback(&now));
	now.now_us++;
	assert_ptr_equal(next_fallback(&now), &others[0]);
	inc.condition[CONDITION_ACKNOWLEDGED].state = STATUS_YES;
	assert_null(next_fallback(&now));
	inc.condition[CONDITION_ACKNOWLEDGED].state = STATUS_UNKNOWN;
	now.steps = &one;
	now.now_us = NOW + 120 * US_PER_S;
	assert_null(next_fallback(&now)); /* one at a time */
	used.state = STEP_FAILED;
	assert_ptr_equal(next_fallback(&now), &others[1]);
	used.state = STEP_SKIPPED; /* of an apply before this one */
	assert_ptr_equal(next_fallback(&now), &others[0]);
}

static void what_is_under_way_is_open(void **state)
{
	struct step all[] = {command(0, PHASE_APPLY, STEP_DONE), command(1, PHASE_FALLBACK, STEP_RUNNING)};
	struct step_list l = {all, ARRAY_LEN(all)};
	struct incident inc = verifying(0);
	struct situation now = situation(&inc, &l);

	(void)state;
	assert_true(acts_are_open(&now) && !apply_is_open(&now));
	all[1].state = STEP_FAILED;
	assert_false(acts_are_open(&now));
	all[0].state = STEP_TODO;
	assert_true(acts_are_open(&now) && apply_is_open(&now));
	inc.pct_wanted = 1000; /* it waits for a round: that is not held up by it */
	assert_false(acts_are_open(&now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_step_may_run_when),
		cmocka_unit_test(what_follows_waits_for_a_person_before_it),
		cmocka_unit_test(more_than_nothing_waits_until_everybody_was_seen_at_that),
		cmocka_unit_test(of_two_that_failed_the_one_due_first),
		cmocka_unit_test(another_way_in_its_order_and_time_while_nobody_acknowledged),
		cmocka_unit_test(what_is_under_way_is_open),
	};

	return cmocka_run_group_tests_name("next", tests, NULL, NULL);
}
