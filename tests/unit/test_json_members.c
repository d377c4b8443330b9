/* Members of what came as JSON, for those who take a default where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "server/core/json.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
	return o;
}

static void what_is_there_is_given(void **state)
{
	(void)state;
	CLEANUP(json_cleanup)
	struct json_object *o = parse("{\"d\":2.5,\"i\":3,\"yes\":true,\"no\":false,\"o\":{\"x\":7},\"a\":[10,20]}");

	assert_true(json_double_or(o, "d", 0) == 2.5 && json_double_or(o, "i", 0) == 3);
	assert_true(json_true(o, "yes") && !json_true(o, "no"));
	assert_int_equal(json_int_or(json_obj_of(o, "o"), "x", 0), 7);
	assert_int_equal(json_len(json_arr_of(o, "a")), 2);
	assert_int_equal(json_object_get_int(json_item(json_arr_of(o, "a"), 1)), 20);
}

static void what_is_not_or_is_something_else_is_the_default(void **state)
{
	(void)state;
	CLEANUP(json_cleanup) struct json_object *o = parse("{\"n\":null,\"s\":\"true\",\"i\":1}");
	static const char *const keys[] = {"nothing", "n", "s"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_true(json_double_or(o, keys[i], -3) == -3);
		assert_false(json_true(o, keys[i]));
		assert_null(json_obj_of(o, keys[i]));
		assert_null(json_arr_of(o, keys[i]));
		assert_int_equal(json_pct_of(o, keys[i]), -1);
	}
	assert_false(json_true(o, "i"));
	assert_null(json_obj_of(NULL, "o"));
	assert_int_equal(json_len(json_arr_of(NULL, "a")), 0);
}

static void a_percentage_is_in_hundredths_and_within_its_bounds(void **state)
{
	(void)state;
	CLEANUP(json_cleanup)
	struct json_object *o = parse("{\"a\":12.5,\"b\":0,\"c\":100,\"over\":101,\"below\":-1}");

	assert_int_equal(json_pct_of(o, "a"), 1250);
	assert_int_equal(json_pct_of(o, "b"), 0);
	assert_int_equal(json_pct_of(o, "c"), 10000);
	assert_int_equal(json_pct_of(o, "over"), -1);
	assert_int_equal(json_pct_of(o, "below"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_given),
		cmocka_unit_test(what_is_not_or_is_something_else_is_the_default),
		cmocka_unit_test(a_percentage_is_in_hundredths_and_within_its_bounds),
	};

	return cmocka_run_group_tests_name("json_members", tests, NULL, NULL);
}
