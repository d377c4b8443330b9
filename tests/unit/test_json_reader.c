/* A JSON text token by token. That it refuses what json_check refuses is test_json's: both are one machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "server/core/json_reader.h"
#include "server/core/scope.h"

static struct json_reader reader;

static void begin(const char *text)
{
	json_reader_begin(&reader, text, strlen(text), SIZE_MAX);
}

static void next(enum json_token wanted, const char *text)
{
	assert_int_equal(json_next(&reader), wanted);
	assert_int_equal(reader.token.len, strlen(text));
	assert_memory_equal(reader.token.text, text, strlen(text));
}

static void each_token_comes_with_its_text(void **state)
{
	(void)state;
	begin(" { \"a\" : [ 1 , -2.5e3,true ,null ],\"b\\u0063\":\"x\" , \"\xc3\xa9\" :{} } ");
	next(JSON_OBJECT, "{");
	next(JSON_KEY, "\"a\"");
	assert_true(reader.as_is);
	next(JSON_ARRAY, "[");
	assert_int_equal(reader.depth, 2);
	next(JSON_NUMBER, "1");
	next(JSON_NUMBER, "-2.5e3");
	next(JSON_LITERAL, "true");
	next(JSON_LITERAL, "null");
	next(JSON_ARRAY_END, "]");
	next(JSON_KEY, "\"b\\u0063\"");
	assert_false(reader.as_is);
	next(JSON_STRING, "\"x\"");
	next(JSON_KEY, "\"\xc3\xa9\"");
	assert_true(reader.as_is);
	next(JSON_OBJECT, "{");
	next(JSON_OBJECT_END, "}");
	next(JSON_OBJECT_END, "}");
	assert_int_equal(json_next(&reader), JSON_END);
	assert_int_equal(json_next(&reader), JSON_END);
	json_reader_end(&reader);
}

static void odd_characters_do_not_stand_for_themselves(void **state)
{
	(void)state;
	begin("[\"a\xff\",\"plain\",\"\\n\",\"\\ud800\"]");
	static const bool as_is[] = {false, true, false, false};

	assert_int_equal(json_next(&reader), JSON_ARRAY);
	for (size_t i = 0; i < ARRAY_LEN(as_is); i++) {
		assert_int_equal(json_next(&reader), JSON_STRING);
		assert_int_equal(reader.as_is, as_is[i]);
	}
	json_reader_end(&reader);
}

static void a_value_is_taken_whole(void **state)
{
	(void)state;
	begin("{\"a\":{\"b\":[1,{\"c\":\"}\"}]},\"d\":7}");
	assert_int_equal(json_next(&reader), JSON_OBJECT);
	next(JSON_KEY, "\"a\"");
	struct json_raw value = json_take_value(&reader, json_next(&reader));
	assert_int_equal(value.len, strlen("{\"b\":[1,{\"c\":\"}\"}]}"));
	next(JSON_KEY, "\"d\"");
	value = json_take_value(&reader, json_next(&reader));
	assert_int_equal(value.len, 1);
	next(JSON_OBJECT_END, "}");
	assert_int_equal(json_next(&reader), JSON_END);
	json_reader_end(&reader);
}

static void after_a_fault_nothing_comes(void **state)
{
	(void)state;
	begin("{\"a\":{\"b\":1,\"b\":2},\"c\":3}");
	assert_int_equal(json_next(&reader), JSON_OBJECT);
	assert_int_equal(json_next(&reader), JSON_KEY);
	assert_null(json_take_value(&reader, json_next(&reader)).text);
	assert_int_equal(json_next(&reader), JSON_FAULT);
	assert_int_equal(reader.error, -EINVAL);
	assert_string_equal(reader.fault.why, "duplicate key");
	json_reader_end(&reader);
}

static void more_keys_than_a_few_are_told_apart(void **state)
{
	(void)state;
	struct buf b = BUF(100000);

	for (int last = 0; last < 2; last++) {
		buf_reset(&b);
		for (int i = 0; i < 3 * JSON_KEYS_FEW; i++)
			buf_printf(&b, "%s\"key%d\":{\"x\":0}", i ? "," : "{", i);
		buf_printf(&b, ",\"key%d\":1}", last ? 3 : -3);
		begin(buf_text(&b));
		enum json_token t;
		while ((t = json_next(&reader)) != JSON_END && t != JSON_FAULT)
			;
		assert_int_equal(t, last ? JSON_FAULT : JSON_END);
		json_reader_end(&reader);
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_token_comes_with_its_text),
		cmocka_unit_test(odd_characters_do_not_stand_for_themselves),
		cmocka_unit_test(a_value_is_taken_whole),
		cmocka_unit_test(after_a_fault_nothing_comes),
		cmocka_unit_test(more_keys_than_a_few_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
