/* What Prometheus 3 added to the language: numbers as durations, quoted names, functions, modifiers. promtool beside
 * us. */
#include "alertmanager/promql.h"
#include "alertmanager/promql_duration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "server/core/buf.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "tests/unit/promql_told.h"

#define PROMTOOL "build/tools-forky/usr/bin/promtool" /* the one of Debian 12 does not know this language */

enum knows { KNOWN, LATER }; /* to the 3.5 of Debian 14; behind a flag, or in later ones */

/* told: "name span back" of each selector, ! for one behind an offset; "no": it cannot be followed. */
static const struct promql_case {
	const char *text, *told;
	enum knows knows;
} cases[] = {
	{"rate(x[300])", "x 5m 5m", KNOWN},
	{"rate(x[1.5e2])", "x 2m30s 2m30s", KNOWN},
	{"rate(x[0x3c])", "x 1m 1m", KNOWN},
	{"rate(x[1_000])", "x 16m40s 16m40s", KNOWN},
	{"max_over_time(rate(x[60])[3600:300])", "x 1h1m 1h1m", KNOWN},
	{"rate(x[5m:30])", "x 5m 5m", KNOWN},
	{"x offset 300", "x! 0s 5m", KNOWN},
	{"x offset -300", "x 0s 0s", KNOWN},
	{"x @ 100 offset 60", "x! 0s 1m", KNOWN},
	{"x offset 5m + y", "x! 0s 5m, y 0s 0s", KNOWN},
	{"rate(x[0])", "no", KNOWN},
	{"rate(x[-5])", "no", KNOWN},
	{"rate(x[])", "no", KNOWN},
	{"x offset", "no", KNOWN},
	{"rate(x[5m * 2])", "x 10m 10m", LATER},
	{"rate(x[max(5m, 90) + 30])", "x 5m30s 5m30s", LATER},
	{"x offset (1h + 5m)", "x! 0s 1h5m", LATER},
	{"x offset -(1h - 5m) + y[1m]", "x 0s 0s, y 1m 1m", LATER},
	{"rate(x[step()])", "no", LATER},
	/* quoted names */
	{"{\"foo.bar\"}", "foo.bar 0s 0s", KNOWN},
	{"{'foo.bar'}", "foo.bar 0s 0s", KNOWN},
	{"{`foo.bar`}", "foo.bar 0s 0s", KNOWN},
	{"{\"foo.bar\", job=\"a\"} offset 1m", "foo.bar! 0s 1m", KNOWN},
	{"{job=\"a\", \"foo.bar\",} > 1", "foo.bar 0s 0s", KNOWN},
	{"{__name__=\"a.b\", x!~\"y\"}", "a.b 0s 0s", KNOWN},
	{"{\"__name__\"=\"a.b\"}", "a.b 0s 0s", KNOWN},
	{"{\"service.name\"=\"a\"}", " 0s 0s", KNOWN},
	{"x{\"service.name\"=~\"a|b\"}", "x 0s 0s", KNOWN},
	{"sum by (\"service.name\") (rate({\"foo.bar\", \"service.name\"=\"a\"}[5m]))", "foo.bar 5m 5m", KNOWN},
	{"a * on (x) group_left (\"y.z\") b", "a 0s 0s, b 0s 0s", KNOWN},
	{"{\"a\" \"b\"}", "no", KNOWN},
	{"{\"a\"=}", "no", KNOWN},
	{"{\"a\"=\"b\" \"c\"}", "no", KNOWN},
	/* functions */
	{"limitk(2, x)", "x 0s 0s", KNOWN},
	{"limit_ratio by (a) (0.5, x)", "x 0s 0s", KNOWN},
	{"info(rate(x[5m]), {k8s_cluster=~\".+\"})", "x 5m 5m", KNOWN},
	{"info(x) + {\"y\"}", "x 0s 0s, y 0s 0s", KNOWN},
	{"mad_over_time(x[5m])", "x 5m 5m", KNOWN},
	{"double_exponential_smoothing(x[5m], 0.5, 0.5)", "x 5m 5m", KNOWN},
	{"first_over_time(x[5m])", "x 5m 5m", LATER},
	{"sort_by_label(x, \"a\")", "x 0s 0s", KNOWN},
	{"histogram_avg(rate(x[5m]))", "x 5m 5m", KNOWN},
	{"histogram_quantile(0.9, sum by (\"le\") (rate(x_bucket[300])))", "x_bucket 5m 5m", KNOWN},
	/* modifiers */
	{"rate(x[5m] anchored)", "x 5m 5m", LATER},
	{"increase(x[5m] smoothed offset 1m)", "x! 5m 6m", LATER},
	{"increase(x[5m] offset 1m smoothed) > y", "x! 5m 6m, y 0s 0s", LATER},
	{"anchored + smoothed", "anchored 0s 0s, smoothed 0s 0s", KNOWN},
	{"a + fill(0) b", "a 0s 0s, b 0s 0s", LATER},
	{"a + on (x) fill_left(0) fill_right(1) b", "a 0s 0s, b 0s 0s", LATER},
};

static void the_language_of_prometheus_3_is_followed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strcmp(told(cases[i].text), cases[i].told) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].text, told(cases[i].text), cases[i].told);
}

static bool promtool_reads(const char *text, const char *script)
{
	char command[200];
	FILE *f = fopen(script, "w");

	assert_non_null(f);
	fprintf(f,
	        "exec %s promql format --experimental --enable-feature=promql-experimental-functions \"$(cat "
	        "<<'END'\n%s\nEND\n)\" >/dev/null 2>&1\n",
	        PROMTOOL, text);
	fclose(f);
	snprintf(command, sizeof(command), "sh %s", script);
	return system(command) == 0;
}

static void promtool_agrees(void **state)
{
	char script[] = "/tmp/promql-XXXXXX";

	(void)state;
	if (access(PROMTOOL, X_OK) != 0)
		skip();
	int fd = mkstemp(script);
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (cases[i].knows == KNOWN &&
		    promtool_reads(cases[i].text, script) != (strcmp(cases[i].told, "no") != 0))
			fail_msg("%s: promtool does not agree", cases[i].text);
	unlink(script);
}

static void what_the_text_proves_is_seen_through_quotes(void **state)
{
	struct promql p = {0};

	(void)state;
	assert_int_equal(promql_scan("histogram_quantile(0.9, sum by (\"le\") (rate(x_bucket[300])))", &p), 0);
	assert_false(p.quantile_without_le);
	promql_free(&p);
	assert_int_equal(promql_scan("histogram_quantile(0.9, sum(rate({\"x_bucket\"}[300])))", &p), 0);
	assert_true(p.quantile_without_le);
	promql_free(&p);
	assert_int_equal(promql_scan("limitk(1, rate(x[60]))", &p), 0);
	assert_true(p.list[0].summed && p.list[0].rate);
	promql_free(&p);
}

static void durations_are_bounded(void **state)
{
	char deep[200];
	int64_t us = -1;

	(void)state;
	assert_int_equal(promql_duration(" 1h30m ", 7, &us), 0);
	assert_true(us == 5400 * US_PER_S);
	assert_int_equal(promql_duration("", 0, &us), 0);
	assert_true(us == 0);
	static const char *const wrong[] = {"5q",  "1e300", "nan",   "inf",    "5m 5m", "5m +",
	                                    "(5m", "5m)",   "5 / 0", "min(1)", "min",   "*5"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (promql_duration(wrong[i], strlen(wrong[i]), &us) == 0)
			fail_msg("%s is no duration", wrong[i]);
	memset(deep, '(', sizeof(deep));
	assert_int_equal(promql_duration(deep, sizeof(deep), &us), -EINVAL);
	memset(deep, '-', sizeof(deep));
	assert_int_equal(promql_duration(deep, sizeof(deep), &us), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_language_of_prometheus_3_is_followed),
		cmocka_unit_test(promtool_agrees),
		cmocka_unit_test(what_the_text_proves_is_seen_through_quotes),
		cmocka_unit_test(durations_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
