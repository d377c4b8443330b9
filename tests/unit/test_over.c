/* Is an incident over, why, and what comes next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "handlers/incident/over.h"
#include "server/core/scope.h"

static struct incident at(enum incident_state state)
{
	return (struct incident) {
		.id = 7,
		.rollout = (char *)"shop",
		.playbook = (char *)"auto-rollback",
		.kind = KIND_AUTO,
		.state = state,
		.stage = 2,
		.pct_wanted = 0,
		.pct_seen = -1,
	};
}

static struct incident_over over_of(const struct incident *inc, const struct incident_facts *facts)
{
	struct incident_over o;

	incident_over(inc, facts, &o);
	return o;
}

static void is(const struct incident *inc, struct incident_facts facts, bool over, const char *because,
               const char *next)
{
	struct incident_over o = over_of(inc, &facts);

	assert_int_equal(o.over, over);
	assert_string_equal(o.because, because);
	if (next)
		assert_string_equal(o.next[0], next);
	else
		assert_int_equal(o.n_next, 0);
}

#define NOTHING ((struct incident_facts) {0})

/* No state is over before its end but one that was seen where it should be. */
static void only_what_has_ended_or_was_seen_is_over(void **state)
{
	static const bool over[INC_STATE_N] = {[INC_ROLLED_BACK] = true, [INC_CANCELLED] = true, [INC_RESOLVED] = true};

	(void)state;
	for (int s = 1; s < INC_STATE_N; s++) {
		struct incident inc = at((enum incident_state)s);
		struct incident_over o = over_of(&inc, &NOTHING);

		assert_int_equal(o.over, over[s]);
		assert_true(o.because[0] != '\0');
		for (size_t i = 0; i < o.n_next; i++)
			assert_memory_equal(o.next[i], "rollbackctl ", 12);
	}
}

static void a_failed_one_says_who_lags_and_how_to_try_again(void **state)
{
	struct incident inc = at(INC_FAILED);

	(void)state;
	is(&inc, NOTHING, false, "0% was never verified: no answer what the percentage is",
	   "rollbackctl incident retry 7");
	inc.pct_seen = 2500;
	inc.condition[CONDITION_ACKNOWLEDGED].state = STATUS_NO;
	inc.condition[CONDITION_ACKNOWLEDGED].note = (char *)"19 of 20 at 0%; at 25%: pod=\"web-7\"";
	is(&inc, NOTHING, false, "0% was never verified: 19 of 20 at 0%; at 25%: pod=\"web-7\"",
	   "rollbackctl incident retry 7");
	inc.pct_seen = 0; /* of before: nobody can tell whether it still is */
	inc.condition[CONDITION_ACKNOWLEDGED].state = STATUS_UNKNOWN;
	inc.condition[CONDITION_ACKNOWLEDGED].note = (char *)"Prometheus percentage: answered 503: away";
	is(&inc, NOTHING, false, "0% was never verified: Prometheus percentage: answered 503: away",
	   "rollbackctl incident retry 7");
}

static void rolled_back_is_not_over_while_something_is_open(void **state)
{
	struct incident inc = at(INC_ROLLED_BACK);

	(void)state;
	is(&inc, NOTHING, true, "0% was seen, and no alert of it fires", "rollbackctl incident resolve 7");
	is(&inc, (struct incident_facts) {.firing = 1}, false, "1 alert still fires", "rollbackctl incident resolve 7");
	is(&inc, (struct incident_facts) {.firing = 2}, false, "2 alerts still fire", "rollbackctl incident resolve 7");
	is(&inc, (struct incident_facts) {.failed = "validate FAILED", .waiting = "restore"}, false,
	   "after the rollback validate FAILED", "rollbackctl incident approve 7");
	is(&inc, (struct incident_facts) {.waiting = "restore"}, false, "restore waits for a person",
	   "rollbackctl incident approve 7");
	inc.condition[CONDITION_CURED] = (struct condition) {.state = STATUS_NO, .note = (char *)"0.2, at most 0.1"};
	inc.verify_until_us = 9; /* until then nobody says whose fault it was not */
	is(&inc, NOTHING, false, "at 0% the symptom is still there (0.2, at most 0.1)",
	   "rollbackctl incident resolve 7");
	inc.verify_until_us = 0;
	is(&inc, NOTHING, false,
	   "at 0% and the symptom persists (0.2, at most 0.1): the canary is probably not the cause. Look elsewhere",
	   "rollbackctl incident resolve 7");
	inc.pct_wanted = 500;
	is(&inc, NOTHING, false,
	   "at 5% and the symptom persists (0.2, at most 0.1): that was not enough, or the canary is not the cause. To "
	   "0%: rollbackctl rollback shop --stage 2",
	   "rollbackctl incident resolve 7");
	inc.pct_wanted = 0;
	inc.state = INC_RESOLVED; /* by a person: that it did not help is not forgotten */
	inc.rolled_back_at_us = 5;
	is(&inc, NOTHING, true, "0% was seen, and it was resolved; the symptom persisted (0.2, at most 0.1)", NULL);
	inc.state = INC_ROLLED_BACK;
	inc.condition[CONDITION_CURED] = (struct condition) {.state = STATUS_UNKNOWN, .note = (char *)"no data"};
	is(&inc, NOTHING, true, "0% was seen, and no alert of it fires; whether it helped is unknown (no data)",
	   "rollbackctl incident resolve 7");
	inc.condition[CONDITION_CURED].state = STATUS_UNKNOWN;
	inc.review = REVIEW_REQUIRED;
	is(&inc, NOTHING, false, "0% was seen, but its review is open",
	   "rollbackctl incident review 7 \"what was wrong, and what was done\"");
}

static void ended_by_a_person_unverified_is_not_over(void **state)
{
	struct incident inc = at(INC_RESOLVED);

	(void)state;
	inc.failed_at_us = 5;
	inc.pct_seen = 2500;
	assert_true(incident_ended_unverified(&inc));
	is(&inc, NOTHING, false, "a person ended it, but 0% was never verified: last seen at 25%",
	   "rollbackctl rollback shop --stage 2");
	inc.rolled_back_at_us = 6; /* late, but seen */
	assert_false(incident_ended_unverified(&inc));
	is(&inc, NOTHING, true, "0% was seen, and it was resolved", NULL);
	inc.review = REVIEW_REQUIRED;
	is(&inc, NOTHING, false, "its review is open, and nothing is raised before",
	   "rollbackctl incident review 7 \"what was wrong, and what was done\"");
}

static void what_waits_for_a_person_offers_both_ways(void **state)
{
	struct incident inc = at(INC_HELD);
	struct incident_over o = over_of(&inc, &NOTHING);

	(void)state;
	assert_int_equal(o.n_next, 2);
	assert_string_equal(o.next[0], "rollbackctl rollback shop --stage 2");
	assert_string_equal(o.next[1], "rollbackctl incident resolve 7");
	inc.stage = -1;
	is(&inc, NOTHING, false, "it is held and waits for a person", "rollbackctl incident resolve 7");
}

/* Nothing to do: the daemon is at it. */
static void nobody_is_sent_where_nothing_can_be_done(void **state)
{
	struct incident acts = at(INC_ROLLING_BACK), looks = at(INC_VERIFYING), done = at(INC_RESOLVED);

	(void)state;
	is(&acts, NOTHING, false, "it is rolling back to 0%", NULL);
	is(&looks, NOTHING, false, "0% is not verified yet", NULL);
	is(&done, NOTHING, true, "it was resolved", NULL);
}

static void a_drill_is_over_when_it_passed_or_was_ended(void **state)
{
	struct incident inc = at(INC_FAILED);

	(void)state;
	inc.kind = KIND_DRILL;
	inc.failed_at_us = 1;
	is(&inc, NOTHING, false, "the drill has FAILED: a real rollback might fail, too", "rollbackctl drill shop");
	inc.state = INC_RESOLVED;
	is(&inc, NOTHING, true, "the drill was ended, not passed", NULL);
	assert_false(incident_ended_unverified(&inc)); /* it changed nothing */
	inc.failed_at_us = 0;
	is(&inc, NOTHING, true, "the drill has passed", NULL);
}

/* The longest that fits into a row must not overflow. */
static void long_names_are_cut(void **state)
{
	char note[2000], rollout[129];
	struct incident inc = at(INC_FAILED);

	(void)state;
	memset(note, 'n', sizeof(note) - 1);
	memset(rollout, 'r', sizeof(rollout) - 1);
	note[sizeof(note) - 1] = rollout[sizeof(rollout) - 1] = '\0';
	inc.rollout = rollout;
	inc.condition[CONDITION_ACKNOWLEDGED] = (struct condition) {.state = STATUS_NO, .note = note};
	struct incident_over o = over_of(&inc, &NOTHING);
	assert_true(strlen(o.because) < sizeof(o.because));
	inc.state = INC_HELD;
	o = over_of(&inc, &NOTHING);
	assert_non_null(strstr(o.next[0], "--stage 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_has_ended_or_was_seen_is_over),
		cmocka_unit_test(a_failed_one_says_who_lags_and_how_to_try_again),
		cmocka_unit_test(rolled_back_is_not_over_while_something_is_open),
		cmocka_unit_test(ended_by_a_person_unverified_is_not_over),
		cmocka_unit_test(what_waits_for_a_person_offers_both_ways),
		cmocka_unit_test(nobody_is_sent_where_nothing_can_be_done),
		cmocka_unit_test(a_drill_is_over_when_it_passed_or_was_ended),
		cmocka_unit_test(long_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
