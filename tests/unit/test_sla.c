/* The rollback SLA: spans of an incident, and nearest-rank percentiles computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "handlers/incident/sla.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define S US_PER_S

static const struct sla plan = {.detection_us = 120 * S,
                                .decision_us = 60 * S,
                                .execution_us = 120 * S,
                                .verification_us = 300 * S,
                                .total_us = 600 * S,
                                .manual_decision_us = 900 * S,
                                .manual_total_us = 1500 * S};

static void each_phase_has_its_budget(void **state)
{
	struct incident inc = {.kind = KIND_AUTO,
	                       .state = INC_ROLLED_BACK,
	                       .onset_at_us = 1000 * S,
	                       .opened_at_us = 1050 * S,
	                       .started_at_us = 1051 * S,
	                       .applied_at_us = 1060 * S,
	                       .rolled_back_at_us = 1700 * S};
	struct sla_span s[PHASE_N];

	(void)state;
	assert_int_equal(sla_spans(&inc, &plan, s), 5);
	assert_int_equal(s[0].took_us, 50 * S);
	assert_int_equal(s[1].took_us, 1 * S);
	assert_int_equal(s[2].took_us, 9 * S);
	assert_int_equal(s[3].took_us, 640 * S);
	assert_int_equal(s[3].budget_us, 300 * S);
	assert_int_equal(s[4].took_us, 700 * S);
	assert_int_equal(s[4].budget_us, 600 * S);
	inc.kind = KIND_MANUAL;
	inc.onset_at_us = 0; /* by hand: nobody knows when it began, so it counts from the opening */
	assert_int_equal(sla_spans(&inc, &plan, s), 4);
	assert_int_equal(s[0].budget_us, 900 * S);
	assert_int_equal(s[3].took_us, 650 * S);
	assert_int_equal(s[3].budget_us, 1500 * S);
}

static void what_has_not_ended_has_no_span(void **state)
{
	struct incident inc = {.kind = KIND_AUTO,
	                       .state = INC_VERIFYING,
	                       .onset_at_us = 2000 * S,
	                       .opened_at_us = 1050 * S,
	                       .started_at_us = 1051 * S};
	struct sla_span s[PHASE_N];

	(void)state;
	assert_int_equal(sla_spans(&inc, &plan, s), 1); /* an onset after the opening is no time either */
	assert_int_equal(s[0].phase, PHASE_DECISION);
}

/* "detection 3 ms", and a minute later 2 s: when it fired is not when it began. */
static void detection_is_left_out_until_the_onset_is_known(void **state)
{
	struct incident inc = {.kind = KIND_AUTO,
	                       .state = INC_ROLLING_BACK,
	                       .onset_at_us = 1000 * S,
	                       .onset_from = (char *)"startsAt",
	                       .opened_at_us = 1050 * S};
	struct sla_span s[PHASE_N];

	(void)state;
	assert_int_equal(sla_spans(&inc, &plan, s), 0);
	inc.onset_from = (char *)"ALERTS_FOR_STATE";
	assert_int_equal(sla_spans(&inc, &plan, s), 1);
	assert_int_equal(s[0].phase, PHASE_DETECTION);
	inc.onset_from = (char *)"startsAt"; /* nobody knew better until it was seen done */
	inc.state = INC_ROLLED_BACK;
	inc.rolled_back_at_us = 1090 * S;
	assert_int_equal(sla_spans(&inc, &plan, s), 2);
	assert_true(s[0].since_fired);
}

static void percentiles_are_nearest_ranks(void **state)
{
	/* 15, 20, 35, 40, 50: the 5th, 30th, 40th, 50th and 100th percentile are 15, 20, 20, 35 and 50 (Wikipedia,
	 * Percentile, the nearest-rank method, worked example 1) */
	static const int64_t took[] = {35, 20, 15, 50, 40};
	static const struct {
		int percent;
		int64_t is;
	} rows[] = {{5, 15}, {30, 20}, {40, 20}, {50, 35}, {100, 50}};
	struct sla_tally t = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(took); i++) {
		struct incident inc = {
			.kind = KIND_AUTO, .opened_at_us = 1000 * S, .started_at_us = (1000 + took[i]) * S};

		assert_int_equal(sla_tally_add(&t, &inc, &(struct sla) {.decision_us = 35 * S}, 2000 * S), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(sla_percentile_us(&t, PHASE_DECISION, rows[i].percent), rows[i].is * S);
	assert_int_equal(t.met[PHASE_DECISION], 3);
	assert_int_equal(sla_percentile_us(&t, PHASE_TOTAL, 50), 0);
	sla_tally_free(&t);
}

static void what_never_got_there_is_missed(void **state)
{
	static const struct {
		struct incident inc;
		int64_t now_us;
		size_t overdue;
	} rows[] = {
		/* Begun at 1000 s, 600 s allowed by itself and 1500 s by hand. */
		{{.kind = KIND_AUTO, .state = INC_VERIFYING, .opened_at_us = 1000 * S, .started_at_us = 1001 * S},
	         1600 * S,
	         0},
		{{.kind = KIND_AUTO, .state = INC_VERIFYING, .opened_at_us = 1000 * S, .started_at_us = 1001 * S},
	         1601 * S,
	         1},
		{{.kind = KIND_AUTO,
	          .state = INC_FAILED,
	          .opened_at_us = 1100 * S,
	          .onset_at_us = 1000 * S,
	          .started_at_us = 1101 * S},
	         1601 * S,
	         1},
		{{.kind = KIND_MANUAL, .state = INC_FAILED, .opened_at_us = 1000 * S, .started_at_us = 1001 * S},
	         2500 * S,
	         0},
		{{.kind = KIND_MANUAL, .state = INC_FAILED, .opened_at_us = 1000 * S, .started_at_us = 1001 * S},
	         2501 * S,
	         1},
		/* Ended by a person before: it never will. */
		{{.kind = KIND_AUTO, .state = INC_RESOLVED, .opened_at_us = 1000 * S, .started_at_us = 1001 * S},
	         1100 * S,
	         1},
		/* Seen done, however late: its span says it. */
		{{.kind = KIND_AUTO,
	          .state = INC_RESOLVED,
	          .opened_at_us = 1000 * S,
	          .started_at_us = 1001 * S,
	          .rolled_back_at_us = 9000 * S},
	         9999 * S,
	         0},
		/* No rollback at all. */
		{{.kind = KIND_AUTO, .state = INC_HELD, .opened_at_us = 1000 * S}, 9999 * S, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sla_tally t = {0};

		assert_int_equal(sla_tally_add(&t, &rows[i].inc, &plan, rows[i].now_us), 0);
		if (t.overdue != rows[i].overdue)
			fail_msg("row %zu: %zu overdue", i, t.overdue);
		sla_tally_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_phase_has_its_budget),
		cmocka_unit_test(what_has_not_ended_has_no_span),
		cmocka_unit_test(detection_is_left_out_until_the_onset_is_known),
		cmocka_unit_test(percentiles_are_nearest_ranks),
		cmocka_unit_test(what_never_got_there_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
