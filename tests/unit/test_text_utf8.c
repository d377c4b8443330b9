#include "server/core/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_is_valid_and_every_surrogate_is_not),
		cmocka_unit_test(a_character_written_with_more_bytes_than_it_needs_is_not_valid),
		cmocka_unit_test(there_are_as_many_valid_sequences_as_encodings),
		cmocka_unit_test(text_from_outside_becomes_one_safe_line),
		cmocka_unit_test(output_keeps_its_lines_and_shows_its_control_bytes),
		cmocka_unit_test(long_text_is_cut_at_a_character_with_an_ellipsis),
		cmocka_unit_test(whatever_comes_in_valid_bounded_text_comes_out),
		cmocka_unit_test(a_full_buffer_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
