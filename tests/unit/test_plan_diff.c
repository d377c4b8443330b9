/* What differs between two plans, and what of it begins a run anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/gates/plan_diff.h"
#include "server/core/json.h"

#define STAGE(more)                                                                                                    \
	"{\"stage\":{\"number\":1,\"name\":\"Canary\",\"percentage\":10,\"duration\":172800,\"criteria\":["            \
	"{\"name\":\"errors\",\"query\":\"e\",\"max\":0.001,\"over\":0},"                                              \
	"{\"name\":\"cache\",\"query\":\"c\",\"min\":0.8,\"over\":0}]" more "}}"

static struct json_object *parsed(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

/* "* " before what resets; one change a line. */
static void differ(const char *was, const char *is, const char *expected)
{
	CLEANUP(json_cleanup) struct json_object *a = parsed(was), *b = parsed(is), *changes = plan_diff(a, b);
	char said[2000] = "";

	for (size_t i = 0; i < json_len(changes); i++) {
		struct json_object *o = json_item(changes, i);
		size_t len = strlen(said);

		snprintf(said + len, sizeof(said) - len, "%s%s\n", json_true(o, "resets") ? "* " : "",
		         json_str_or(o, "text", ""));
	}
	assert_string_equal(said, expected);
	assert_int_equal(plan_diff_resets(changes), strstr(expected, "* ") != NULL);
}

static void the_same_differs_in_nothing(void **state)
{
	(void)state;
	differ(STAGE(""), STAGE(""), "");
	/* A release that knows one key more writes its default. */
	differ(STAGE(""), STAGE(",\"certify\":0,\"set\":[],\"release_notes\":\"\",\"pause\":false"), "");
}

static void words_reset_nothing(void **state)
{
	(void)state;
	differ(STAGE(",\"release_notes\":\"Faster serch.\""), STAGE(",\"release_notes\":\"Faster search.\""),
	       "release_notes: Faster serch. \u2192 Faster search.\n");
	differ("{\"stage\":{\"name\":\"Canary\",\"criteria\":[{\"name\":\"errors\",\"query\":\"e\",\"max\":1}]}}",
	       "{\"stage\":{\"name\":\"First\",\"criteria\":[{\"name\":\"error rate\",\"query\":\"e\",\"max\":1}]}}",
	       "name: Canary \u2192 First\ncriterion \"errors\" name: errors \u2192 error rate\n");
	differ("{\"checklist\":{\"items\":[{\"text\":\"Tests pas\",\"valid\":0}]}}",
	       "{\"checklist\":{\"items\":[{\"text\":\"Tests pass\",\"valid\":0,\"evidence\":\"tests\"}]}}",
	       "item \"Tests pas\" text: Tests pas \u2192 Tests pass\nitem \"Tests pas\" evidence: nothing \u2192 "
	       "tests\n");
}

static void what_it_is_measured_by_does(void **state)
{
	(void)state;
	differ(STAGE(""), STAGE(",\"approvals\":[\"lead\",\"owner\"]"), "* approvals: nothing \u2192 lead, owner\n");
	differ("{\"stage\":{\"duration\":172800,\"percentage\":10}}",
	       "{\"stage\":{\"duration\":259200,\"percentage\":20}}",
	       "* duration: 48 hours \u2192 72 hours\n* percentage: 10 \u2192 20\n");
	differ("{\"stage\":{\"criteria\":[{\"name\":\"a\",\"max\":1},{\"name\":\"b\",\"max\":2}]}}",
	       "{\"stage\":{\"criteria\":[{\"name\":\"c\",\"min\":3},{\"name\":\"a\",\"max\":1.5}]}}",
	       "* criterion \"a\" max: 1 \u2192 1.5\n* criterion \"b\": gone\n* criterion \"c\": new\n");
	differ("{\"checklist\":{\"items\":[{\"text\":\"x\",\"valid\":604800}]}}",
	       "{\"checklist\":{\"items\":[{\"text\":\"x\",\"valid\":0},{\"text\":\"y\"}]}}",
	       "* item \"x\" valid: 7 days \u2192 nothing\n* item \"y\": new\n");
}

static void another_order_is_no_change(void **state)
{
	(void)state;
	differ("{\"stage\":{\"criteria\":[{\"name\":\"a\",\"max\":1},{\"name\":\"b\",\"max\":2}]}}",
	       "{\"stage\":{\"criteria\":[{\"name\":\"b\",\"max\":2},{\"name\":\"a\",\"max\":1}]}}", "");
}

static void a_sentence_names_five_and_counts_the_rest(void **state)
{
	CLEANUP(json_cleanup)
	struct json_object *a = parsed("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"title\":\"x\"}"),
			   *b = parsed("{\"a\":2,\"b\":2,\"c\":2,\"d\":2,\"e\":2,\"f\":2,\"g\":2,\"title\":\"y\"}"),
			   *changes = plan_diff(a, b);
	CLEANUP(buf_free) struct buf words = BUF(1000);

	(void)state;
	plan_diff_words(&words, changes, true);
	assert_string_equal(buf_text(&words),
	                    "a: 1 \u2192 2; b: 1 \u2192 2; c: 1 \u2192 2; d: 1 \u2192 2; e: 1 \u2192 2 and 2 more");
	buf_reset(&words);
	plan_diff_words(&words, changes, false);
	assert_string_equal(buf_text(&words), "title: x \u2192 y");
}

static void a_stage_has_its_checklist_with_it(void **state)
{
	CLEANUP(json_cleanup)
	struct json_object *rollout =
		parsed("{\"name\":\"shop\",\"apply\":[],\"freeze\":[{\"cron\":\"x\"}],\"stages\":["
	               "{\"number\":1,\"checklist\":\"two\"},{\"number\":2}],\"checklists\":["
	               "{\"name\":\"one\"},{\"name\":\"two\"}]}");
	CLEANUP(json_cleanup)
	struct json_object *plan = plan_of_rollout(rollout), *first = plan_of_stage(plan, 1),
			   *second = plan_of_stage(plan, 2), *rest = plan_of_no_stage(plan);

	(void)state;
	assert_string_equal(json_text(first), "{\"stage\":{\"number\":1,\"checklist\":\"two\"},\"checklist\":{\"name\":"
	                                      "\"two\"}}");
	assert_string_equal(json_text(second), "{\"stage\":{\"number\":2}}");
	assert_string_equal(json_text(rest), "{\"freeze\":[{\"cron\":\"x\"}]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_differs_in_nothing),
		cmocka_unit_test(words_reset_nothing),
		cmocka_unit_test(what_it_is_measured_by_does),
		cmocka_unit_test(another_order_is_no_change),
		cmocka_unit_test(a_sentence_names_five_and_counts_the_rest),
		cmocka_unit_test(a_stage_has_its_checklist_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
