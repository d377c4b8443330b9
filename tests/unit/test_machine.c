/* The state table, walked over all cells: properties, not examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "handlers/incident/machine.h"
#include "handlers/settings/settings.h"
#include "handlers/engine/record.h"
#include "server/core/clock.h"

#define EACH_CELL(s, e)                                                                                                \
	for (int s = 1; s < INC_STATE_N; s++)                                                                          \
		for (int e = 1; e < EV_N; e++)

static const struct edge *edge(int s, int e)
{
	return machine_edge((enum incident_state)s, (enum incident_event)e);
}

static void an_ended_incident_never_moves_again(void **state)
{
	(void)state;
	for (int e = 1; e < EV_N; e++) {
		assert_null(edge(INC_CANCELLED, e));
		assert_null(edge(INC_RESOLVED, e));
	}
}

static void every_edge_leads_to_a_real_state(void **state)
{
	(void)state;
	EACH_CELL(s, e)
	if (edge(s, e))
		assert_in_range(edge(s, e)->to, 1, INC_STATE_N - 1);
}

static void rolled_back_is_entered_only_by_seeing_it(void **state)
{
	(void)state;
	EACH_CELL(s, e)
	if (edge(s, e) && edge(s, e)->to == INC_ROLLED_BACK)
		assert_true(e == EV_SEEN || e == EV_CONFIRMED);
}

static void nothing_is_cancelled_once_acting_began(void **state)
{
	(void)state;
	EACH_CELL(s, e)
	if (edge(s, e) && edge(s, e)->to == INC_CANCELLED)
		assert_true(s == INC_PENDING || s == INC_HELD || e == EV_SUPERSEDED); /* its acts are stopped */
}

static void an_acting_incident_cannot_be_resolved(void **state)
{
	(void)state;
	for (int e = 1; e < EV_N; e++) {
		assert_true(!edge(INC_ROLLING_BACK, e) || edge(INC_ROLLING_BACK, e)->to != INC_RESOLVED);
		assert_true(e == EV_PASSED || !edge(INC_VERIFYING, e) || edge(INC_VERIFYING, e)->to != INC_RESOLVED);
	}
}

static void every_state_that_matters_is_announced(void **state)
{
	(void)state;
	EACH_CELL(s, e)
	{
		const struct edge *g = edge(s, e);

		/* told already, or by the move before */
		bool again = e == EV_AGAIN || e == EV_CONFIRMED || e == EV_ENTERED;

		if (g && g->to != INC_VERIFYING && !again)
			assert_true(g->announces != ANNOUNCE_NOTHING);
	}
}

static void failure_and_its_end_page(void **state)
{
	(void)state;
	for (enum incident_kind k = KIND_AUTO; k < KIND_N; k++) {
		const struct announcement *failed = announcement_of(k, edge(INC_VERIFYING, EV_DEADLINE)->announces);

		assert_non_null(failed);
		assert_true(failed->classes & EVENT_PAGE);
		assert_true(announcement_of(k, edge(INC_FAILED, EV_RESOLVE)->announces)->classes & EVENT_PAGE);
	}
	assert_true(announcement_of(KIND_AUTO, edge(INC_FAILED, EV_SEEN)->announces)->classes & EVENT_PAGE);
	assert_true(announcement_of(KIND_ADVANCE, edge(INC_FAILED, EV_SEEN)->announces)->classes & EVENT_PAGE);
	assert_true(announcement_of(KIND_AUTO, ANNOUNCE_STARTED)->classes & EVENT_PAGE);
}

static void each_announcement_has_a_word_and_somebody_who_may_hear_it(void **state)
{
	(void)state;
	for (enum announcement_id id = ANNOUNCE_NOTHING + 1; id < ANNOUNCE_N; id++) {
		const struct announcement *a =
			id <= ANNOUNCE_INCIDENT_LAST ? announcement_of(KIND_AUTO, id) : announcement_get(id);

		assert_non_null(a);
		assert_non_null(a->what);
		assert_non_null(event_heard(a->classes, EVENT_ALL & a->classes));
	}
	assert_null(announcement_of(KIND_AUTO, ANNOUNCE_NOTHING));
}

/* Whoever asked for incidents is not told of stages, nor the other way round. */
static void stages_go_to_those_who_follow_stages(void **state)
{
	(void)state;
	for (enum announcement_id id = ANNOUNCE_NOTHING; id <= ANNOUNCE_INCIDENT_LAST; id++) {
		const struct announcement *stage = announcement_of(KIND_ADVANCE, id),
					  *drill = announcement_of(KIND_DRILL, id);

		assert_true(!stage || (stage->classes & EVENT_STAGE && !(stage->classes & EVENT_INCIDENT)));
		assert_true(!drill || !(drill->classes & EVENT_ROLLOUT));
	}
}

static void a_failed_incident_does_not_end_by_silence(void **state)
{
	(void)state;
	assert_null(edge(INC_FAILED, EV_QUIET));
	assert_null(edge(INC_FAILED, EV_CALM));
}

static void every_live_state_can_reach_an_end(void **state)
{
	bool reach[INC_STATE_N] = {[INC_CANCELLED] = true, [INC_RESOLVED] = true};

	(void)state;
	for (int turn = 0; turn < INC_STATE_N; turn++)
		EACH_CELL(s, e)
	if (edge(s, e) && reach[edge(s, e)->to])
		reach[s] = true;
	for (int s = 1; s < INC_STATE_N; s++)
		assert_true(reach[s]);
}

static void every_state_and_event_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int s = 1; s < INC_STATE_N; s++)
		assert_int_equal(incident_state_find(incident_state_name((enum incident_state)s)), s);
	for (int e = 1; e < EV_N; e++)
		for (int f = 1; f < e; f++)
			assert_string_not_equal(machine_event_name((enum incident_event)e),
			                        machine_event_name((enum incident_event)f));
}

static void a_further_trigger_always_lowers_while_the_incident_lives(void **state)
{
	(void)state;
	for (int s = 1; s < INC_STATE_N; s++)
		if (incident_is_open((enum incident_state)s)) {
			assert_non_null(edge(s, EV_TRIGGER));
			assert_int_equal(edge(s, EV_TRIGGER)->to, INC_ROLLING_BACK);
		}
}

static void looking_goes_on_after_a_failure_at_least_every_minute(void **state)
{
	const int64_t every = 5 * US_PER_S, failed = 1000 * US_PER_S;
	struct incident inc = {.state = INC_FAILED, .failed_at_us = failed};

	(void)state;
	for (int64_t after = 0; after < 100 * 3600 * US_PER_S; after += 600 * US_PER_S) {
		int64_t wait = next_round_us(&inc, every, failed + after) - (failed + after);

		assert_true(wait >= every);
		assert_true(wait <= 60 * US_PER_S);
	}
	inc.state = INC_VERIFYING;
	assert_int_equal(next_round_us(&inc, every, failed) - failed, every);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ended_incident_never_moves_again),
		cmocka_unit_test(every_edge_leads_to_a_real_state),
		cmocka_unit_test(rolled_back_is_entered_only_by_seeing_it),
		cmocka_unit_test(nothing_is_cancelled_once_acting_began),
		cmocka_unit_test(an_acting_incident_cannot_be_resolved),
		cmocka_unit_test(every_state_that_matters_is_announced),
		cmocka_unit_test(failure_and_its_end_page),
		cmocka_unit_test(each_announcement_has_a_word_and_somebody_who_may_hear_it),
		cmocka_unit_test(stages_go_to_those_who_follow_stages),
		cmocka_unit_test(a_failed_incident_does_not_end_by_silence),
		cmocka_unit_test(every_live_state_can_reach_an_end),
		cmocka_unit_test(every_state_and_event_has_a_name_of_its_own),
		cmocka_unit_test(a_further_trigger_always_lowers_while_the_incident_lives),
		cmocka_unit_test(looking_goes_on_after_a_failure_at_least_every_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
