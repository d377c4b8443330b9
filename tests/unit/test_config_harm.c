#include "tests/unit/config_fixture.h"

/* --- files that mean harm --- */

static int64_t load_big(struct buf *b)
{
	int64_t before = clock_mono_us();

	assert_int_equal(b->error, 0);
	assert_int_equal(load(buf_text(b)), -EINVAL);
	return clock_mono_us() - before;
}

static void a_file_over_the_limit_is_refused(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(2 * CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, SHOP);
	while (b.len <= CONFIG_FILE_MAX)
		buf_str(&b, "# filling\n");
	load_big(&b);
	assert_int_equal(faults.n, 1);
	expect_fault("", 0, 0, "", "larger than 1048576 bytes");
}

static void a_file_of_faults_ends_in_a_line_that_says_so(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, SHOP);
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "x%d: 1\n", i);
	load_big(&b);
	assert_int_equal(faults.n, 201);
	expect_fault("", 199, 204, "", "x199");
	expect_fault("", 200, 0, "", "more faults");
}

/* Each rollout repeats each check, whose command repeats each word: a thousand million words from some kilobytes. */
static void aliases_of_aliases_are_cut_off(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, "rollouts:\n- &r\n  name: shop\n  verify:\n    checks:\n    - &c {command: [/bin/true");
	for (int i = 0; i < 1000; i++)
		buf_str(&b, ", a");
	buf_str(&b, "]}\n");
	for (int i = 0; i < 1000; i++)
		buf_str(&b, "    - *c\n");
	buf_str(&b, "  apply: [*c]\n");
	for (int i = 0; i < 1000; i++)
		buf_str(&b, "- *r\n");
	assert_true(load_big(&b) < 5 * US_PER_S);
	expect_fault("", 0, 6, "", "aliases");
	assert_int_equal(faults.n, 1);
}

/* Few values, each of them long. */
static void aliases_of_long_texts_are_cut_off(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, "rollouts:\n- name: shop\n  verify: {checks: [{command: [/bin/true]}]}\n  apply:\n  - command:\n"
	            "    - /bin/true\n    - &long ");
	while (b.len < CONFIG_FILE_MAX / 2)
		buf_str(&b, "0123456789");
	buf_char(&b, '\n');
	for (int i = 0; i < 10000; i++)
		buf_str(&b, "    - *long\n");
	load_big(&b);
	assert_int_equal(faults.n, 1);
	expect_fault("", 0, 7, "", "aliases");
}

static void a_list_that_is_too_long_is_cut_off(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, "rollouts: [");
	for (int i = 0; i < 20000; i++)
		buf_str(&b, "a,");
	buf_str(&b, "a]\n");
	load_big(&b);
	assert_int_equal(faults.n, 1);
	expect_fault("", 0, 1, "", "more than 20000 values");
}

static void a_file_of_anchors_is_refused_before_it_takes_long(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, "rollouts:\n");
	for (int i = 0; b.len + 20 < CONFIG_FILE_MAX; i++)
		buf_printf(&b, "- &%x\n", i);
	assert_true(load_big(&b) < 5 * US_PER_S);
	assert_int_equal(faults.n, 1);
	expect_fault("", 0, 1002, "", "anchors");
}

static void an_alias_of_itself_ends(void **state)
{
	static const char text[] = "rollouts: &a [*a]\n";

	(void)state;
	assert_int_equal(load(text), -EINVAL);
	assert_true(faults.n > 0);
}

static void nesting_too_deep_is_refused_before_it_takes_long(void **state)
{
	static const char *const pieces[] = {"[", "{a: ", "- ", "? ", "- {a: [", "[\n", "{a: \n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

		buf_str(&b, "rollouts:\n  ");
		while (b.len + 10 < CONFIG_FILE_MAX)
			buf_str(&b, pieces[i]);
		assert_true(load_big(&b) < 5 * US_PER_S);
		assert_int_equal(faults.n, 1);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_file_over_the_limit_is_refused),  T(a_file_of_faults_ends_in_a_line_that_says_so),
		T(aliases_of_aliases_are_cut_off),    T(a_file_of_anchors_is_refused_before_it_takes_long),
		T(aliases_of_long_texts_are_cut_off), T(a_list_that_is_too_long_is_cut_off),
		T(an_alias_of_itself_ends),           T(nesting_too_deep_is_refused_before_it_takes_long),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
