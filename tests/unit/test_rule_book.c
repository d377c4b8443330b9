/* How long rules need, and what they stand on; all numbers counted by hand. */
#include "alertmanager/rule_book.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "server/core/clock.h"

#define GROUP(interval, rules) "{\"name\":\"g\",\"file\":\"f\",\"interval\":" #interval ",\"rules\":[" rules "]}"
#define RECORD(name, expr)     "{\"type\":\"recording\",\"name\":\"" name "\",\"query\":\"" expr "\",\"health\":\"ok\"}"
#define ALERT(name, expr, wait)                                                                                        \
	"{\"type\":\"alerting\",\"name\":\"" name "\",\"query\":\"" expr "\",\"duration\":" #wait                      \
	",\"labels\":{\"a\":\"b\"},\"health\":\"ok\"}"
#define BOOK(groups) "{\"status\":\"success\",\"data\":{\"groups\":[" groups "]}}"

static const char text[] =
	BOOK(GROUP(15, RECORD(
			       "new:requests", "sum(rate(new_requests_total[1m]))") "," RECORD("new:ratio",
                                                                                               "sum(rate(new_errors_"
                                                                                               "total[1m])) / "
                                                                                               "(new:requests > 0)") "," RECORD("old:ratio",
                                                                                                                                "sum(rate(old_errors_total[5m])) / (sum(rate(old_requests_total[5m])) > 0)") "," RECORD("base:ratio", "old:ratio or max(last_over_time(pinned[2d]))") "," RECORD("new:delta", "new:ratio - base:ratio")) "," GROUP(20, ALERT("Burst",
                                                                                                                                                                                                                                                                                                                                                             "new:delta > 0.05", 30) "," ALERT("Raw",
                                                                                                                                                                                                                                                                                                                                                                                               "rate(new_errors_total[2m]) > 1", 0) "," ALERT("Slow",
                                                                                                                                                                                                                                                                                                                                                                                                                                              "max_over_time(new:delta[10m]) > 0.05",
                                                                                                                                                                                                                                                                                                                                                                                                                                              15) "," ALERT("Old", "base:ratio > 0.5", 0)) "," GROUP(60, RECORD("late:b",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "late:"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "a") "," RECORD("late:a",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "sum(new_total)") "," ALERT("Late",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "late:b > 1",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            0) "," RECORD("c"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "i"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "r"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "c"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "l"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "e"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          ":"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "a",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "c"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "i"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "r"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "c"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "l"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "e"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          ":"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "b") "," RECORD("circle:b",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "circle:a + x") "," ALERT("Circle",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    "circle:a > 1",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    0)));

static struct rule_book book;
static char *still_names[] = {(char *)"old_errors_total", (char *)"old_requests_total", (char *)"pinned"};
static const struct series_names still = {still_names, 3};

static int setup(void **state)
{
	(void)state;
	return rule_book_parse(text, strlen(text), &book);
}

static int teardown(void **state)
{
	(void)state;
	rule_book_free(&book);
	return 0;
}

static struct rule_delay delay_of(const char *name)
{
	struct rule_delay d = {0};

	for (size_t i = 0; i < book.n; i++)
		if (!strcmp(book.list[i].name, name))
			assert_int_equal(rule_book_delay(&book, &book.list[i], &still, &d), 0);
	return d;
}

static void assert_delay(const char *name, int span, int eval, int wait, int back)
{
	struct rule_delay d = delay_of(name);

	assert_true(d.span_us == span * US_PER_S && d.eval_us == eval * US_PER_S);
	assert_true(d.for_us == wait * US_PER_S && d.back_us == back * US_PER_S);
	assert_false(d.odd);
}

static void spans_intervals_and_for_add_up(void **state)
{
	(void)state;
	/* Recorded in one group in order, so one interval of 15 s, then 20 s; for 30 s is two intervals of 20 s. The
	 * baseline's five minutes delay nothing; it looks back two days for what is pinned, and for: 30 s. */
	assert_delay("Burst", 60, 35, 40, 2 * 86400 + 30);
	assert_delay("Raw", 120, 20, 0, 120);
	assert_delay("Slow", 660, 35, 20, 2 * 86400 + 600 + 15);
	/* A rule about the baseline alone: then its spans count. */
	assert_delay("Old", 300, 35, 0, 2 * 86400);
	/* late:b reads what late:a recorded a minute ago; the alert stands behind both in their group. */
	assert_delay("Late", 0, 120, 0, 0);
}

static void a_circle_ends_and_is_told(void **state)
{
	(void)state;
	assert_true(delay_of("Circle").odd);
}

static void what_a_rule_stands_on(void **state)
{
	struct series_names names = {0};

	(void)state;
	assert_string_equal(book.list[5].name, "Burst");
	assert_int_equal(rule_book_leaves(&book, &book.list[5].scan, &names), 0);
	assert_int_equal(names.n, 5);
	assert_true(series_names_has(&names, "new_errors_total") && series_names_has(&names, "new_requests_total"));
	assert_true(series_names_has(&names, "old_errors_total") && series_names_has(&names, "old_requests_total"));
	assert_true(series_names_has(&names, "pinned") && !series_names_has(&names, "new:ratio"));
	series_names_free(&names);
}

static void what_is_no_reply_is_refused(void **state)
{
	static const char *const wrong[] = {"", "[]", "{\"status\":\"error\"}", "{\"data\":{\"groups\":{}}}", "<html>"};
	struct rule_book b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(rule_book_parse(wrong[i], strlen(wrong[i]), &b), -EBADMSG);
	assert_int_equal(b.n, 0);
}

/* As vmalert 1.79 answers, cut to what is read. */
static void the_rules_of_vmalert_are_read_as_well(void **state)
{
	static const char vmalert[] =
		"{\"status\":\"success\",\"data\":{\"groups\":[{\"name\":\"g\",\"rules\":[{\"state\":\"inactive\","
		"\"name\":\"A\","
		"\"query\":\"vector(1) \\u003e "
		"0\",\"duration\":30,\"labels\":{\"action\":\"auto_rollback\"},\"lastError\":\"\","
		"\"lastEvaluation\":\"2026-11-28T09:01:34.654812522Z\",\"health\":\"ok\",\"type\":\"alerting\","
		"\"datasourceType\":\"prometheus\",\"id\":\"1\",\"group_id\":\"5\"},{\"state\":\"\",\"name\":\"a:b\","
		"\"query\":"
		"\"vector(2)\",\"duration\":0,\"lastError\":\"refused\",\"health\":\"err\",\"type\":\"recording\"}],"
		"\"interval\":15,"
		"\"type\":\"prometheus\",\"id\":\"5\",\"file\":\"r.yml\",\"concurrency\":1}]}}";
	struct rule_book b = {0};

	(void)state;
	assert_int_equal(rule_book_parse(vmalert, sizeof(vmalert) - 1, &b), 0);
	assert_int_equal(b.n, 2);
	assert_true(b.list[0].alerting && !b.list[1].alerting);
	assert_string_equal(b.list[0].expr, "vector(1) > 0");
	assert_true(b.list[0].for_us == 30 * US_PER_S && b.list[0].interval_us == 15 * US_PER_S);
	assert_string_equal(json_str_or(b.list[0].labels, "action", ""), "auto_rollback");
	assert_string_equal(b.list[1].last_error, "refused");
	rule_book_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_intervals_and_for_add_up),
		cmocka_unit_test(a_circle_ends_and_is_told),
		cmocka_unit_test(what_a_rule_stands_on),
		cmocka_unit_test(what_is_no_reply_is_refused),
		cmocka_unit_test(the_rules_of_vmalert_are_read_as_well),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
