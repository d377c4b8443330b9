/*
 * A flags file that nobody has touched is not read again, and any other is. What a look holds is changed here, so that
 * what was read again can be told from what was not.
 */
#include "tests/unit/flags_fixture.h"

#include "handlers/steps/percentage.h"

#define OLD 4200 /* what the last look is made to say; the file never holds it */

static const struct rollout rollout = {.name = "r", .flags_file = path, .flags_key = KEY};

static struct flags_look looked(void)
{
	struct flags_look l;

	put_file(path, KEY "=10\n", 0644);
	flags_look(&rollout, 1, false, &l);
	assert_int_equal(l.pct, 1000);
	assert_int_equal(l.error, 0);
	l.pct = OLD;
	return l;
}

/* So long ago it was that file, and was read. */
static struct flags_look looked_ago(int64_t was_s, int64_t read_s)
{
	struct flags_look l = looked();

	l.seen.since_us -= was_s * US_PER_S;
	l.seen.read_us -= read_s * US_PER_S;
	return l;
}

static int32_t again(struct flags_look *l)
{
	flags_look_again(&rollout, 2, false, l);
	assert_int_equal(l->at_us, 2);
	return l->pct;
}

static void an_untouched_file_is_not_read_again(void **state)
{
	struct flags_look l = looked_ago(20, 10);

	(void)state;
	assert_int_equal(again(&l), OLD);
	assert_int_equal(again(&l), OLD);
}

/* Written in the same tick as before it was read, it would have the same times. */
static void a_file_that_was_young_when_it_was_read_is_read_again(void **state)
{
	struct flags_look now = looked();

	(void)state;
	assert_int_equal(again(&now), 1000);
	struct flags_look young = looked_ago(11, 10);
	assert_int_equal(again(&young), 1000);
	young.pct = OLD;
	assert_int_equal(again(&young), OLD); /* it was old when it was read this time */
}

static void after_a_minute_it_is_read_whatever_its_times_say(void **state)
{
	struct flags_look l = looked_ago(100, 59);

	(void)state;
	assert_int_equal(again(&l), OLD);
	l.seen.read_us -= 2 * US_PER_S;
	assert_int_equal(again(&l), 1000);
}

static void a_file_of_the_same_size_and_time_that_was_written_is_read_again(void **state)
{
	struct flags_look l = looked_ago(20, 10);
	const struct timespec times[] = {l.seen.file.st_atim, l.seen.file.st_mtim};

	(void)state;
	put_file(path, KEY "=25\n", 0644);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(again(&l), 2500);
}

static void another_file_in_its_place_is_read(void **state)
{
	struct flags_look l = looked_ago(20, 10);

	(void)state;
	put_file(temp_path(), KEY "=25\n", 0644);
	assert_int_equal(rename(temp_path(), path), 0);
	assert_int_equal(again(&l), 2500);
	assert_int_equal(unlink(path), 0);
	l.pct = OLD;
	assert_int_equal(again(&l), -1);
	assert_int_equal(l.error, -ENOENT);
}

/* Neither an error nor a rehearsal stands for the next look. */
static void what_went_wrong_or_was_rehearsed_is_looked_at_anew(void **state)
{
	struct flags_look wrong = looked_ago(20, 10), rehearsed = wrong, asked = wrong;

	(void)state;
	assert_int_equal(again(&(struct flags_look) {0}), 1000);
	wrong.error = -EACCES;
	assert_int_equal(again(&wrong), 1000);
	assert_int_equal(wrong.error, 0);
	rehearsed.rehearsed = true;
	assert_int_equal(again(&rehearsed), 1000);
	flags_look_again(&rollout, 2, true, &asked);
	assert_int_equal(asked.pct, 1000);
	assert_true(asked.rehearsed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_untouched_file_is_not_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_was_young_when_it_was_read_is_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(after_a_minute_it_is_read_whatever_its_times_say, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_the_same_size_and_time_that_was_written_is_read_again, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(another_file_in_its_place_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(what_went_wrong_or_was_rehearsed_is_looked_at_anew, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
