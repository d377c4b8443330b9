#include "server/core/clock.h"
#include "server/core/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define MINUTE (60 * US_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* Texts that prometheus/common accepts, and what they mean. */
static const struct {
	const char *text;
	int64_t us;
} durations[] = {
	{"0", 0},
	{"0s", 0},
	{"0d0h", 0},
	{"30s", 30 * US_PER_S},
	{"5m", 5 * MINUTE},
	{"1h30m", 90 * MINUTE},
	{"7d", 7 * DAY},
	{"1w", 7 * DAY},
	{"1y", 365 * DAY},
	{"250ms", 250 * US_PER_MS},
	{"1m5ms", MINUTE + 5 * US_PER_MS},
	{"4d1h15m", 4 * DAY + HOUR + 15 * MINUTE},
	{"90m", 90 * MINUTE},
	{"007s", 7 * US_PER_S},
	{"1y1w1d1h1m1s1ms", 373 * DAY + HOUR + MINUTE + US_PER_S + US_PER_MS},
	{"100y", 36500 * DAY},
};

static void prometheus_durations_are_read(void **state)
{
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		int64_t us = -1;
		assert_int_equal(text_duration_parse(durations[i].text, &us), 0);
		assert_int_equal(us, durations[i].us);
	}
}

static void what_is_no_prometheus_duration_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"",       "1",   "00",  "s",     "1x",   "-1s",   "+1s",      "1.5h",
	                                    "1h 30m", " 1h", "1h ", "30m1h", "1s1s", "1ms1s", "1d1w",     "1H",
	                                    "1min",   "1us", "1s5", "1e3s",  "0x1s", "m5",    "\xd9\xa1s"};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		int64_t us = -7;
		assert_int_equal(text_duration_parse(wrong[i], &us), -EINVAL);
		assert_int_equal(us, -7);
	}
}

static void a_duration_beyond_a_hundred_years_is_out_of_range(void **state)
{
	(void)state;
	static const char *const wrong[] = {"101y",        "100y1ms", "99999999999999999999y", "18446744073709551616ms",
	                                    "3153600001s", "99y53w",  "9223372036854775807w1d"};
	int64_t us = -7;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(text_duration_parse(wrong[i], &us), -ERANGE);
	assert_int_equal(text_duration_parse("99999999999y1x", &us), -EINVAL);
	assert_int_equal(us, -7);
}

static void durations_print_as_prometheus_prints_them(void **state)
{
	(void)state;
	static const struct {
		int64_t us;
		const char *text;
	} prints[] = {
		{0, "0s"},
		{999, "0s"},
		{US_PER_MS, "1ms"},
		{1500 * US_PER_MS, "1s500ms"},
		{5400 * US_PER_S, "1h30m"},
		{7 * DAY, "1w"},
		{90 * DAY, "90d"},
		{365 * DAY, "1y"},
		{366 * DAY, "366d"},
		{DAY + 1000, "1d1ms"},
		{-90 * MINUTE, "-1h30m"},
		{48 * HOUR, "2d"},
	};

	for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
		char text[32];
		text_duration(prints[i].us, text, sizeof(text));
		assert_string_equal(text, prints[i].text);
	}
}

static void a_printed_duration_reads_back(void **state)
{
	(void)state;
	int64_t us = US_PER_MS;

	for (int i = 0; i < 3000; i++, us = (us * 31 / 29 + 7 * US_PER_MS) % (36500 * DAY)) {
		char text[32];
		int64_t back = -1;
		text_duration(us, text, sizeof(text));
		assert_int_equal(text_duration_parse(text, &back), 0);
		assert_int_equal(back, us / US_PER_MS * US_PER_MS);
	}
}

static void durations_are_said_in_words(void **state)
{
	(void)state;
	static const struct {
		int64_t us;
		const char *text;
	} words[] = {
		{48 * HOUR, "48 hours"},
		{72 * HOUR, "72 hours"},
		{7 * DAY, "7 days"},
		{5 * MINUTE, "5 minutes"},
		{41 * US_PER_S, "41 s"},
		{41 * US_PER_S + 900 * US_PER_MS, "41 s"},
		{HOUR, "1 hour"},
		{MINUTE, "1 minute"},
		{90 * MINUTE, "1 hour 30 minutes"},
		{90 * US_PER_S, "1 minute 30 s"},
		{24 * HOUR, "24 hours"},
		{4 * DAY + HOUR, "4 days 1 hour"},
		{400 * DAY, "400 days"},
		{5 * DAY + 3 * MINUTE, "5 days"},
		{250 * US_PER_MS, "250 ms"},
		{0, "0 s"},
		{-2 * HOUR, "-2 hours"},
	};
	char text[32];

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		text_duration_words(words[i].us, text, sizeof(text));
		assert_string_equal(text, words[i].text);
	}
}

static void the_longest_texts_fit_their_promised_sizes(void **state)
{
	(void)state;
	static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, -1, INT64_MAX / 1000 * 1000 - 1};

	for (size_t i = 0; i < ARRAY_LEN(extremes); i++) {
		char text[100];
		text_duration(extremes[i], text, sizeof(text));
		assert_true(strlen(text) < 32);
		text_duration_words(extremes[i], text, sizeof(text));
		assert_true(strlen(text) < 32);
		text_time(extremes[i], text, sizeof(text));
		assert_true(strlen(text) < 40);
		text_time_words(extremes[i], text, sizeof(text));
		assert_true(strlen(text) < 40);
	}
}

static void rfc_3339_times_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t us;
	} times[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2025-10-14T10:00:00Z", INT64_C(1760436000000000)},
		{"2025-10-14T10:00:00.123456Z", INT64_C(1760436000123456)},
		{"2025-10-14T10:00:00.1Z", INT64_C(1760436000100000)},
		{"2025-10-14T10:00:00.123456999Z", INT64_C(1760436000123456)},
		{"2025-10-14T10:00:00.000000000000001Z", INT64_C(1760436000000000)},
		{"2025-10-14T12:00:00+02:00", INT64_C(1760436000000000)},
		{"2025-10-14T04:30:00-05:30", INT64_C(1760436000000000)},
		{"2025-10-14t10:00:00z", INT64_C(1760436000000000)},
		{"2025-10-14T10:00:00-00:00", INT64_C(1760436000000000)},
		{"1969-12-31T23:59:59.999999Z", -1},
		{"1970-01-02T00:00:00+24:00", 0},
		{"0001-01-01T00:00:00Z", INT64_C(-62135596800000000)}, /* Go's zero time */
		{"2016-12-31T23:59:60Z", INT64_C(1483228799000000)},
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
		{"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
	};

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		int64_t us = 77;
		assert_int_equal(text_time_parse(times[i].text, strlen(times[i].text), &us), 0);
		assert_int_equal(us, times[i].us);
	}
}

static void what_is_no_rfc_3339_time_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"2025",
		"2025-10-14",
		"2025-10-14T10:00:00",
		"2025-10-14 10:00:00Z",
		"2025-10-14T10:00Z",
		"2025-13-01T00:00:00Z",
		"2025-00-01T00:00:00Z",
		"2025-01-00T00:00:00Z",
		"2025-04-31T00:00:00Z",
		"2025-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2025-10-14T24:00:00Z",
		"2025-10-14T10:60:00Z",
		"2025-10-14T10:00:61Z",
		"2025-10-14T10:00:00.Z",
		"2025-10-14T10:00:00,5Z",
		"2025-10-14T10:00:00+0200",
		"2025-10-14T10:00:00+25:00",
		"2025-10-14T10:00:00+02:60",
		"2025-10-14T10:00:00+2:00",
		"2025-10-14T10:00:00ZZ",
		"2025-10-14T10:00:00Z ",
		" 2025-10-14T10:00:00Z",
		"12025-10-14T10:00:00Z",
		"-025-10-14T10:00:00Z",
		"2025-1-14T10:00:00Z",
		"2025-10-14T1:00:00Z",
		"2025-10-14T10:00:0xZ",
		"2025/10/14T10:00:00Z",
		"2025-10-14T10:00:00 02:00",
		"2025-10-14T10:00:00+",
		"1760436000",
	};
	int64_t us = 77;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(text_time_parse(wrong[i], strlen(wrong[i]), &us), -EINVAL);
	assert_int_equal(text_time_parse("2025-10-14T10:00:00\0Z", 21, &us), -EINVAL);
	assert_int_equal(text_time_parse("2025\0"
	                                 "10-14T10:00:00Z",
	                                 20, &us),
	                 -EINVAL);
	assert_int_equal(text_time_parse("2025-10-14T10:00:00\0", 20, &us), -EINVAL);
	assert_int_equal(us, 77);
}

static void the_length_of_a_time_is_believed(void **state)
{
	(void)state;
	int64_t us = 77;

	assert_int_equal(text_time_parse("1970-01-01T00:00:01Zgarbage", 20, &us), 0);
	assert_int_equal(us, US_PER_S);
	for (size_t len = 0; len < 20; len++) {
		CLEANUP(cleanup_free) char *exact = malloc(len ? len : 1);
		assert_non_null(exact);
		memcpy(exact, "1970-01-01T00:00:01Z", len);
		assert_int_equal(text_time_parse(exact, len, &us), -EINVAL);
	}
}

/* The C library's calendar as second opinion: every day of 450 years, then all four-digit years in longer
 * steps. */
static void the_calendar_agrees_with_the_c_library(void **state)
{
	(void)state;
	const int64_t first = INT64_C(-62167219200), end = INT64_C(253402300800);
	const int64_t dense = INT64_C(-2208988800), dense_end = dense + INT64_C(450) * 366 * 86400;

	for (int64_t s = first; s < end; s += s >= dense && s < dense_end ? 86400 + 1 : 3599 * 24 * 100 + 1) {
		time_t t = (time_t)s;
		struct tm tm;
		char wanted[40], text[40];
		int64_t back = 0;
		assert_non_null(gmtime_r(&t, &tm));
		snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		text_time(s * US_PER_S, text, sizeof(text));
		assert_string_equal(text, wanted);
		assert_int_equal(text_time_parse(text, strlen(text), &back), 0);
		assert_int_equal(back, s * US_PER_S);
	}
}

static void times_are_written_for_programs(void **state)
{
	(void)state;
	char text[40];

	text_time(INT64_C(1760436000123456), text, sizeof(text));
	assert_string_equal(text, "2025-10-14T10:00:00.123456Z");
	text_time(INT64_C(1760436000000001), text, sizeof(text));
	assert_string_equal(text, "2025-10-14T10:00:00.000001Z");
	text_time(-1, text, sizeof(text));
	assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

/* The zone is that of global.timezone, which the process has as its own. */
static void times_for_people_are_in_the_zone_of_the_process(void **state)
{
	(void)state;
	char text[60];

	setenv("TZ", "UTC", 1);
	tzset();
	text_time_words(INT64_C(1760436059999999), text, sizeof(text));
	assert_string_equal(text, "2025-10-14 10:00 UTC");
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	text_time_words(INT64_C(1760436059999999), text, sizeof(text));
	assert_string_equal(text, "2025-10-14 12:00 CEST");
	text_time_local(INT64_C(1760436059999999), text, sizeof(text));
	assert_string_equal(text, "2025-10-14 12:00:59 CEST");
	setenv("TZ", "UTC", 1);
	tzset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prometheus_durations_are_read),
		cmocka_unit_test(what_is_no_prometheus_duration_is_refused),
		cmocka_unit_test(a_duration_beyond_a_hundred_years_is_out_of_range),
		cmocka_unit_test(durations_print_as_prometheus_prints_them),
		cmocka_unit_test(a_printed_duration_reads_back),
		cmocka_unit_test(durations_are_said_in_words),
		cmocka_unit_test(the_longest_texts_fit_their_promised_sizes),
		cmocka_unit_test(rfc_3339_times_are_read),
		cmocka_unit_test(what_is_no_rfc_3339_time_is_refused),
		cmocka_unit_test(the_length_of_a_time_is_believed),
		cmocka_unit_test(the_calendar_agrees_with_the_c_library),
		cmocka_unit_test(times_are_written_for_programs),
		cmocka_unit_test(times_for_people_are_in_the_zone_of_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
