/* Cron expressions: crontab(5), and the time zone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
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
	static const char *const bad[] = {
		"",           "* * * *",    "* * * * * *", "60 * * * *",  "* 24 * * *",  "* * 0 * *", "* * 32 * *",
		"* * * 13 *", "* * * * 8",  "5-1 * * * *", "*/0 * * * *", "5/2 * * * *", "a * * * *", "1,, * * * *",
		"@daily",     "-1 * * * *", "1- * * * *",  "* * * jan *", "1 2 3 4 5x"};
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

static void the_weekend_freeze_holds_from_friday_afternoon_to_monday_morning(void **state)
{
	const char *weekend = "0 16 * * 5"; /* interface.md's example: 64 hours from Friday 16:00 */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_cron_is_refused),
		cmocka_unit_test(lists_ranges_and_steps_are_understood),
		cmocka_unit_test(the_weekend_freeze_holds_from_friday_afternoon_to_monday_morning),
		cmocka_unit_test(a_schedule_follows_the_time_zone_through_summer_time),
		cmocka_unit_test(half_an_hour_of_summer_time_hides_nothing),
		cmocka_unit_test(day_of_month_or_weekday_is_enough_when_both_are_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
