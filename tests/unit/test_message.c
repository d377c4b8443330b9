/* The text of messages, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handlers/incident/drill.h"
#include "handlers/incident/text.h"
#include "server/core/text.h"

static struct incident at(enum incident_state state)
{
	return (struct incident) {
		.id = 7,
		.rollout = (char *)"cst-pipeline",
		.summary = (char *)"Error rate exceeded threshold",
		.kind = KIND_AUTO,
		.state = state,
		.stage = 2,
		.pct_before = 2500,
		.pct_wanted = 0,
		.pct_seen = -1,
		.due_at_us = INT64_C(1760436000) * 1000000, /* 2025-10-14 10:00 UTC */
	};
}

static const struct plan plan = {.rollout = {.title = "CST Pipeline", .dashboard_url = ""},
                                 .external_url = "https://rollback.example.com"};

static int64_t at_us;

static const struct incident_facts nothing;

static char *text_of(const struct incident *inc)
{
	struct buf b = BUF(MESSAGE_MAX);

	assert_int_equal(message_incident(&b, inc, &plan, &nothing, at_us), 0);
	return buf_take(&b);
}

/* Both 02:30 of the night in which Berlin's summer time ends, the example of the plan, and another zone (IANA time zone
 * database). */
static void every_text_says_when_in_the_zone_of_the_config(void **state)
{
	static const struct {
		const char *zone, *utc, *line;
	} rows[] = {
		{"Europe/Berlin", "2025-10-14T17:50:24Z", "\n- At: 2025-10-14 19:50:24 CEST\n"},
		{"Europe/Berlin", "2025-10-26T00:30:00Z", "\n- At: 2025-10-26 02:30:00 CEST\n"},
		{"Europe/Berlin", "2025-10-26T01:30:00Z", "\n- At: 2025-10-26 02:30:00 CET\n"},
		{"America/New_York", "2025-10-14T17:50:24.9Z", "\n- At: 2025-10-14 13:50:24 EDT\n"},
		{"UTC", "2025-10-14T17:50:24Z", "\n- At: 2025-10-14 17:50:24 UTC\n"},
	};
	struct incident inc = at(INC_ROLLED_BACK);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf stage = BUF(MESSAGE_MAX), drill = BUF(MESSAGE_MAX);

		setenv("TZ", rows[i].zone, 1);
		tzset();
		assert_int_equal(text_time_parse(rows[i].utc, strlen(rows[i].utc), &at_us), 0);
		CLEANUP(cleanup_free) char *text = text_of(&inc);
		assert_non_null(strstr(text, rows[i].line));
		assert_int_equal(message_stage(&stage, &inc, &plan, at_us), 0);
		assert_non_null(strstr(buf_text(&stage), rows[i].line));
		assert_int_equal(drill_message(&drill, &inc, &plan, at_us), 0);
		assert_non_null(strstr(buf_text(&drill), rows[i].line));
		buf_free(&stage);
		buf_free(&drill);
	}
	setenv("TZ", "UTC", 1);
	tzset();
}

static void a_rolled_back_incident_reads_as_the_plan_wants_it(void **state)
{
	struct incident inc = at(INC_ROLLED_BACK);
	(void)state;
	assert_int_equal(text_time_parse("2025-10-14T17:50:24Z", 20, &at_us), 0);
	char *text = text_of(&inc);
	assert_string_equal(text, "[INCIDENT] CST Pipeline Auto-Rollback\n"
	                          "- Trigger: Error rate exceeded threshold\n"
	                          "- Stage: 2 (25% traffic)\n"
	                          "- Action: Rolled back to 0%\n"
	                          "- Status: Investigating\n"
	                          "- ETA: not set\n"
	                          "- At: 2025-10-14 17:50:24 UTC\n"
	                          "- Details: https://rollback.example.com/incidents/7\n");
	free(text);
}

static void an_eta_is_shown_when_a_person_set_one(void **state)
{
	struct incident inc = at(INC_ROLLED_BACK);

	(void)state;
	inc.eta = (char *)"2 hours";
	char *text = text_of(&inc);
	assert_non_null(strstr(text, "- ETA: 2 hours to resolution\n"));
	free(text);
}

static void an_eta_is_counted_down_to_and_passes(void **state)
{
	static const struct {
		int64_t now; /* seconds after 2025-10-14 08:00 UTC */
		const char *line;
	} rows[] = {
		{1, "- ETA: 2 hours to resolution\n- Expected: 2025-10-14 10:00:00 UTC\n"},
		{5400, "- ETA: 30 minutes to resolution\n- Expected: 2025-10-14 10:00:00 UTC\n"},
		{7200, "- ETA: passed 0 s ago\n- Expected: 2025-10-14 10:00:00 UTC\n"},
		{7800, "- ETA: passed 10 minutes ago\n- Expected: 2025-10-14 10:00:00 UTC\n"},
	};
	struct incident inc = at(INC_ROLLED_BACK);

	(void)state;
	inc.eta = (char *)"2025-10-14T12:00:00+02:00";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		at_us = (INT64_C(1760428800) + rows[i].now) * 1000000;
		char *text = text_of(&inc);
		assert_non_null(strstr(text, rows[i].line));
		free(text);
	}
	at_us = 0;
}

static char *evidence_of(const struct incident *inc)
{
	struct alert_row first = {.annotations = (char *)"{\"value\": \"1.8%\", \"window\": \"5m\\nx\", \"other\": "
	                                                 "\"no\", \"samples\": 7}"};
	struct alert_list alerts = {.item = &first, .n = 1};
	struct buf b = BUF(MESSAGE_MAX), measured = BUF(1000);

	message_measured(&measured, &alerts, inc->summary);
	assert_int_equal(message_evidence(&b, inc, &plan, &nothing, buf_text(&measured)), 0);
	buf_free(&measured);
	return buf_take(&b);
}

/* The trigger that lowers gives the incident its words: its numbers belong to them. */
static void the_numbers_are_those_of_the_trigger_whose_words_the_incident_has(void **state)
{
	struct alert_row rows[] = {
		{.annotations = (char *)"{\"summary\": \"Memory grows\", \"value\": \"12 MB/min\"}"},
		{.annotations =
	                 (char *)"{\"summary\": \"Index validation failed\", \"value\": \"1\", \"bound\": \"0\"}"},
		{.annotations = (char *)"no JSON"},
	};
	struct alert_list alerts = {.item = rows, .n = ARRAY_LEN(rows)};
	static const char *const is[][2] = {{"Memory grows", "value 12 MB/min"},
	                                    {"Index validation failed", "value 1, bound 0"},
	                                    {"of a person", "value 12 MB/min"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(is); i++) {
		struct buf b = BUF(1000);

		message_measured(&b, &alerts, is[i][0]);
		assert_string_equal(buf_text(&b), is[i][1]);
		buf_free(&b);
	}
	alerts.n = 0;
	struct buf b = BUF(1000);
	message_measured(&b, &alerts, "x");
	assert_int_equal(b.len, 0);
}

static void evidence_is_what_was_measured_on_one_line(void **state)
{
	struct incident inc = at(INC_HELD);
	char *text = evidence_of(&inc);

	(void)state;
	assert_int_equal(strncmp(text, "- Measured: value 1.8%, window 5m", 33), 0);
	assert_null(strstr(text, "other"));
	assert_null(strstr(text, "samples"));    /* no text: not what a rule annotates */
	assert_null(strstr(text, "- Verified")); /* nothing was applied yet */
	assert_non_null(strstr(
		text, "\n- Next: rollbackctl rollback cst-pipeline --stage 2, or rollbackctl incident resolve 7\n"));
	free(text);
}

static void every_state_names_the_command_that_fits(void **state)
{
	static const char *const next[INC_STATE_N] = {
		[INC_PENDING] = "incident cancel 7, or rollbackctl incident extend 7 30m --note \"why it may wait\"\n",
		[INC_FAILED] = "incident retry 7\n",
		[INC_ROLLED_BACK] = "incident resolve 7\n",
		[INC_HELD] = "rollback cst-pipeline --stage 2, or rollbackctl incident resolve 7\n",
	};

	(void)state;
	for (int s = 1; s < INC_STATE_N; s++) {
		struct incident inc = at((enum incident_state)s);
		char *text = evidence_of(&inc), *line = strstr(text, "- Next: rollbackctl ");

		assert_int_equal(line != NULL, next[s] != NULL);
		if (next[s])
			assert_string_equal(line + strlen("- Next: rollbackctl "), next[s]);
		free(text);
	}
}

static void rolled_back_is_said_in_no_other_state(void **state)
{
	(void)state;
	for (int s = 1; s < INC_STATE_N; s++) {
		struct incident inc = at((enum incident_state)s);
		char *text = text_of(&inc);

		assert_int_equal(strstr(text, "Rolled back to") != NULL, s == INC_ROLLED_BACK);
		assert_int_equal(strstr(text, "CRITICAL: AUTO_ROLLBACK FAILED") != NULL, s == INC_FAILED);
		free(text);
	}
}

static void a_failure_says_what_was_seen_or_that_nothing_was(void **state)
{
	struct incident inc = at(INC_FAILED);
	char *text = text_of(&inc);

	(void)state;
	assert_non_null(strstr(text, "no answer what the percentage is"));
	free(text);
	inc.pct_seen = 2500;
	text = text_of(&inc);
	assert_non_null(strstr(text, "last seen at 25%"));
	free(text);
}

static void a_label_cannot_add_a_line(void **state)
{
	struct incident inc = at(INC_ROLLED_BACK);
	int lines = 0;

	(void)state;
	inc.summary = (char *)"bad\n- Status: all is well\r\n\x1b[31mred";
	char *text = text_of(&inc);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 8);
	assert_null(strchr(text, '\x1b'));
	free(text);
}

static void a_pending_rollback_says_when(void **state)
{
	struct incident inc = at(INC_PENDING);
	char *text = text_of(&inc);

	(void)state;
	assert_non_null(strstr(text, "Rolls back to 0% at 2025-10-14 10:00:00 UTC unless every alert resolves first"));
	free(text);
}

static void an_unknown_percentage_is_called_unknown(void **state)
{
	struct incident inc = at(INC_ROLLING_BACK);

	(void)state;
	inc.pct_before = -1;
	char *text = text_of(&inc);
	assert_non_null(strstr(text, "- Stage: 2 (unknown traffic)\n"));
	free(text);
}

static void action_is(struct incident inc, const char *words)
{
	struct buf b = BUF(MESSAGE_MAX);

	assert_int_equal(message_action(&b, &inc, &nothing), 0);
	assert_string_equal(buf_text(&b), words);
	buf_free(&b);
}

static void a_stage_being_entered_never_rolled_anything_back(void **state)
{
	static const char *const words[INC_STATE_N] = {
		[INC_PENDING] = "Enters 50%",
		[INC_ROLLING_BACK] = "Entering 50%",
		[INC_VERIFYING] = "Set to 50%, not verified yet",
		[INC_ROLLED_BACK] = "Entered at 50%",
		[INC_FAILED] = "Entering 50% not verified: last seen at 25%",
		[INC_HELD] = "Enters 50%",
		[INC_CANCELLED] = "Entering 50% was called off",
		[INC_RESOLVED] = "Entering 50% was given up",
	};

	(void)state;
	for (int s = 1; s < INC_STATE_N; s++) {
		struct incident advance = at((enum incident_state)s);

		advance.kind = KIND_ADVANCE;
		advance.pct_wanted = 5000;
		advance.pct_seen = 2500;
		action_is(advance, words[s]);
	}
	struct incident done = at(INC_RESOLVED);
	done.kind = KIND_ADVANCE;
	done.pct_wanted = 5000;
	done.rolled_back_at_us = 1;
	action_is(done, "Entered at 50%");
	struct incident unseen = at(INC_FAILED);
	unseen.kind = KIND_ADVANCE;
	unseen.pct_wanted = 5000;
	action_is(unseen, "Entering 50% not verified: no answer what the percentage is");
}

static void what_a_person_reports_reads_as_a_report_until_it_rolls_back(void **state)
{
	static const struct {
		enum incident_state state;
		int32_t wanted;
		const char *title;
	} rows[] = {
		{INC_HELD, -1, "[INCIDENT] CST Pipeline Reported Incident\n"},
		{INC_RESOLVED, -1, "[INCIDENT] CST Pipeline Reported Incident\n"},
		{INC_CANCELLED, -1, "[INCIDENT] CST Pipeline Reported Incident\n"},
		{INC_ROLLING_BACK, 0, "[INCIDENT] CST Pipeline Manual Rollback\n"},
		{INC_VERIFYING, 0, "[INCIDENT] CST Pipeline Manual Rollback\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct incident inc = at(rows[i].state);

		inc.kind = KIND_MANUAL;
		inc.playbook = (char *)"reported";
		inc.pct_wanted = rows[i].wanted;
		char *text = text_of(&inc);
		assert_memory_equal(text, rows[i].title, strlen(rows[i].title));
		assert_int_equal(strstr(text, "None: a report; nothing was rolled back") != NULL, rows[i].wanted < 0);
		free(text);
	}
}

static void the_title_says_what_happened(void **state)
{
	static const struct {
		enum incident_kind kind;
		enum incident_state state;
		int32_t wanted;
		bool begun;
		const char *title;
	} rows[] = {
		{KIND_AUTO, INC_PENDING, 0, false, "Rollback Pending"},
		{KIND_AUTO, INC_ROLLING_BACK, 0, false, "Auto-Rollback"},
		{KIND_AUTO, INC_VERIFYING, 0, true, "Auto-Rollback"},
		{KIND_AUTO, INC_ROLLED_BACK, 0, true, "Auto-Rollback"},
		{KIND_AUTO, INC_FAILED, 0, true, "Auto-Rollback"},
		{KIND_AUTO, INC_RESOLVED, 0, true, "Auto-Rollback"},
		{KIND_AUTO, INC_RESOLVED, 0, false, "Called Off"}, /* while it was pending */
		{KIND_AUTO, INC_CANCELLED, 0, false, "Called Off"},
		{KIND_AUTO, INC_HELD, -1, false, "Held"},
		{KIND_AUTO, INC_RESOLVED, -1, false, "Held"},
		{KIND_MANUAL, INC_FAILED, 0, true, "Manual Rollback"},
		{KIND_MANUAL, INC_ROLLED_BACK, 0, true, "Manual Rollback"},
		{KIND_DRILL, INC_FAILED, 1000, true, "Drill"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct incident inc = at(rows[i].state);

		inc.kind = rows[i].kind;
		inc.playbook = (char *)"some";
		inc.pct_wanted = rows[i].wanted;
		inc.started_at_us = rows[i].begun;
		assert_string_equal(message_title(&inc), rows[i].title);
	}
}

static void a_failure_names_who_lags(void **state)
{
	struct incident inc = at(INC_FAILED);

	(void)state;
	inc.pct_seen = 2500;
	inc.condition[CONDITION_ACKNOWLEDGED] =
		(struct condition) {.state = STATUS_NO, .note = (char *)"19 of 20 at 0%; at 25%: pod=\"web-7\""};
	char *text = text_of(&inc);
	assert_non_null(strstr(text, "- Action: Rollback to 0% not verified: 19 of 20 at 0%; at 25%: pod=\"web-7\"\n"));
	free(text);
}

static void what_follows_and_failed_or_waits_stands_in_the_action(void **state)
{
	static const struct incident_facts facts[] = {{.failed = "validate FAILED"},
	                                              {.waiting = "restore"},
	                                              {.failed = "validate FAILED", .waiting = "restore"}};
	static const char *const words[] = {"Rolled back to 0%; validate FAILED",
	                                    "Rolled back to 0%; restore waits for you",
	                                    "Rolled back to 0%; validate FAILED, restore waits for you"};
	struct incident inc = at(INC_ROLLED_BACK);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		CLEANUP(buf_free) struct buf b = BUF(MESSAGE_MAX);

		assert_int_equal(message_action(&b, &inc, &facts[i]), 0);
		assert_string_equal(buf_text(&b), words[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_says_when_in_the_zone_of_the_config),
		cmocka_unit_test(a_rolled_back_incident_reads_as_the_plan_wants_it),
		cmocka_unit_test(an_eta_is_shown_when_a_person_set_one),
		cmocka_unit_test(an_eta_is_counted_down_to_and_passes),
		cmocka_unit_test(evidence_is_what_was_measured_on_one_line),
		cmocka_unit_test(the_numbers_are_those_of_the_trigger_whose_words_the_incident_has),
		cmocka_unit_test(every_state_names_the_command_that_fits),
		cmocka_unit_test(rolled_back_is_said_in_no_other_state),
		cmocka_unit_test(a_failure_says_what_was_seen_or_that_nothing_was),
		cmocka_unit_test(a_label_cannot_add_a_line),
		cmocka_unit_test(a_pending_rollback_says_when),
		cmocka_unit_test(an_unknown_percentage_is_called_unknown),
		cmocka_unit_test(a_stage_being_entered_never_rolled_anything_back),
		cmocka_unit_test(what_a_person_reports_reads_as_a_report_until_it_rolls_back),
		cmocka_unit_test(the_title_says_what_happened),
		cmocka_unit_test(a_failure_names_who_lags),
		cmocka_unit_test(what_follows_and_failed_or_waits_stands_in_the_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
