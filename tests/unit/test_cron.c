/* Cron expressions: crontab(5), and the time zone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/core/clock.h"
#include "server/core/cron.h"
#include "server/core/scope.h"
#include "server/core/text.h"

static int64_t at(const char *rfc3339)
{
	int64_t us = 0;

	assert_int_equal(text_time_parse(rfc3339, strlen(rfc3339), &us), 0);
	return us;
}

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static int64_t last(const char *cron, const char *now, int64_t back_us)
{
	struct cron c;

	assert_int_equal(cron_parse(cron, &c), 0);
	return cron_last_us(&c, at(now), back_us);
}

#define HOUR (3600 * US_PER_S)

static void what_is_no_cron_is_refused(void **state)
{
	static const char *const bad[] = {"",
	                                  "* * * *",
	                                  "* * * * * *",
	                                  "60 * * * *",
	                                  "* 24 * * *",
	                                  "* * 0 * *",
	                                  "* * 32 * *",
	                                  "* * * 13 *",
	                                  "* * * * 8",
	                                  "5-1 * * * *",
	                                  "*/0 * * * *",
	                                  "5/2 * * * *",
	                                  "a * * * *",
	                                  "1,, * * * *",
	                                  "@reboot",
	                                  "-1 * * * *",
	                                  "1- * * * *",
	                                  "* * jan * *",
	                                  "1 2 3 4 5x",
	                                  "@daily 5",
	                                  "0 0 * * MONDAY",
	                                  "0 0 * * MON-",
	                                  "0 0 * * SAT-MON",
	                                  "0 0 * FEB-JAN *",
	                                  "0 0 * * @daily",
	                                  "jan * * * *",
	                                  "0 0 * * 1/2",
	                                  "* * * * */sun",
	                                  "@",
	                                  "* * * * \xff"};
	struct cron c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(cron_parse(bad[i], &c), -22);
}

static void lists_ranges_and_steps_are_understood(void **state)
{
	struct cron c;

	(void)state;
	assert_int_equal(cron_parse("0,15-17,*/20 9-17/4 * * 1-5", &c), 0);
	assert_true(c.minute == (1ULL << 0 | 1ULL << 15 | 1ULL << 16 | 1ULL << 17 | 1ULL << 20 | 1ULL << 40));
	assert_int_equal(c.hour, 1 << 9 | 1 << 13 | 1 << 17);
	assert_int_equal(c.weekday, 0x3e);
	assert_int_equal(cron_parse("* * * * 7", &c), 0);
	assert_true(c.weekday & 1);
}

static void same(const char *a, const char *b)
{
	struct cron x, y;

	assert_int_equal(cron_parse(a, &x), 0);
	assert_int_equal(cron_parse(b, &y), 0);
	assert_true(x.minute == y.minute && x.hour == y.hour && x.day == y.day && x.month == y.month &&
	            (x.weekday & 0x7f) == (y.weekday & 0x7f) && x.any_day == y.any_day &&
	            x.any_weekday == y.any_weekday);
}

static void names_and_nicknames_mean_their_numbers(void **state)
{
	(void)state;
	same("0 9 * * MON-FRI", "0 9 * * 1-5");
	same("0 9 * jan,Mar-dec/2 sun", "0 9 * 1,3-12/2 0");
	same("0 9 * * fri-sun", "0 9 * * 5,6,7");
	same("0 9 * * 7", "0 9 * * 0");
	same("@hourly", "0 * * * *");
	same("@daily", "0 0 * * *");
	same(" @Midnight ", "0 0 * * *");
	same("@weekly", "0 0 * * SUN");
	same("@monthly", "0 0 1 * *");
	same("@yearly", "0 0 1 1 *");
	same("@annually", "0 0 1 JAN *");
}

static void a_date_that_never_comes_is_refused(void **state)
{
	static const char *const never[] = {"0 0 31 2 *", "0 0 30 FEB *", "0 0 31 4,6,9,11 *", "0 0 30-31 2 */2"};
	static const char *const comes[] = {"0 0 29 2 *", "0 0 31 2,3 *", "0 0 31 2 1", "0 0 28-31 2 *"};
	struct cron c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_int_equal(cron_parse(never[i], &c), -ERANGE);
	for (size_t i = 0; i < ARRAY_LEN(comes); i++)
		assert_int_equal(cron_parse(comes[i], &c), 0);
}

/* crontab(5) of Debian: a field that begins with a star restricts nothing by itself. */
static void a_field_that_begins_with_a_star_leaves_the_choice_to_the_other(void **state)
{
	(void)state;
	zone("UTC");
	/* Every second day of the month that is a Monday: the 13th of October 2025, not the 20th. */
	assert_true(last("0 0 */2 * 1", "2025-10-13T12:00:00Z", 24 * HOUR) == at("2025-10-13T00:00:00Z"));
	assert_true(last("0 0 */2 * 1", "2025-10-20T12:00:00Z", 24 * HOUR) == 0);
	assert_true(last("0 0 */2 * 1", "2025-10-15T12:00:00Z", 24 * HOUR) == 0);
}

/* --- against a calculation of somebody else: tests/data/cron_zones.py, Python's zoneinfo --- */

struct expected {
	char *field[7]; /* zone, expression, duration, first, last, beginnings, spans */
};

static bool is_listed(const char *list, int64_t minute)
{
	char word[32];

	snprintf(word, sizeof(word), "%lld", (long long)minute);
	for (const char *p = list; (p = strstr(p, word)); p++)
		if ((p == list || p[-1] == ',') && (p[strlen(word)] == ',' || !p[strlen(word)]))
			return true;
	return false;
}

static bool is_within(const char *spans, int64_t minute)
{
	for (const char *p = spans; *p;) {
		char *end;
		int64_t from = strtoll(p, &end, 10), to = strtoll(end + 1, &end, 10);

		if (minute >= from && minute < to)
			return true;
		p = *end == ',' ? end + 1 : end;
	}
	return false;
}

static void compare(const struct expected *e)
{
	int64_t duration = strtoll(e->field[2], NULL, 10) * US_PER_S, first = strtoll(e->field[3], NULL, 10),
		last_minute = strtoll(e->field[4], NULL, 10);
	struct cron c;

	zone(e->field[0]);
	assert_int_equal(cron_parse(e->field[1], &c), 0);
	for (int64_t m = first; m <= last_minute; m++) {
		int64_t now = m * 60 * US_PER_S;
		bool begins = cron_last_us(&c, now, US_PER_S) == now, listed = is_listed(e->field[5], m);
		int64_t until = cron_in_force_until_us(&c, now, duration);
		bool within = is_within(e->field[6], m);

		if (begins != listed || (until != 0) != within ||
		    (until && until / US_PER_S / 60 <= last_minute &&
		     !is_within(e->field[6], until / US_PER_S / 60 - 1)))
			fail_msg("%s, %s: minute %lld begins %d (expected %d), until %lld (in force: expected %d)",
			         e->field[0], e->field[1], (long long)m, begins, listed, (long long)until, within);
	}
}

static void the_days_on_which_clocks_change_are_as_somebody_else_calculates_them(void **state)
{
	FILE *f = fopen("tests/data/cron_zones.txt", "r");
	char line[4096];
	int lines = 0;

	(void)state;
	assert_non_null(f);
	for (; fgets(line, sizeof(line), f); lines++) {
		struct expected e;
		char *at = line;

		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < ARRAY_LEN(e.field); i++) {
			e.field[i] = strsep(&at, "|");
			assert_non_null(e.field[i]);
		}
		compare(&e);
	}
	fclose(f);
	assert_true(lines >= 140);
	zone("UTC");
}

static int64_t until(const char *cron, const char *now, int64_t duration_us)
{
	struct cron c;

	assert_int_equal(cron_parse(cron, &c), 0);
	return cron_in_force_until_us(&c, at(now), duration_us);
}

static void what_lasts_long_lasts_as_long_as_it_says(void **state)
{
	(void)state;
	zone("Europe/London");
	assert_true(until("0 0 20 11 *", "2026-12-30T12:00:00Z", 45 * 24 * HOUR) == at("2027-01-04T00:00:00Z"));
	assert_true(until("0 0 20 11 *", "2027-01-04T00:00:00Z", 45 * 24 * HOUR) == 0);
	assert_true(until("@yearly", "2028-12-30T12:00:00Z", 365 * 24 * HOUR) == at("2028-12-31T00:00:00Z"));
	assert_true(until("0 0 29 2 *", "2031-02-01T00:00:00Z", 3 * 365 * 24 * HOUR) == at("2031-02-28T00:00:00Z"));
	assert_true(last("0 0 29 2 *", "2031-02-01T00:00:00Z", 4 * 366 * 24 * HOUR) == at("2028-02-29T00:00:00Z"));
	/* Over the end of summer time: 64 hours are over at 07:00, the wall says until 08:00. Over its beginning: the
	 * other way round. */
	zone("Europe/Berlin");
	assert_true(until("0 16 * * FRI", "2025-10-27T05:00:00Z", 64 * HOUR) == at("2025-10-27T07:00:00Z"));
	assert_true(until("0 16 * * FRI", "2026-03-30T05:00:00Z", 64 * HOUR) == at("2026-03-30T07:00:00Z"));
	zone("UTC");
}

static void the_weekend_freeze_holds_from_friday_afternoon_to_monday_morning(void **state)
{
	const char *weekend = "0 16 * * 5"; /* 64 hours from Friday 16:00 */

	(void)state;
	zone("UTC");
	assert_true(last(weekend, "2025-10-17T15:59:59Z", 64 * HOUR) == 0);
	assert_true(last(weekend, "2025-10-17T16:00:00Z", 64 * HOUR) == at("2025-10-17T16:00:00Z"));
	assert_true(last(weekend, "2025-10-20T07:59:00Z", 64 * HOUR) == at("2025-10-17T16:00:00Z"));
	assert_true(last(weekend, "2025-10-20T08:00:00Z", 64 * HOUR) == 0);
}

static void a_schedule_follows_the_time_zone_through_summer_time(void **state)
{
	(void)state;
	zone("Europe/Berlin");
	assert_true(last("0 9 * * *", "2025-10-25T12:00:00Z", 24 * HOUR) == at("2025-10-25T07:00:00Z")); /* CEST */
	assert_true(last("0 9 * * *", "2025-10-26T12:00:00Z", 24 * HOUR) == at("2025-10-26T08:00:00Z")); /* CET */
	zone("UTC");
}

/* 2025-10-05 on Lord Howe Island: 02:00 is 02:30 at once, at 15:30 UTC of the day before (IANA time zone database). */
static void half_an_hour_of_summer_time_hides_nothing(void **state)
{
	(void)state;
	zone("Australia/Lord_Howe");
	assert_true(last("45 1 * * *", "2025-10-04T15:40:00Z", 2 * HOUR) == at("2025-10-04T15:15:00Z"));
	zone("UTC");
}

static void day_of_month_or_weekday_is_enough_when_both_are_given(void **state)
{
	(void)state;
	zone("UTC");
	/* 2025-10-13 is a Monday, the 15th a Wednesday. */
	assert_true(last("0 0 15 * 1", "2025-10-13T12:00:00Z", 24 * HOUR) == at("2025-10-13T00:00:00Z"));
	assert_true(last("0 0 15 * 1", "2025-10-15T12:00:00Z", 24 * HOUR) == at("2025-10-15T00:00:00Z"));
	assert_true(last("0 0 15 * 1", "2025-10-14T12:00:00Z", 24 * HOUR) == 0);
}

/* Christmas of 2025 is a Thursday. Whatever the rule says, nothing begins on a date that is excepted; what began the
 * day before goes on. */
static void nothing_begins_on_a_date_that_is_excepted(void **state)
{
	static const char *dates[] = {"2025-10-26", "2025-12-25", NULL};
	struct cron c;

	(void)state;
	zone("Europe/Berlin");
	assert_int_equal(cron_parse("0 9 * * *", &c), 0);
	c.except = dates;
	assert_true(cron_last_us(&c, at("2025-12-25T20:00:00Z"), 48 * HOUR) == at("2025-12-24T08:00:00Z"));
	assert_true(cron_last_us(&c, at("2025-12-26T08:00:00Z"), 48 * HOUR) == at("2025-12-26T08:00:00Z"));
	assert_true(cron_in_force_until_us(&c, at("2025-12-25T07:59:00Z"), 24 * HOUR) == at("2025-12-25T08:00:00Z"));
	assert_true(cron_in_force_until_us(&c, at("2025-12-25T08:00:00Z"), 24 * HOUR) == 0);
	/* The date is the wall's: 23:30 UTC of the 25th is 00:30 of the 26th, on which the clock is set back. */
	assert_int_equal(cron_parse("30 0 * * *", &c), 0);
	c.except = dates;
	assert_true(cron_last_us(&c, at("2025-10-25T22:30:00Z"), HOUR) == 0);
	assert_true(cron_last_us(&c, at("2025-10-26T23:30:00Z"), HOUR) == at("2025-10-26T23:30:00Z"));
	zone("UTC");
}

static void a_date_is_one_of_the_calendar(void **state)
{
	static const char *const good[] = {"2024-02-29", "2026-12-24", "2026-01-01"};
	static const char *const bad[] = {
		"",         "2026",        "2026-02-29",  "2026-13-01", "2026-1-1",
		"26-01-01", "2026-12-24 ", " 2026-12-24", "24.12.2026", "2026-12-24T00:00:00Z"};
	struct cron c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(cron_is_date(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(cron_is_date(bad[i]));
	assert_int_equal(cron_parse("0 16 * * FRI", &c), 0);
	assert_true(cron_begins_on(&c, "2026-12-25"));
	assert_false(cron_begins_on(&c, "2026-12-24"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_cron_is_refused),
		cmocka_unit_test(lists_ranges_and_steps_are_understood),
		cmocka_unit_test(names_and_nicknames_mean_their_numbers),
		cmocka_unit_test(a_date_that_never_comes_is_refused),
		cmocka_unit_test(a_field_that_begins_with_a_star_leaves_the_choice_to_the_other),
		cmocka_unit_test(the_days_on_which_clocks_change_are_as_somebody_else_calculates_them),
		cmocka_unit_test(what_lasts_long_lasts_as_long_as_it_says),
		cmocka_unit_test(the_weekend_freeze_holds_from_friday_afternoon_to_monday_morning),
		cmocka_unit_test(a_schedule_follows_the_time_zone_through_summer_time),
		cmocka_unit_test(half_an_hour_of_summer_time_hides_nothing),
		cmocka_unit_test(day_of_month_or_weekday_is_enough_when_both_are_given),
		cmocka_unit_test(nothing_begins_on_a_date_that_is_excepted),
		cmocka_unit_test(a_date_is_one_of_the_calendar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
