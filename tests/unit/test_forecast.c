/* The earliest dates of a plan: computed by hand on the calendar of October 2025. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handlers/gates/forecast.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define HOUR (3600 * US_PER_S)

static struct stage stages[] = {
	{.number = 0, .environment = "staging", .pct = 10000, .duration_us = 168 * HOUR},
	{.number = 1, .environment = "production", .pct = 1000, .duration_us = 48 * HOUR},
	{.number = 2, .environment = "production", .pct = 2500, .duration_us = 72 * HOUR},
	{.number = 3, .environment = "production", .pct = 5000, .duration_us = 168 * HOUR},
	{.number = 4, .environment = "production", .pct = 10000},
};
static struct freeze weekend = {.when = {.cron = "0 16 * * 5"}, .duration_us = 64 * HOUR, .reason = "weekend"};
static struct rollout rollout = {
	.name = "shop", .stages = stages, .n_stages = ARRAY_LEN(stages), .freezes = &weekend, .n_freezes = 1};
static struct settings settings = {.environment = "production"};
static struct rollout_state st;
static struct evaluation ev;
static struct forecast f[10];

static size_t on_tuesday(void) /* 2025-10-14T10:00:00Z */
{
	return forecast_stages(&(struct gate_view) {&settings, &rollout, &st, &ev, 1760436000 * US_PER_S}, f,
	                       ARRAY_LEN(f));
}

static void is(size_t i, int32_t stage, const char *when)
{
	char at[40];

	text_time(f[i].at_us, at, sizeof(at));
	assert_int_equal(f[i].stage->number, stage);
	assert_string_equal(at, when);
}

static void clean_time_durations_and_a_weekend(void **state)
{
	(void)state;
	st = (struct rollout_state) {
		.row = {.stage = 1}, .p = {.restart_at = -1, .entered_us = 1, .clean_us = 12 * HOUR}, .there = 1000};
	assert_int_equal(on_tuesday(), 3);
	is(0, 2, "2025-10-15T22:00:00Z"); /* 36 h are left */
	is(1, 3, "2025-10-20T08:00:00Z"); /* 72 h later is Saturday 22:00; frozen from Friday 16:00 for 64 h */
	is(2, 4, "2025-10-27T08:00:00Z");
}

static void a_stage_that_was_rolled_back_begins_anew(void **state)
{
	(void)state;
	st = (struct rollout_state) {
		.row = {.stage = 1},
		.p = {.restart_at = -1, .clean_us = 12 * HOUR, .frozen_until_us = 1760486400 * US_PER_S},
		.there = 0};
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-15T00:00:00Z"); /* frozen by hand until then */
	is(1, 2, "2025-10-17T00:00:00Z");
	is(2, 3, "2025-10-20T08:00:00Z"); /* Monday 00:00 is frozen still */
	is(3, 4, "2025-10-27T08:00:00Z");

	st.there = 1000; /* as much as the rollback left: it is entered again all the same */
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-15T00:00:00Z");
}

static void more_clean_time_than_needed_is_now(void **state)
{
	(void)state;
	st = (struct rollout_state) {
		.row = {.stage = 3}, .p = {.restart_at = -1, .entered_us = 1, .clean_us = 400 * HOUR}, .there = 5000};
	assert_int_equal(on_tuesday(), 1);
	is(0, 4, "2025-10-14T10:00:00Z");
}

static void the_last_stage_and_none_have_nothing_before_them(void **state)
{
	(void)state;
	st = (struct rollout_state) {.row = {.stage = 4}, .p = {.restart_at = -1, .entered_us = 1}, .there = 10000};
	assert_int_equal(on_tuesday(), 0);
	st = (struct rollout_state) {.row = {.stage = -1}, .p = {.restart_at = -1}, .there = 500};
	assert_int_equal(on_tuesday(), 0);
}

static void nothing_is_entered_in_the_cooldown(void **state)
{
	(void)state;
	settings.limits.cooldown_us = 2 * HOUR;
	st = (struct rollout_state) {.row = {.stage = 1},
	                             .last_rollback_us = (1760436000 - 1800) * US_PER_S, /* half an hour ago */
	                             .p = {.restart_at = -1},
	                             .there = 0};
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-14T11:30:00Z");
	is(1, 2, "2025-10-16T11:30:00Z");
	settings.limits.cooldown_us = 0;
}

static void it_starts_again_where_the_last_incident_sent_it(void **state)
{
	(void)state;
	st = (struct rollout_state) {.row = {.stage = 3}, .p = {.restart_at = 1}, .there = 0};
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-14T10:00:00Z");
	is(1, 2, "2025-10-16T10:00:00Z");
	is(2, 3, "2025-10-20T08:00:00Z"); /* Sunday 10:00 is frozen */
	/* From a stage of another environment: the first of this one after it. */
	st.p.restart_at = 0;
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-14T10:00:00Z");
	/* At or before it already: nothing to go back to. */
	st = (struct rollout_state) {.row = {.stage = 1}, .p = {.restart_at = 1, .entered_us = 1}, .there = 1000};
	assert_int_equal(on_tuesday(), 3);
	is(0, 2, "2025-10-16T10:00:00Z");
}

/* What the gate asks for there is its checklist, not time: the forecast says the same. */
static void a_stage_that_is_run_elsewhere_takes_no_time_here(void **state)
{
	(void)state;
	st = (struct rollout_state) {.row = {.stage = 0}, .p = {.restart_at = -1}, .there = 0};
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-14T10:00:00Z");
	is(1, 2, "2025-10-16T10:00:00Z");
}

static void many_rollbacks_lock_until_the_oldest_is_a_day_old(void **state)
{
	int64_t began[] = {(1760436000 - 60) * US_PER_S, (1760436000 - 3600) * US_PER_S,
	                   (1760436000 - 7200) * US_PER_S};

	(void)state;
	settings.limits.rollbacks_per_day = 2;
	st = (struct rollout_state) {
		.row = {.stage = 1}, .p = {.restart_at = -1}, .there = 0, .rollbacks_us = began, .n_rollbacks = 3};
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-15T09:00:00Z"); /* then one is left */
	st.n_rollbacks = 1;
	assert_int_equal(on_tuesday(), 4);
	is(0, 1, "2025-10-14T10:00:00Z");
	settings.limits.rollbacks_per_day = 0;
}

/* By how much, where both are known; what is still ahead counts by its earliest date. */
static void what_is_planned_stands_beside_what_is(void **state)
{
	static const struct {
		int64_t planned, entered, earliest, late;
		bool known;
	} rows[] = {
		{100, 130, 0, 30, true}, {100, 90, 0, -10, true},   {100, 100, 0, 0, true},
		{100, 0, 170, 70, true}, {100, 130, 190, 90, true}, /* rolled back: entered again */
		{0, 130, 0, 0, false},   {100, 0, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct stage_dates d = {&stages[1], rows[i].planned, rows[i].entered, rows[i].earliest};
		int64_t late = 0;

		assert_int_equal(stage_dates_late(&d, &late), rows[i].known);
		assert_int_equal(late, rows[i].late);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_time_durations_and_a_weekend),
		cmocka_unit_test(a_stage_that_was_rolled_back_begins_anew),
		cmocka_unit_test(more_clean_time_than_needed_is_now),
		cmocka_unit_test(the_last_stage_and_none_have_nothing_before_them),
		cmocka_unit_test(nothing_is_entered_in_the_cooldown),
		cmocka_unit_test(it_starts_again_where_the_last_incident_sent_it),
		cmocka_unit_test(a_stage_that_is_run_elsewhere_takes_no_time_here),
		cmocka_unit_test(what_is_planned_stands_beside_what_is),
		cmocka_unit_test(many_rollbacks_lock_until_the_oldest_is_a_day_old),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
