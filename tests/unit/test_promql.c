/* What the text of an expression tells. Syntax: docs/querying/basics.md and operators.md of Prometheus. */
#include "alertmanager/promql.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "server/core/buf.h"
#include "server/core/text.h"
#include "tests/unit/promql_told.h"

/* "question lag" of each age; or "no". */
static char *ages(const char *text, bool past)
{
	static char out[1000];
	struct promql_ages a = {0};
	struct buf b = BUF(900);

	if (promql_ages(text, past, &a) < 0)
		return strcpy(out, "no");
	for (size_t i = 0; i < a.n; i++) {
		char lag[32];

		text_duration(a.list[i].lag_us, lag, sizeof(lag));
		buf_printf(&b, "%s%s %s", i ? ", " : "", a.list[i].query, lag);
	}
	snprintf(out, sizeof(out), "%s", buf_text(&b));
	buf_free(&b);
	promql_ages_free(&a);
	return out;
}

static void how_old_what_it_stands_on_is(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"x", "min(timestamp(x)) 0s"},
		{"max by (job) (x{a=\"b\"})", "min(timestamp(x{a=\"b\"})) 0s"},
		{"x or y and x", "min(timestamp(x)) 0s, min(timestamp(y)) 0s"},
		/* the least of a minute may be from its beginning */
		{"min_over_time(x[1m])", "min(timestamp(x)) 1m"},
		{"quantile_over_time(0.1, x[2m])", "min(timestamp(x)) 2m"},
		{"max(min_over_time(x[3m:10s]))", "min(timestamp(x)) 3m"},
		{"min_over_time(avg_over_time(x[1m])[5m:])", "min(timestamp(x)) 6m"},
		{"x or min_over_time(x[1m])", "min(timestamp(x)) 1m"},
		/* nothing older makes these less */
		{"max_over_time(x[5m])", "min(timestamp(x)) 0s"},
		{"sum(rate(x[5m]))", "min(timestamp(x)) 0s"},
		/* but the newest step of a subquery is as old as its steps are far apart */
		{"max_over_time(x[5m:2m])", "min(timestamp(x)) 2m"},
		{"last_over_time(x[5m:])", "min(timestamp(x)) 1m"},
		/* also finds what has gone since */
		{"last_over_time(x[5m])", "min(timestamp(x)) and count(last_over_time(x[5m])) == count(x) 0s"},
		/* a rule's */
		{"job:x:max", "min(timestamp(job:x:max)) 1m"},
		{"{__name__=\"job:x:max\"}", "min(timestamp({__name__=\"job:x:max\"})) 1m"},
		{"vector(0)", "no"},
		{"x offset 1m", "no"},
		{"x or x offset 1m", "no"},
		{"x @ 1609746000", "no"},
		{"x @ end()", "min(timestamp(x)) 0s"},
		{"x[", "no"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(ages(cases[i].text, false), cases[i].want);
	assert_string_equal(ages("rate(x[1m]) / rate(x[1m] offset 1d)", true), "min(timestamp(x)) 0s");
	assert_string_equal(ages("x offset 1d", true), "no");
}

static void series_and_how_far_they_look_back(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"http_requests_total", "http_requests_total 0s 0s"},
		{"vector(1)", ""},
		{"rate(http_requests_total[5m])", "http_requests_total 5m 5m"},
		{"rate ( http_requests_total {job = \"a\"} [ 5m ] )", "http_requests_total 5m 5m"},
		{"http_requests_total{replica!=\"rep-a\",name=~\"}[1h]\"}", "http_requests_total 0s 0s"},
		{"{__name__=\"a:b\", job=~\".*\"}[1h30m]", "a:b 1h30m 1h30m"},
		{"{__name__=~\"job:.*\"}", " 0s 0s"},
		{"rate(x_total[5m] offset 1w)", "x_total! 5m 7d5m"},
		{"x_total offset 5m", "x_total! 0s 5m"},
		{"x_total offset -5m", "x_total 0s 0s"},
		{"sum(rate(x[5m] @ 1609746000)) + y @ end()", "x! 5m 5m, y 0s 0s"},
		/* the examples of docs/querying/examples.md: subqueries */
		{"rate(http_requests_total[5m])[30m:1m]", "http_requests_total 35m 35m"},
		{"max_over_time(deriv(rate(distance_covered_total[5s])[30s:5s])[10m:])",
	         "distance_covered_total 10m35s 10m35s"},
		{"min_over_time((deriv(m[5m]) * 60)[15m:1m]) and m offset 20m", "m 20m 20m, m! 0s 20m"},
		{"last_over_time(x[2d])", "x 0s 2d"},
		{"last_over_time(rate(x[5m])[1h:])", "x 5m 1h5m"},
		{"a and on(instance, job) b unless ignoring (c) group_left(d) e", "a 0s 0s, b 0s 0s, e 0s 0s"},
		{"sum by (le, job) (rate(x_bucket[1m]))", "x_bucket 1m 1m"},
		{"sum(rate(x[1m])) by (le)", "x 1m 1m"},
		{"count_values(\"version\", build_version)", "build_version 0s 0s"},
		{"x # y[5m]\n  > 0.5", "x 0s 0s"},
		{"label_replace(up{job=\"api\"}, \"foo\", \"$1[5m]\", `service\\`, '(.*):.*')", "up 0s 0s"},
		{"1e-6 * x > 50e6 + 0x1F - .5 + 1e+3", "x 0s 0s"},
		{"a == bool 1 or Inf > NaN", "a 0s 0s"},
		{"-a ^ 2 % 3 atan2 b", "a 0s 0s, b 0s 0s"},
		{"rate(x[5m", "no"},
		{"rate(x[5m]", "no"},
		{"a)", "no"},
		{"x[soon]", "no"},
		{"\"open", "no"},
		{"x{a=\"b\"", "no"},
		{"a;b", "no"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(told(cases[i].text), cases[i].want);
}

static void an_offset_counts_only_when_there_is_nothing_else(void **state)
{
	struct promql p = {0};

	(void)state;
	assert_int_equal(promql_scan("rate(x[5m]) > 2 * rate(x[1h] offset 1d)", &p), 0);
	assert_true(promql_span(&p) == INT64_C(300) * 1000000 && promql_back(&p) == INT64_C(90000) * 1000000);
	promql_free(&p);
	assert_int_equal(promql_scan("rate(x[1h] offset 1d) > 1", &p), 0);
	assert_true(promql_span(&p) == INT64_C(3600) * 1000000);
	promql_free(&p);
}

/* Every beginning, and every byte replaced: it ends, and the sanitizers have nothing to say. */
static void broken_text_does_no_harm(void **state)
{
	static const char whole[] =
		"histogram_quantile(0.95, sum by (le) (rate({__name__=\"a\"}[5m] offset -1h @ end()))) / "
		"last_over_time((x{l=~'\\'y'}[1h:])[2d:1m]) # z\n or `q` > bool 1e-6 unless on(a) group_left() b@0x1f";
	static const char bytes[] = "()[]{}\"'`\\#@,:/ \n\x80o";

	(void)state;
	for (size_t i = 0; i < sizeof(whole); i++)
		for (size_t j = 0; j < sizeof(bytes); j++) {
			struct promql p = {0};
			char *text = strdup(whole);

			text[i] = bytes[j]; /* the last one is NUL: a beginning */
			char *copy = strdup(i < sizeof(whole) - 1 ? text : whole);
			free(text);
			if (promql_scan(copy, &p) == 0)
				assert_true(promql_back(&p) >= promql_span(&p));
			promql_free(&p);
			free(copy);
		}
}

/* l: le is lost; e: a quantile of each; u: divides without a guard. */
static void mistakes_that_the_text_proves(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"histogram_quantile(0.95, rate(cst_latency_bucket[5m]))", "e"},
		{"histogram_quantile(0.95, sum(rate(cst_latency_bucket[5m])))", "l"},
		{"histogram_quantile(0.95, sum by (job) (rate(cst_latency_bucket[5m])))", "l"},
		{"histogram_quantile(0.95, sum by (le) (rate(cst_latency_bucket[5m]))) >= 0", ""},
		{"histogram_quantile(0.95, sum(rate(cst_latency_bucket[5m])) by (job, le))", ""},
		{"histogram_quantile(0.95, sum without (instance) (rate(cst_latency_bucket[5m])))", ""},
		{"histogram_quantile(0.95, job:latency_bucket)", ""},
		{"histogram_quantile(0.95, sum(rate(native_seconds[5m])))", ""},
		{"rate(e[5m]) / rate(r[5m]) > 0.01", "u"},
		{"(rate(e[5m]) / rate(r[5m])) > (rate(f[5m]) / rate(s[5m]) + 0.005)", "u"},
		{"sum(rate(e[5m])) / sum by (job) (rate(r[5m]))", "u"},
		{"sum(rate(e[5m])) / (sum(rate(r[5m])) > 0)", ""},
		{"sum(rate(e[5m])) / sum(rate(r[5m]) > 0)", ""},
		{"sum(rate(e[5m])) / 60", ""},
		{"a / b", ""},
		{"sum(e) / 2 * sum(rate(r[5m]))", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct promql p = {0};
		char got[4];

		assert_int_equal(promql_scan(cases[i].text, &p), 0);
		snprintf(got, sizeof(got), "%s%s%s", p.quantile_without_le ? "l" : "", p.quantile_each ? "e" : "",
		         p.unguarded ? "u" : "");
		assert_string_equal(got, cases[i].want);
		promql_free(&p);
	}
}

static void inside_of_what(void **state)
{
	struct promql p = {0};

	(void)state;
	assert_int_equal(promql_scan("rate(a[1m]) + sum by (x) (rate(b[1m])) + max(c)", &p), 0);
	assert_int_equal(p.n, 3);
	assert_true(p.list[0].rate && !p.list[0].summed);
	assert_true(p.list[1].rate && p.list[1].summed);
	assert_true(!p.list[2].rate && p.list[2].summed);
	promql_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_old_what_it_stands_on_is),
		cmocka_unit_test(series_and_how_far_they_look_back),
		cmocka_unit_test(an_offset_counts_only_when_there_is_nothing_else),
		cmocka_unit_test(broken_text_does_no_harm),
		cmocka_unit_test(mistakes_that_the_text_proves),
		cmocka_unit_test(inside_of_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
