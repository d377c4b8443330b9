#include "server/core/clock.h"
#include "server/core/text.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define MINUTE (60 * US_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void a_word_is_found_in_a_table_with_holes(void **state)
{
	(void)state;
	static const char *const names[] = {"zero", NULL, "two"};

	assert_int_equal(text_enum_find(names, 3, "two"), 2);
	assert_int_equal(text_enum_find(names, 3, "zero"), 0);
	assert_int_equal(text_enum_find(names, 3, "Two"), -EINVAL);
	assert_int_equal(text_enum_find(names, 3, ""), -EINVAL);
	assert_int_equal(text_enum_find(names, 0, "zero"), -EINVAL);
}

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
		"2025-10-14T10:00:00+24:00",
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

static void times_are_written_for_programs_and_for_people(void **state)
{
	(void)state;
	char text[40];

	text_time(INT64_C(1760436000123456), text, sizeof(text));
	assert_string_equal(text, "2025-10-14T10:00:00.123456Z");
	text_time(INT64_C(1760436000000001), text, sizeof(text));
	assert_string_equal(text, "2025-10-14T10:00:00.000001Z");
	text_time(-1, text, sizeof(text));
	assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
	text_time_words(INT64_C(1760436059999999), text, sizeof(text));
	assert_string_equal(text, "2025-10-14 10:00 UTC");
}

static void every_percentage_prints_and_reads_back(void **state)
{
	(void)state;

	for (int32_t pct = 0; pct <= 10000; pct++) {
		char text[16];
		int32_t back = -1, from_double = -1;
		text_pct(pct, text, sizeof(text));
		assert_int_equal(text_pct_parse(text, strlen(text), &back), 0);
		assert_int_equal(back, pct);
		assert_int_equal(text_pct_from_double(strtod(text, NULL), &from_double), 0);
		assert_int_equal(from_double, pct);
	}
}

static void percentages_are_written_without_needless_zeros(void **state)
{
	(void)state;
	static const struct {
		int32_t pct;
		const char *text;
	} prints[] = {{0, "0"},    {1000, "10"},   {50, "0.5"},    {3333, "33.33"},
	              {5, "0.05"}, {10000, "100"}, {-1, "unknown"}};
	char text[16];

	for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
		text_pct(prints[i].pct, text, sizeof(text));
		assert_string_equal(text, prints[i].text);
	}
}

static void percentages_are_read_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int result;
		int32_t pct;
	} cases[] = {
		{"10", 0, 1000},
		{" 10\t\r\n", 0, 1000},
		{"0", 0, 0},
		{"0.00", 0, 0},
		{"0.5", 0, 50},
		{"12.5", 0, 1250},
		{"100.00", 0, 10000},
		{"10%", -EINVAL, 0},
		{"1e1", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"  ", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"-0", -EINVAL, 0},
		{"+5", -EINVAL, 0},
		{".5", -EINVAL, 0},
		{"5.", -EINVAL, 0},
		{"010", -EINVAL, 0},
		{"00", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1 0", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
		{"1.2.3", -EINVAL, 0},
		{"\"10\"", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"10 percent", -EINVAL, 0},
		{"true", -EINVAL, 0},
		{"\xd9\xa1", -EINVAL, 0},
		{"100.01", -ERANGE, 0},
		{"101", -ERANGE, 0},
		{"1000", -ERANGE, 0},
		{"0.001", -ERANGE, 0},
		{"33.333", -ERANGE, 0},
		{"4294967306", -ERANGE, 0},
		{"18446744073709551626", -ERANGE, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t pct = -7;
		assert_int_equal(text_pct_parse(cases[i].text, strlen(cases[i].text), &pct), cases[i].result);
		assert_int_equal(pct, cases[i].result ? -7 : cases[i].pct);
	}
	int32_t pct = -7;
	assert_int_equal(text_pct_parse("10\0", 3, &pct), -EINVAL);
	assert_int_equal(text_pct_parse("105", 2, &pct), 0);
	assert_int_equal(pct, 1000);
}

static void a_number_is_a_percentage_only_when_it_is_one(void **state)
{
	(void)state;
	static const struct {
		double v;
		int result;
		int32_t pct;
	} cases[] = {
		{0, 0, 0},
		{100, 0, 10000},
		{33.33, 0, 3333},
		{0.1 + 0.2, 0, 30},
		{-0.0, 0, 0},
		{9.9999999, 0, 1000},
		{-1, -ERANGE, 0},
		{100.01, -ERANGE, 0},
		{33.333, -ERANGE, 0},
		{0.001, -ERANGE, 0},
		{-0.01, -ERANGE, 0},
		{1e300, -ERANGE, 0},
		{(double)INFINITY, -ERANGE, 0},
		{(double)-INFINITY, -ERANGE, 0},
		{(double)NAN, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t pct = -7;
		assert_int_equal(text_pct_from_double(cases[i].v, &pct), cases[i].result);
		assert_int_equal(pct, cases[i].result ? -7 : cases[i].pct);
	}
}

/* Encodes by the definition of UTF-8, surrogates and all. */
static size_t encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		memcpy(out, (char[2]) {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 63))}, 2);
		return 2;
	}
	if (c < 0x10000) {
		memcpy(out, (char[3]) {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))},
		       3);
		return 3;
	}
	memcpy(out,
	       (char[4]) {(char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 63)), (char)(0x80 | (c >> 6 & 63)),
	                  (char)(0x80 | (c & 63))},
	       4);
	return 4;
}

static void every_character_is_valid_and_every_surrogate_is_not(void **state)
{
	(void)state;

	for (uint32_t c = 0; c < 0x140000; c++) {
		char s[4];
		uint32_t back = 0xffffffff;
		size_t len = encode(c, s);
		bool wanted = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
		if (text_utf8_valid(s, len) != wanted)
			fail_msg("U+%04X", c);
		if (wanted && (text_utf8_next(s, len, &back) != len || back != c))
			fail_msg("U+%04X reads as U+%04X", c, back);
		for (size_t cut = 1; cut < len; cut++)
			assert_false(text_utf8_valid(s, cut));
	}
}

static void a_character_written_with_more_bytes_than_it_needs_is_not_valid(void **state)
{
	(void)state;

	for (uint32_t c = 0; c < 0x10000; c++) {
		char two[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 63))};
		char three[3] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))};
		char four[4] = {(char)0xf0, (char)(0x80 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
		                (char)(0x80 | (c & 63))};
		assert_false(c < 0x80 && text_utf8_valid(two, 2));
		assert_false(c < 0x800 && text_utf8_valid(three, 3));
		assert_false(text_utf8_valid(four, 4));
	}
}

/* Of all sequences of up to three bytes exactly those are valid that are an encoding of one to three
 * characters. */
static void there_are_as_many_valid_sequences_as_encodings(void **state)
{
	(void)state;
	const unsigned one = 128, two = 0x800 - 0x80, three = 0x10000 - 0x800 - 0x800;
	unsigned valid[4] = {0};

	for (uint32_t v = 0; v < 1u << 24; v++) {
		char s[3] = {(char)v, (char)(v >> 8), (char)(v >> 16)};
		valid[3] += text_utf8_valid(s, 3);
		valid[2] += v < 1u << 16 && text_utf8_valid(s, 2);
		valid[1] += v < 1u << 8 && text_utf8_valid(s, 1);
	}
	assert_int_equal(valid[1], one);
	assert_int_equal(valid[2], one * one + two);
	assert_int_equal(valid[3], one * one * one + 2 * one * two + three);
}

typedef int text_fn(struct buf *b, const char *s, size_t len, size_t max_bytes);

static void assert_shown(text_fn *fn, const char *s, size_t len, size_t max_bytes, const char *wanted)
{
	CLEANUP(buf_free) struct buf b = BUF(10000);

	assert_int_equal(fn(&b, s, len, max_bytes), 0);
	assert_string_equal(buf_text(&b), wanted);
}

static void text_from_outside_becomes_one_safe_line(void **state)
{
	(void)state;
	static const struct {
		const char *s, *wanted;
	} cases[] = {
		{"", ""},
		{"plain text", "plain text"},
		{"a\nb\r\nc\td", "a b  c d"},
		{"\x1b[31mred", " [31mred"},
		{"\x7f", " "},
		{"\xc2\x85"
	         "next",
	         " next"},
		{"abc\xe2\x80\xae"
	         "cba",
	         "abc cba"},
		{"\xe2\x81\xa6x\xe2\x81\xa9", " x "},
		{"\xe2\x80\xa8x\xe2\x80\xa9", " x "},
		{"gr\xc3\xb6\xc3\x9f"
	         "e \xf0\x9f\x9a\x80",
	         "gr\xc3\xb6\xc3\x9f"
	         "e \xf0\x9f\x9a\x80"},
		{"a\xff"
	         "b",
	         "a\xef\xbf\xbd"
	         "b"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_shown(text_one_line, cases[i].s, strlen(cases[i].s), 1000, cases[i].wanted);
	assert_shown(text_one_line, "a\0b", 3, 1000, "a b");
}

static void output_keeps_its_lines_and_shows_its_control_bytes(void **state)
{
	(void)state;

	assert_shown(text_output, "a\n\tb", 4, 1000, "a\n\tb");
	assert_shown(text_output, "\x1b[1m\r\n\0", 7, 1000, "\\x1b[1m\\x0d\n\\x00");
	assert_shown(text_output, "\x7f\xc2\x9b", 3, 1000, "\\x7f\\xc2\\x9b");
	assert_shown(text_output, "\xff", 1, 1000, "\xef\xbf\xbd");
	assert_shown(text_output, "\xe2\x80\xae", 3, 1000, " ");
}

static void long_text_is_cut_at_a_character_with_an_ellipsis(void **state)
{
	(void)state;

	assert_shown(text_one_line, "abcdef", 6, 6, "abcdef");
	assert_shown(text_one_line, "abcdefg", 7, 6, "abc\xe2\x80\xa6");
	assert_shown(text_one_line, "ab\xc3\xa9xyz", 7, 6, "ab\xe2\x80\xa6");
	assert_shown(text_one_line, "abcdef", 6, 3, "\xe2\x80\xa6");
	assert_shown(text_one_line, "abcdef", 6, 2, "");
	assert_shown(text_one_line, "abcdef", 6, 0, "");
	assert_shown(text_one_line, "", 0, 0, "");
	assert_shown(text_output, "\x01\x02\x03", 3, 12, "\\x01\\x02\\x03");
	assert_shown(text_output, "\x01\x02\x03", 3, 11, "\\x01\\x02\xe2\x80\xa6");
}

static void whatever_comes_in_valid_bounded_text_comes_out(void **state)
{
	(void)state;
	uint32_t seed = 1;

	for (int round = 0; round < 20000; round++) {
		struct buf b = BUF(10000);
		char s[24];
		size_t len = 0, max;
		for (size_t n = seed % 23; len < n; len++) {
			seed = seed * 1664525 + 1013904223;
			s[len] = (char)(seed >> 24 & (seed & 0x800000 ? 0xff : 0x8f));
		}
		seed = seed * 1664525 + 1013904223;
		max = seed >> 27;
		assert_int_equal((round % 2 ? text_one_line : text_output)(&b, s, len, max), 0);
		assert_true(b.len <= max);
		assert_true(text_utf8_valid(buf_text(&b), b.len));
		if (round % 2)
			for (size_t i = 0; i < b.len; i++)
				assert_true((unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7f);
		buf_free(&b);
	}
}

static void a_full_buffer_is_reported(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(4);

	assert_int_equal(text_one_line(&b, "abcdef", 6, 100), -ENOSPC);
}

/* As a real Alertmanager sent them (tests/data/payloads). */
static void fingerprints_are_those_of_alertmanager(void **state)
{
	(void)state;
	const struct text_pair first[] = {
		{"severity", "critical"}, {"action", "auto_rollback"}, {"service", "checkout"},
		{"alertname", "HighErr"}, {"instance", "a"},           {"rcv", "ok"},
	};
	const struct text_pair second[] = {
		{"action", "auto_rollback"}, {"alertname", "Nmax"},    {"instance", "b-second"}, {"rcv", "max"},
		{"service", "checkout"},     {"severity", "critical"},
	};

	assert_true(text_fingerprint(first, ARRAY_LEN(first)) == 0x364cbf6b3494b077u);
	assert_true(text_fingerprint(second, ARRAY_LEN(second)) == 0x9541e0366e59adc4u);
	assert_true(text_fingerprint(NULL, 0) == 14695981039346656037u);
}

static void a_fingerprint_does_not_depend_on_the_order(void **state)
{
	(void)state;
	enum { N = 300 };
	static char names[N][8];
	struct text_pair up[N], down[N];

	for (size_t n = 0; n < N; n += 149) {
		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "n%zu", i);
			up[i] = down[n - 1 - i] = (struct text_pair) {names[i], names[N - 1 - i]};
		}
		assert_true(text_fingerprint(up, n) == text_fingerprint(down, n));
	}
}

static void hashes_are_those_of_the_standards(void **state)
{
	(void)state;
	char out[65];

	/* FIPS 180-4 examples. */
	assert_int_equal(text_sha256("abc", 3, out), 0);
	assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(text_sha256("", 0, out), 0);
	assert_string_equal(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	/* RFC 4231, test case 2. */
	assert_int_equal(text_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out), 0);
	assert_string_equal(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void a_number_prints_shortest_and_reads_back(void **state)
{
	(void)state;
	static const struct {
		double v;
		const char *text;
	} prints[] = {
		{0, "0"},
		{3, "3"},
		{0.1, "0.1"},
		{-2.5, "-2.5"},
		{1e300, "1e+300"},
		{1760436000, "1760436000"},
		{(double)NAN, "NaN"},
		{(double)INFINITY, "+Inf"},
		{(double)-INFINITY, "-Inf"},
	};
	char text[32];

	for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
		text_double(prints[i].v, text, sizeof(text));
		assert_string_equal(text, prints[i].text);
	}
	double v = 4.9e-324;
	while (v < 1e308) {
		text_double(-v / 3, text, sizeof(text));
		assert_true(strtod(text, NULL) == -v / 3);
		v *= 1.7;
	}
}

static void formatted_text_is_the_callers(void **state)
{
	(void)state;
	CLEANUP(cleanup_free) char *text = text_format("%s-%d", "a", 5);

	assert_string_equal(text, "a-5");
}

static void the_clocks_tell_microseconds(void **state)
{
	(void)state;
	int64_t mono = clock_mono_us();
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
	int64_t wall = clock_wall_us();
	assert_true(wall >= t.tv_sec * US_PER_S && wall < (t.tv_sec + 60) * US_PER_S);
	assert_true(clock_mono_us() >= mono);
}

static void numbers_for_people_are_short_but_tell_a_value_from_its_bound(void **state)
{
	static const struct {
		double v, bound;
		const char *unit, *text, *against;
	} rows[] = {
		{0.02, 0.001, "", "0.02", "0.001"},
		{-0.0001890389158752033, 0.001, "ratio", "-0.000189 ratio", "0.001"},
		{18810.77777777778, 0.01, "", "18811", "0.01"},
		{0.0010003, 0.001, "", "0.0010003", "0.001"},
		{0.0010003, 0.001, "ratio", "0.0010003 ratio", "0.001"},
		{0.001, 0.001, "", "0.001", "0.001"},
		{0, 0, "", "0", "0"},
		{1.0842021724855044e-19, 0.001, "", "1.084e-19", "0.001"},
		{0, 3e9, "bytes", "0 B", "3 GB"},
		{220000000, 3e9, "bytes", "220 MB", "3 GB"},
		{512, 1000, "bytes", "512 B", "1 kB"},
		{2999999999, 3e9, "bytes", "2999999999 bytes", "3000000000"},
		{3e9, 3e9, "bytes", "3 GB", "3 GB"},
		{-4194304, 10e6, "bytes per minute", "-4.194 MB per minute", "10 MB per minute"},
		{7e15, 1e12, "bytes", "7000 TB", "1 TB"},
		{NAN, 3e9, "bytes", "NaN B", "3 GB"},
		{1.5, 2, "bytesize", "1.5 bytesize", "2"},
	};
	char text[64], against[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		text_against(rows[i].v, rows[i].bound, rows[i].unit, text, against, sizeof(text));
		assert_string_equal(text, rows[i].text);
		assert_string_equal(against, rows[i].against);
	}
	text_number(0.25, "seconds", text, sizeof(text));
	assert_string_equal(text, "0.25 seconds");
	text_number(1e6 / 3, "bytes per hour", text, sizeof(text));
	assert_string_equal(text, "333.3 kB per hour");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_is_found_in_a_table_with_holes),
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
		cmocka_unit_test(times_are_written_for_programs_and_for_people),
		cmocka_unit_test(every_percentage_prints_and_reads_back),
		cmocka_unit_test(percentages_are_written_without_needless_zeros),
		cmocka_unit_test(percentages_are_read_strictly),
		cmocka_unit_test(a_number_is_a_percentage_only_when_it_is_one),
		cmocka_unit_test(every_character_is_valid_and_every_surrogate_is_not),
		cmocka_unit_test(a_character_written_with_more_bytes_than_it_needs_is_not_valid),
		cmocka_unit_test(there_are_as_many_valid_sequences_as_encodings),
		cmocka_unit_test(text_from_outside_becomes_one_safe_line),
		cmocka_unit_test(output_keeps_its_lines_and_shows_its_control_bytes),
		cmocka_unit_test(long_text_is_cut_at_a_character_with_an_ellipsis),
		cmocka_unit_test(whatever_comes_in_valid_bounded_text_comes_out),
		cmocka_unit_test(a_full_buffer_is_reported),
		cmocka_unit_test(fingerprints_are_those_of_alertmanager),
		cmocka_unit_test(a_fingerprint_does_not_depend_on_the_order),
		cmocka_unit_test(hashes_are_those_of_the_standards),
		cmocka_unit_test(a_number_prints_shortest_and_reads_back),
		cmocka_unit_test(formatted_text_is_the_callers),
		cmocka_unit_test(the_clocks_tell_microseconds),
		cmocka_unit_test(numbers_for_people_are_short_but_tell_a_value_from_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
