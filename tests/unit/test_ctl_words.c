/*
 * What rollbackctl makes of text from outside, of times, and of widths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/show/words.h"

static void every_text_of_an_answer_is_inert_and_output_keeps_its_lines(void **state)
{
	struct json_object *o =
		json_tokener_parse("{\"a\": [\"x\\u001b[2Jy\", {\"b\": \"p\\u202eq\\u200fr\\u061cs\\nt\"}],"
	                           " \"output\": \"one\\ntwo\\u001b[1m\", \"n\": 3, \"none\": null}");

	(void)state;
	assert_non_null(o);
	show_inert(o);
	struct json_object *a = json_arr_of(o, "a");
	assert_string_equal(json_object_get_string(json_item(a, 0)), "x [2Jy");
	assert_string_equal(json_str_or(json_item(a, 1), "b", ""), "p q r s t");
	assert_string_equal(json_str_or(o, "output", ""), "one\ntwo\\x1b[1m");
	assert_int_equal(json_int_or(o, "n", 0), 3);
	json_object_put(o);
}

static void times_in_a_sentence_are_the_readers(void **state)
{
	static const struct {
		const char *date, *text, *is;
	} cases[] = {
		{NULL, "since 2025-10-14T10:00:00.5Z, ok", "since 2025-10-14 10:00:00 UTC, ok"},
		{"local", "2025-10-14T10:00:00Z", "2025-10-14 10:00:00 UTC"},
		{"rfc3339", "2025-10-14T10:00:00.123456Z", "2025-10-14T10:00:00Z"},
		{"%H:%M", "2025-10-14T10:05:00Z 2025-10-14T11:06:00Z", "10:05 11:06"},
		{"%H:%M", "2025-10-14T10:05", "2025-10-14T10:05"},
		{"%H:%M", "2025-13-14T10:05:00Z", "2025-13-14T10:05:00Z"},
		{"%n\033[1m", "2025-10-14T10:05:00Z", "  [1m"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_free) struct buf b = BUF(1000);

		assert_true(show_setup("never", cases[i].date, true));
		show_times(&b, cases[i].text, false);
		assert_string_equal(buf_text(&b), cases[i].is);
	}
	assert_false(show_setup(NULL, "yesterday", false));
	assert_false(show_setup("sometimes", NULL, false));
}

static void how_long_ago_has_two_units_at_most(void **state)
{
	static const struct {
		int64_t ago_s;
		const char *is;
	} cases[] = {{0, "0s ago"},      {59, "59s ago"},     {60, "1m ago"},       {3599, "59m ago"},
	             {3661, "1h1m ago"}, {90061, "1d1h ago"}, {200000, "2d7h ago"}, {700000, "8d ago"},
	             {-61, "in 1m"},     {-7200, "in 2h"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_free) struct buf b = BUF(100);
		const int64_t now = INT64_C(1760436000000000);

		show_ago(&b, now - cases[i].ago_s * US_PER_S, now);
		assert_string_equal(buf_text(&b), cases[i].is);
	}
}

static void a_character_has_as_many_columns_as_a_terminal_gives_it(void **state)
{
	(void)state;
	assert_true(show_setup("never", NULL, true));
	assert_int_equal(show_width("plain"), 5);
	assert_int_equal(show_width("caf\u00e9"), 4);
	assert_int_equal(show_width("e\u0301"), 1);
	assert_int_equal(show_width("\u9519\u8bef"), 4);
	assert_int_equal(show_width("\xff"), 1);
	assert_int_equal(show_width(""), 0);
}

static void colours_are_there_when_they_are_wanted(void **state)
{
	(void)state;
	assert_true(show_setup("always", NULL, false));
	assert_string_equal(show_colour("failed"), "\033[31m");
	assert_string_equal(show_colour("a word of its own"), "");
	assert_string_equal(show_plain(), "\033[0m");
	assert_true(show_setup("never", NULL, false));
	assert_string_equal(show_colour("failed"), "");
	assert_string_equal(show_plain(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_of_an_answer_is_inert_and_output_keeps_its_lines),
		cmocka_unit_test(times_in_a_sentence_are_the_readers),
		cmocka_unit_test(how_long_ago_has_two_units_at_most),
		cmocka_unit_test(a_character_has_as_many_columns_as_a_terminal_gives_it),
		cmocka_unit_test(colours_are_there_when_they_are_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
