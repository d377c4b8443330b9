#include "server/core/buf.h"
#include "server/core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void values_are_written_as_people_read_them(void **state)
{
	static const struct {
		const char *json, *words;
	} told[] = {
		{"\"a text, \\\"as it is\\\"\"", "a text, \"as it is\""},
		{"\"2025-10-14T10:00:00.123456Z\"", "2025-10-14T10:00:00Z"},
		{"\"2025-10-14T10:00:00Z\"", "2025-10-14T10:00:00Z"},
		{"12.5", "12.5"},
		{"true", "true"},
		{"null", ""},
		{"{}", ""},
		{"{\"a\":\"x\",\"b\":\"y z\",\"c\":\"\",\"d\":\"p=q\",\"e\":3}", "a=x b=\"y z\" c=\"\" d=\"p=q\" e=3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		struct json_object *v = NULL;
		struct buf b = BUF(200);

		char text[200];

		snprintf(text, sizeof(text), "{\"v\":%s}", told[i].json);
		assert_int_equal(json_parse(text, strlen(text), &v, NULL), 0);
		json_words(&b, json_at(v, "/v"));
		assert_string_equal(buf_text(&b), told[i].words);
		buf_free(&b);
		json_object_put(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_written_as_people_read_them),
	};
	return cmocka_run_group_tests_name("json words", tests, NULL, NULL);
}
