#include "server/core/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void an_empty_buffer_reads_as_empty_text(void **state)
{
	(void)state;
	struct buf b = BUF(10);

	assert_string_equal(buf_text(&b), "");
	buf_free(&b);
	buf_free(NULL);
}

static void pieces_join_and_stay_terminated(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(1000);

	assert_int_equal(buf_add(&b, "ab\0c", 4), 0);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "ab\0c", 5);
	buf_reset(&b);
	assert_int_equal(buf_str(&b, "x="), 0);
	assert_int_equal(buf_printf(&b, "%d%s", 42, "%"), 0);
	assert_int_equal(buf_char(&b, ';'), 0);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_string_equal(buf_text(&b), "x=42%;");
	assert_int_equal(b.len, 6);
}

static void a_buffer_takes_exactly_its_maximum(void **state)
{
	(void)state;

	for (size_t max = 0; max < 1100; max += 7) {
		struct buf b = BUF(max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(buf_char(&b, (char)('a' + i % 26)), 0);
		assert_int_equal(b.len, max);
		assert_int_equal(buf_char(&b, 'x'), -ENOSPC);
		assert_int_equal(b.len, max);
		assert_int_equal(strlen(buf_text(&b)), max);
		buf_free(&b);
	}
}

static void a_piece_that_does_not_fit_is_not_added_in_part(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(5);

	assert_int_equal(buf_str(&b, "abc"), 0);
	assert_int_equal(buf_printf(&b, "%s", "def"), -ENOSPC);
	assert_string_equal(buf_text(&b), "abc");
}

static void the_first_failure_sticks_until_the_reset(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(3);

	assert_int_equal(buf_str(&b, "abcd"), -ENOSPC);
	assert_int_equal(buf_str(&b, "a"), -ENOSPC);
	assert_int_equal(buf_printf(&b, "a"), -ENOSPC);
	assert_int_equal(b.error, -ENOSPC);
	buf_reset(&b);
	assert_int_equal(buf_str(&b, "abc"), 0);
	assert_string_equal(buf_text(&b), "abc");
}

static void a_length_near_the_end_of_size_t_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(100);

	assert_int_equal(buf_str(&b, "abc"), 0);
	assert_int_equal(buf_add(&b, "x", SIZE_MAX - 1), -ENOSPC);
	assert_string_equal(buf_text(&b), "abc");
}

static void taking_empties_the_buffer_and_keeps_its_maximum(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(4);

	CLEANUP(cleanup_free) char *nothing = buf_take(&b);
	assert_string_equal(nothing, "");
	assert_int_equal(buf_str(&b, "text"), 0);
	CLEANUP(cleanup_free) char *text = buf_take(&b);
	assert_string_equal(text, "text");
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_str(&b, "12345"), -ENOSPC);
}

static void a_sentence_is_cut_to_its_place_and_the_error_handed_on(void **state)
{
	(void)state;
	char why[10] = "before";

	assert_int_equal(say_why(why, sizeof(why), -EPERM, "%s of %d", "one", 2), -EPERM);
	assert_string_equal(why, "one of 2");
	assert_int_equal(say_why(why, sizeof(why), -EINVAL, "%s", "longer than its place"), -EINVAL);
	assert_string_equal(why, "longer th");
}

static void whole_numbers_are_written(void **state)
{
	(void)state;
	static const struct {
		int64_t n;
		const char *text;
	} numbers[] = {{0, "0"},
	               {7, "7"},
	               {-1, "-1"},
	               {1200, "1200"},
	               {INT64_MAX, "9223372036854775807"},
	               {INT64_MIN, "-9223372036854775808"}};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct buf b = BUF(40);

		assert_int_equal(buf_number(&b, numbers[i].n), 0);
		assert_string_equal(buf_text(&b), numbers[i].text);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_written),
		cmocka_unit_test(an_empty_buffer_reads_as_empty_text),
		cmocka_unit_test(pieces_join_and_stay_terminated),
		cmocka_unit_test(a_buffer_takes_exactly_its_maximum),
		cmocka_unit_test(a_piece_that_does_not_fit_is_not_added_in_part),
		cmocka_unit_test(the_first_failure_sticks_until_the_reset),
		cmocka_unit_test(a_length_near_the_end_of_size_t_is_refused),
		cmocka_unit_test(taking_empties_the_buffer_and_keeps_its_maximum),
		cmocka_unit_test(a_sentence_is_cut_to_its_place_and_the_error_handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
