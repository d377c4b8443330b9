/* What a round of verification means for a rollback: has anything to be done, to which target, and was it seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/engine/round.h"
#include "server/core/clock.h"

#define NOW (1000 * US_PER_S)

static struct plan plan = {.rollout = {.name = "shop", .flags_file = "/f", .verify_delay_us = 5 * US_PER_S}};

static struct incident rollback_to(int32_t pct)
{
	return (struct incident) {.kind = KIND_AUTO, .state = INC_VERIFYING, .asking = true, .pct_wanted = pct};
}

static enum asked_answer asked(struct incident *inc, struct change round)
{
	struct finding f = {.plan = &plan, .inc = inc, .round = &round, .now_us = NOW};

	return round_asked(&f);
}

static struct change heard(enum condition_status acknowledged, enum condition_status written)
{
	struct change ch = round_unheard(0);

	ch.acknowledged = acknowledged;
	ch.written = written;
	ch.asked = true;
	ch.partial = acknowledged == STATUS_UNKNOWN;
	return ch;
}

static int32_t target(int32_t wanted, int32_t file, int32_t least)
{
	struct incident inc = rollback_to(wanted);
	struct change ch = heard(least < 0 ? STATUS_UNKNOWN : STATUS_NO, STATUS_NO);

	ch.file = file;
	ch.least = least;
	ch.seen = least < 0 ? -1 : 10000;
	struct finding f = {.plan = &plan, .inc = &inc, .round = &ch, .now_us = NOW};
	return round_target(&f);
}

static void a_rollback_never_goes_above_anything_that_is_known(void **state)
{
	static const int32_t some[] = {-1, 0, 1, 500, 1000, 2500, 10000};

	(void)state;
	for (size_t w = 1; w < ARRAY_LEN(some); w++)
		for (size_t f = 0; f < ARRAY_LEN(some); f++)
			for (size_t s = 0; s < ARRAY_LEN(some); s++) {
				int32_t to = target(some[w], some[f], some[s]);

				assert_true(to >= 0 && to <= some[w]);
				assert_true(some[f] < 0 || to <= some[f]);
				assert_true(some[s] < 0 || to <= some[s]);
				/* no lower than it must be */
				assert_true(to == some[w] || to == some[f] || to == some[s]);
			}
}

static void what_nobody_can_tell_is_zero_at_once_and_no_more_than_zero(void **state)
{
	struct incident zero = rollback_to(0), some = rollback_to(1000);

	(void)state;
	assert_int_equal(asked(&zero, heard(STATUS_UNKNOWN, STATUS_YES)), ASKED_ABOVE);
	for (int round = 1; round < 3; round++)
		assert_int_equal(asked(&some, heard(STATUS_UNKNOWN, STATUS_YES)), ASKED_WAIT);
	assert_int_equal(asked(&some, heard(STATUS_UNKNOWN, STATUS_YES)), ASKED_NOBODY);
}

static void the_time_for_asking_is_bounded(void **state)
{
	struct incident inc = rollback_to(1000);
	struct change late = heard(STATUS_UNKNOWN, STATUS_YES);

	(void)state;
	late.stale = true;
	for (int round = 0; round < 10; round++)
		assert_int_equal(asked(&inc, late), ASKED_WAIT); /* young samples will come */
	late.deadline_passed = true;
	assert_int_equal(asked(&inc, late), ASKED_NOBODY);
}

static void one_that_does_not_say_where_it_is_might_be_raised(void **state)
{
	struct incident inc = rollback_to(1000), zero = rollback_to(0);
	struct change ch = heard(STATUS_NO, STATUS_YES);

	(void)state;
	ch.partial = true;
	assert_int_equal(asked(&inc, ch), ASKED_WAIT);
	assert_int_equal(asked(&zero, ch), ASKED_ABOVE);
	ch.partial = false;
	assert_int_equal(asked(&inc, ch), ASKED_ABOVE);
}

static void there_is_the_service_and_the_file(void **state)
{
	struct incident inc = rollback_to(1000);

	(void)state;
	assert_int_equal(asked(&inc, heard(STATUS_YES, STATUS_YES)), ASKED_THERE);
	assert_int_equal(inc.verify_passes, 1);
	assert_int_equal(asked(&inc, heard(STATUS_YES, STATUS_NO)), ASKED_ABOVE);
	assert_int_equal(asked(&inc, heard(STATUS_YES, STATUS_UNKNOWN)), ASKED_ABOVE);
	assert_int_equal(inc.verify_passes, 0);
	assert_int_equal(inc.verify_rounds, 3);
}

static void an_apply_has_its_time_before_it_can_be_seen(void **state)
{
	struct incident inc = rollback_to(0);

	(void)state;
	inc.applied_at_us = NOW - 4 * US_PER_S;
	assert_int_equal(asked(&inc, heard(STATUS_NO, STATUS_YES)), ASKED_WAIT);
	inc.applied_at_us = NOW - 5 * US_PER_S;
	assert_int_equal(asked(&inc, heard(STATUS_NO, STATUS_YES)), ASKED_ABOVE);
}

static int64_t passes_after(struct change ch, bool acts_open)
{
	struct incident inc = rollback_to(0);
	struct finding f = {.plan = &plan, .inc = &inc, .round = &ch, .now_us = NOW};

	inc.verify_passes = 1;
	round_count(&f, acts_open);
	assert_int_equal(inc.verify_rounds, 1);
	return inc.verify_passes;
}

static void seen_is_the_file_the_service_and_where_it_is_asked_for_the_traffic(void **state)
{
	struct change traffic = heard(STATUS_YES, STATUS_YES);

	(void)state;
	traffic.effective = STATUS_NO;
	assert_int_equal(passes_after(heard(STATUS_YES, STATUS_YES), false), 2);
	assert_int_equal(passes_after(heard(STATUS_YES, STATUS_YES), true), 0);
	assert_int_equal(passes_after(heard(STATUS_NO, STATUS_YES), false), 0);
	assert_int_equal(passes_after(heard(STATUS_YES, STATUS_NO), false), 0);
	assert_int_equal(passes_after(heard(STATUS_UNKNOWN, STATUS_YES), false), 0);
	assert_int_equal(passes_after(traffic, false), 2);
	plan.rollout.effective_query = "traffic";
	assert_int_equal(passes_after(traffic, false), 0);
	traffic.effective = STATUS_YES;
	assert_int_equal(passes_after(traffic, false), 2);
	plan.rollout.effective_query = NULL;
}

static void the_lowest_counts_when_everybody_has_said(void **state)
{
	struct change ch = heard(STATUS_NO, STATUS_YES);

	(void)state;
	ch.least = 500;
	assert_int_equal(round_sighting(&ch).there, 500);
	ch.partial = true;
	assert_int_equal(round_sighting(&ch).there, -1);
	ch.partial = ch.asked = false;
	assert_int_equal(round_sighting(&ch).there, -1);
}

static void a_condition_keeps_the_time_of_its_last_change(void **state)
{
	struct incident inc = rollback_to(0);
	struct change ch = heard(STATUS_NO, STATUS_YES);
	struct finding f = {.plan = &plan, .inc = &inc, .round = &ch, .now_us = NOW};

	(void)state;
	ch.acknowledged_note = (char *)"5 of 6";
	assert_int_equal(round_conditions(&f), 0);
	f.now_us = NOW + 1;
	ch.written = STATUS_UNKNOWN;
	assert_int_equal(round_conditions(&f), 0);
	assert_int_equal(inc.condition[CONDITION_ACKNOWLEDGED].at_us, NOW);
	assert_string_equal(inc.condition[CONDITION_ACKNOWLEDGED].note, "5 of 6");
	assert_int_equal(inc.condition[CONDITION_WRITTEN].at_us, NOW + 1);
	assert_int_equal(inc.condition[CONDITION_EFFECTIVE].at_us, 0); /* not asked for */
	incident_free(&inc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rollback_never_goes_above_anything_that_is_known),
		cmocka_unit_test(what_nobody_can_tell_is_zero_at_once_and_no_more_than_zero),
		cmocka_unit_test(the_time_for_asking_is_bounded),
		cmocka_unit_test(one_that_does_not_say_where_it_is_might_be_raised),
		cmocka_unit_test(there_is_the_service_and_the_file),
		cmocka_unit_test(an_apply_has_its_time_before_it_can_be_seen),
		cmocka_unit_test(seen_is_the_file_the_service_and_where_it_is_asked_for_the_traffic),
		cmocka_unit_test(the_lowest_counts_when_everybody_has_said),
		cmocka_unit_test(a_condition_keeps_the_time_of_its_last_change),
	};

	return cmocka_run_group_tests_name("round", tests, NULL, NULL);
}
