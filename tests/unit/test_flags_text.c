#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "handlers/steps/flags_file.h"
#include "server/core/clock.h"

#define KEY "CST_ROLLOUT_PERCENTAGE"

static char why[200];

static void expect_replaced(const char *before, int n, const char *after)
{
	struct buf out = BUF(10000);

	assert_int_equal(flags_text_replace(before, strlen(before), KEY, "0", &out), n);
	assert_string_equal(buf_text(&out), after);
	buf_free(&out);
}

static void every_assignment_is_replaced_and_nothing_else(void **state)
{
	static const struct {
		const char *before;
		int n;
		const char *after;
	} cases[] = {
		{KEY "=10\n", 1, KEY "=0\n"},
		{KEY "=10", 1, KEY "=0"},
		{KEY "=\n", 1, KEY "=0\n"},
		{KEY "=", 1, KEY "=0"},
		{KEY "=   \n", 1, KEY "=0   \n"},
		{"A=1\r\n" KEY "=10\r\nB=2\r\n", 1, "A=1\r\n" KEY "=0\r\nB=2\r\n"},
		{KEY "=10\n" KEY "=20\n", 2, KEY "=0\n" KEY "=0\n"},
		{KEY "=\"10\"\n", 1, KEY "=\"0\"\n"},
		{KEY "='10'  \n", 1, KEY "='0'  \n"},
		{KEY "=\"\"\n", 1, KEY "=\"0\"\n"},
		{KEY "=\"1\"'0'\n", 1, KEY "=0\n"},
		{KEY "=\"1\"0\n", 1, KEY "=0\n"},
		{KEY "=\"10", 1, KEY "=0"},
		{" \texport  " KEY " = 10 \n", 1, " \texport  " KEY " = 0 \n"},
		{KEY "=10 # the canary\n", 1, KEY "=0 # the canary\n"},
		{KEY "=\"10\" # the canary\n", 1, KEY "=\"0\" # the canary\n"},
		{KEY "= # nothing\n", 1, KEY "=0 # nothing\n"},
		{KEY "=1\\\n0\nB=2\n", 1, KEY "=0\nB=2\n"},
		{"# " KEY "=10\n; " KEY "=5\n" KEY "=7\n", 1, "# " KEY "=10\n; " KEY "=5\n" KEY "=0\n"},
		{"# a path ends in \\\n" KEY "=7\n", 1, "# a path ends in \\\n" KEY "=0\n"},
		{"A=x\\\n" KEY "=10\n" KEY "=5\n", 1, "A=x\\\n" KEY "=10\n" KEY "=0\n"},
		{"A=\"x\n" KEY "=10\n\"\n" KEY "=5\n", 1, "A=\"x\n" KEY "=10\n\"\n" KEY "=0\n"},
		{"A='x\\'\n" KEY "=10\n", 1, "A='x\\'\n" KEY "=0\n"},
		{"A=\"x\\\"\"\n" KEY "=10\n", 1, "A=\"x\\\"\"\n" KEY "=0\n"},
		{"A=don't\n" KEY "=10\n", 1, "A=don't\n" KEY "=0\n"},
		{"a line without a sign\n" KEY "=10\n", 1, "a line without a sign\n" KEY "=0\n"},
		{"MY_" KEY "=3\n" KEY "_OLD=4\n" KEY "=10\n", 1, "MY_" KEY "=3\n" KEY "_OLD=4\n" KEY "=0\n"},
		{"\n\n" KEY "=10\n\n\n", 1, "\n\n" KEY "=0\n\n\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_replaced(cases[i].before, cases[i].n, cases[i].after);
}

static void what_is_no_assignment_is_left_alone(void **state)
{
	static const char *const none[] = {
		"",
		"\n",
		"#" KEY "=10\n",
		KEY "\n",
		KEY ":10\n",
		"export " KEY "\n",
		"X" KEY "=10\n",
		"A=" KEY "=10\n",
		"exported_" KEY "=10",
	};
	struct buf out = BUF(1000);
	int32_t pct = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_int_equal(flags_text_replace(none[i], strlen(none[i]), KEY, "0", &out), -ENOENT);
		assert_int_equal(out.len, 0);
		assert_int_equal(flags_text_get(none[i], strlen(none[i]), KEY, &pct, why, sizeof(why)), -ENOENT);
	}
	assert_int_equal(flags_text_replace(KEY "=1", strlen(KEY "=1"), KEY, "a b", &out), -EINVAL);
	assert_int_equal(pct, 77);
	buf_free(&out);
}

static void the_last_assignment_is_in_effect(void **state)
{
	static const struct {
		const char *text;
		int32_t pct;
	} cases[] = {
		{KEY "=10\n", 1000},         {KEY "=10\n" KEY "=12.5\n", 1250}, {KEY "=10\n#" KEY "=20\n", 1000},
		{KEY "=\"33.33\"\n", 3333},  {"export " KEY "='100'", 10000},   {KEY "=1\\\n0\r\n", 1000},
		{KEY "=\"1\\\n0\"\n", 1000}, {KEY "=10 # was 20", 1000},        {KEY "=\"1\"0", 1000},
		{KEY "=\\1\\0", 1000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t pct = -1;

		assert_int_equal(flags_text_get(cases[i].text, strlen(cases[i].text), KEY, &pct, why, sizeof(why)), 0);
		assert_int_equal(pct, cases[i].pct);
	}
}

static void a_value_that_is_no_percentage_is_shown_and_never_guessed(void **state)
{
	static const char *const bad[] = {
		"",
		"abc",
		"10%",
		"-1",
		"101",
		"1e1",
		"010",
		"10 20",
		"10; export " KEY,
		"0x10",
		"10.001",
		"\"10\" 5",
		"'1 0'",
		"1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[300];
		int32_t pct = 77;

		snprintf(text, sizeof(text), KEY "=5\n" KEY "=%s\n", bad[i]);
		assert_int_equal(flags_text_get(text, strlen(text), KEY, &pct, why, sizeof(why)), -EINVAL);
		assert_int_equal(pct, 77);
	}
	assert_int_equal(flags_text_get(KEY "=a\nlarm", strlen(KEY "=a\nlarm"), KEY, &(int32_t) {0}, why, sizeof(why)),
	                 -EINVAL);
	assert_non_null(strstr(why, KEY " is \"a\""));
}

static void any_value_can_be_read_as_far_as_it_fits(void **state)
{
	static const char text[] = "A=x\nA=\"two words\" # said\nB=\nC=it's  \n";
	char value[16] = "kept", long_text[400] = "D=";

	(void)state;
	assert_int_equal(flags_text_value(text, strlen(text), "A", value, sizeof(value)), 0);
	assert_string_equal(value, "two words");
	assert_int_equal(flags_text_value(text, strlen(text), "A", value, 9), -E2BIG);
	assert_int_equal(flags_text_value(text, strlen(text), "A", value, 10), 0);
	assert_int_equal(flags_text_value(text, strlen(text), "X", value, sizeof(value)), -ENOENT);
	assert_string_equal(value, "two words");
	assert_int_equal(flags_text_value(text, strlen(text), "B", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(flags_text_value(text, strlen(text), "C", value, sizeof(value)), 0);
	assert_string_equal(value, "it's");
	memset(long_text + 2, '1', 390);
	assert_int_equal(flags_text_value(long_text, strlen(long_text), "D", value, sizeof(value)), -E2BIG);
	assert_int_equal(flags_text_get(long_text, strlen(long_text), "D", &(int32_t) {0}, why, sizeof(why)), -EINVAL);
	assert_true(strlen(why) < sizeof(why) - 1);
}

/* What somebody would take from it counts, the highest number of all; and a rollback makes all of them take less, with
 * no other byte changed. */
static void the_reader_who_takes_the_most_counts_and_is_named(void **state)
{
	static const struct {
		const char *before;
		int32_t pct;
		const char *reader; /* NULL: systemd takes the same */
		const char *after;
	} cases[] = {
		{"\xef\xbb\xbf" KEY "=10\n", 1000, "dotenv", "\xef\xbb\xbf" KEY "=0\n"},
		{"A='don\n" KEY "=10\n", 1000, "dotenv", "A='don\n" KEY "=0\n"},
		{"A=\"don\nB=1\n" KEY "=10\n", 1000, "dotenv", "A=\"don\nB=1\n" KEY "=0\n"},
		{"A=1 \\\n" KEY "=10\nB=2\n", 1000, "dotenv", "A=1 \\\n" KEY "=0\nB=2\n"},
		{KEY "=`10`\nB=2\n", 1000, "dotenv", KEY "=`0`\nB=2\n"},
		{KEY "=50#c\n", 5000, "dotenv", KEY "=0#c\n"},
		{KEY "='50'#c\r\nA=1", 5000, "dotenv", KEY "='0'#c\r\nA=1"},
		{KEY ": 50\n", 5000, "dotenv", KEY ": 0\n"},
		{KEY "=\n'50'\n", 5000, "dotenv", KEY "=0\n'50'\n"},
		{"export " KEY "=50\r\n", 5000, NULL, "export " KEY "=0\r\n"},
		{"\xef\xbb\xbf" KEY "=50\n" KEY "=10", 1000, NULL, "\xef\xbb\xbf" KEY "=50\n" KEY "=0"},
		{KEY "=25\nA=\"x\n" KEY "=50\n\"\n", 5000, "docker", KEY "=0\nA=\"x\n" KEY "=0\n\"\n"},
		{"A=\"x\n" KEY "=50\n\"\n" KEY "=25\n", 2500, NULL, "A=\"x\n" KEY "=50\n\"\n" KEY "=0\n"},
		{"A='it\\'s\n" KEY "=10\n", 1000, NULL, "A='it\\'s\n" KEY "=0\n"},
		{KEY "=25\n" KEY "=50#c\n" KEY "=10", 1000, NULL, KEY "=0\n" KEY "=0#c\n" KEY "=0"},
		{"A=`x\n" KEY "=10\n`\n" KEY "=5", 500, NULL, "A=`x\n" KEY "=0\n`\n" KEY "=0"},
		{KEY "=\"10\nB=2\n", -1, NULL, KEY "=0\nB=2\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *text = cases[i].before;
		struct buf out = BUF(1000);
		int32_t pct = -1;
		int r = flags_text_get(text, strlen(text), KEY, &pct, why, sizeof(why));

		if (r != (cases[i].pct < 0 ? -EINVAL : 0) || pct != cases[i].pct)
			fail_msg("%s: %d, %d", text, r, pct);
		if (r == 0 && !cases[i].reader)
			assert_string_equal(why, "");
		if (cases[i].reader && !strstr(why, cases[i].reader))
			fail_msg("%s: %s", text, why);
		assert_true(flags_text_replace(text, strlen(text), KEY, "0", &out) > 0);
		assert_string_equal(buf_text(&out), cases[i].after);
		assert_int_equal(flags_text_get(buf_text(&out), out.len, KEY, &pct, why, sizeof(why)), 0);
		assert_int_equal(pct, 0);
		buf_free(&out);
	}
}

/* Lines are drawn with the answer known beside each: the parser has no say in what is expected. */
static void any_mixture_of_lines_is_replaced_as_its_lines_are(void **state)
{
	static const struct {
		const char *line, *replaced;
		int n;
	} lines[] = {
		{"A=1\n", "A=1\n", 0},
		{"# it's " KEY "=1\n", "# it's " KEY "=1\n", 0},
		{"\r\n", "\r\n", 0},
		{KEY "=1\n", KEY "=0\n", 1},
		{"\texport " KEY "=\"50\" # \"x\n", "\texport " KEY "=\"0\" # \"x\n", 1},
		{"B=\"a\n" KEY "=4 'b\n\"\n", "B=\"a\n" KEY "=4 'b\n\"\n", 0},
		{KEY "=\\\n7\r\n", KEY "=0\r\n", 1},
		{"C=it's \\\n" KEY "=1 x\n", "C=it's \\\n" KEY "=1 x\n", 0},
		{KEY "='1\n2'\n", KEY "='0'\n", 1},
		{"noise \" '\n", "noise \" '\n", 0},
		{"; \\\r\n", "; \\\r\n", 0},
	};
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct buf text = BUF(4000), want = BUF(4000), got = BUF(4000);
		int n = 0;

		for (int i = rand_r(&seed) % 12; i >= 0; i--) {
			size_t k = (size_t)rand_r(&seed) % ARRAY_LEN(lines);

			buf_str(&text, lines[k].line);
			buf_str(&want, lines[k].replaced);
			n += lines[k].n;
		}
		/* What stands inside another value is an assignment for some readers: here it is not the last. */
		buf_str(&text, KEY "=1");
		buf_str(&want, KEY "=0");
		assert_int_equal(flags_text_replace(buf_text(&text), text.len, KEY, "0", &got), n + 1);
		assert_string_equal(buf_text(&got), buf_text(&want));
		buf_free(&text);
		buf_free(&want);
		buf_free(&got);
	}
}

/* Lines as people write them, in any order: quotes that are never closed, blanks in quotes, continued lines. */
static void whatever_was_replaced_is_what_every_reader_takes(void **state)
{
	static const char *const pieces[] = {
		KEY "=",   KEY ": ",  " " KEY " = ", "export " KEY "=",
		"A=",      "# ",      "10",          "\" 10 \"",
		"`5",      "\"10",    "'10",         "10\\",
		"`10`",    "5\" x",   "it's",        "#",
		"\"#",     "\"a b\"", "{\"a\":1}",   "#10\\",
		"C:\\x\\", "\n",      "\n",          "\n",
		"\r\n",    "\n",
	};
	unsigned seed = 5;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		struct buf text = BUF(2000), out = BUF(2000);
		int32_t pct = -1;

		for (int i = rand_r(&seed) % 14; i >= 0; i--)
			buf_str(&text, pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)]);
		int known = flags_text_get(buf_text(&text), text.len, KEY, &pct, why, sizeof(why));
		int n = flags_text_replace(buf_text(&text), text.len, KEY, "0", &out);
		assert_int_equal(n > 0 ? 0 : n, known == -ENOENT ? -ENOENT : 0);
		if (n > 0 && flags_text_get(buf_text(&out), out.len, KEY, &pct, why, sizeof(why)) != 0)
			fail_msg("%s became %s: %s", buf_text(&text), buf_text(&out), why);
		if (n > 0 && pct != 0)
			fail_msg("%s became %s", buf_text(&text), buf_text(&out));
		buf_free(&text);
		buf_free(&out);
	}
}

static void no_bytes_make_it_read_beyond_the_text(void **state)
{
	static const char alphabet[] = KEY "==\"'\\\\\n\r #;export 05\t";
	unsigned seed = 11;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % 40;
		char *text = malloc(len ? len : 1); /* no byte more: a sanitizer watches the end */
		struct buf once = BUF(1000), twice = BUF(1000);

		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		int n = flags_text_replace(text, len, "0", "5", &once);
		assert_true(n > 0 || n == -ENOENT);
		if (n > 0) {
			int32_t pct = -1;

			assert_int_equal(flags_text_get(buf_text(&once), once.len, "0", &pct, why, sizeof(why)), 0);
			assert_int_equal(pct, 500);
			assert_true(flags_text_replace(buf_text(&once), once.len, "0", "5", &twice) > 0);
			assert_string_equal(buf_text(&twice), buf_text(&once));
		}
		buf_free(&once);
		buf_free(&twice);
		free(text);
	}
}

/* Minutes, if each line looked at all that follow. */
static void many_blank_lines_take_no_time(void **state)
{
	enum { LINES = 500000 };
	struct buf text = BUF(FLAGS_FILE_MAX);
	int64_t began = clock_mono_us();
	int32_t pct = -1;

	(void)state;
	buf_str(&text, KEY "=10\n");
	for (int i = 0; i < LINES; i++)
		buf_str(&text, " \n");
	assert_int_equal(flags_text_get(buf_text(&text), text.len, KEY, &pct, why, sizeof(why)), 0);
	assert_int_equal(pct, 1000);
	assert_true(clock_mono_us() - began < 20 * US_PER_S);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_assignment_is_replaced_and_nothing_else),
		cmocka_unit_test(what_is_no_assignment_is_left_alone),
		cmocka_unit_test(the_last_assignment_is_in_effect),
		cmocka_unit_test(a_value_that_is_no_percentage_is_shown_and_never_guessed),
		cmocka_unit_test(any_value_can_be_read_as_far_as_it_fits),
		cmocka_unit_test(the_reader_who_takes_the_most_counts_and_is_named),
		cmocka_unit_test(any_mixture_of_lines_is_replaced_as_its_lines_are),
		cmocka_unit_test(whatever_was_replaced_is_what_every_reader_takes),
		cmocka_unit_test(no_bytes_make_it_read_beyond_the_text),
		cmocka_unit_test(many_blank_lines_take_no_time),
	};

	return cmocka_run_group_tests_name("flags_text", tests, NULL, NULL);
}
