/* What an alert's expression compares; and what Prometheus makes of its samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/alert_clock.h"
#include "alertmanager/promql_parts.h"

/* "value op bound" of each, ? behind one that is not needed; "no". */
static const char *told(const char *expression)
{
	static char out[1000], text[1000];
	struct promql_parts p;
	size_t len = 0;

	snprintf(text, sizeof(text), "%s", expression);
	promql_uncomment(text);
	if (promql_parts(text, &p) < 0)
		return "no";
	out[0] = '\0';
	for (size_t i = 0; i < p.n; i++)
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%.*s %s %.*s%s", i ? "; " : "",
		                        (int)p.list[i].value_len, p.list[i].value, p.list[i].op,
		                        (int)p.list[i].bound_len, p.list[i].bound, p.list[i].needed ? "" : "?");
	return out;
}

static void every_comparison_is_found(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"x > 1", "x > 1"},
		{"sum(rate(x[5m])) by (a) >= bool 0.5", "sum(rate(x[5m])) by (a) >= 0.5"},
		{"a == on (x) group_left (y) b", "a == b"},
		{"(a:b > 0.05)\n and c * 60 >= 5 # a > 7\n and d > 4.5\n unless on() (max(abs(s{x=\"a > b\"})) == 0)",
	         "a:b > 0.05; c * 60 >= 5; d > 4.5; max(abs(s{x=\"a > b\"})) == 0?"},
		{"a > 1 unless (b > 2 and c > 3)", "a > 1; b > 2?; c > 3?"},
		{"a > 1 unless b > 2 and c > 3", "a > 1; b > 2?; c > 3"},
		{"a > 1 or b < 2 and c != 3", "a > 1; b < 2; c != 3"},
		{"max(\n (deriv(m[90s]) * 60 > 50e6)\n and m > max_over_time(m[10m] offset 2m)\n and m offset 5m)",
	         "deriv(m[90s]) * 60 > 50e6; m > max_over_time(m[10m] offset 2m)"},
		{"max(min_over_time((deriv(m[5m]) * 60)[15m:1m]) and m offset 20m) > 10e6",
	         "max(min_over_time((deriv(m[5m]) * 60)[15m:1m]) and m offset 20m) > 10e6"},
		{"up", ""},
		{"absent(up{job=\"or > and\"})", ""},
		{"a{b=\"#\"} > 1 # or c > 2", "a{b=\"#\"} > 1"},
		{"order > 1 and android < 2", "order > 1; android < 2"},
		{"a >", "no"},
		{"(a > 1", "no"},
		{"a{b=\"c > 1", "no"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(told(rows[i].text), rows[i].want);
}

/* One evaluation a character: x: there, . : not. The answer: p pending, F began to fire, f fires, k kept, E ended. */
static const char *alert(const char *samples, int64_t for_us, int64_t keep_us)
{
	static char out[64];
	struct alert_clock c = {0};
	size_t i = 0;

	for (; samples[i]; i++) {
		enum alert_change ch = alert_clock_step(&c, 15 * (int64_t)(i + 1), samples[i] == 'x', for_us, keep_us);

		out[i] = ch == ALERT_BEGAN_TO_FIRE ? 'F'
		         : ch == ALERT_ENDED       ? 'E'
		         : c.kept_us               ? 'k'
		         : c.fired_us              ? 'f'
		         : c.active_us             ? 'p'
		                                   : '.';
	}
	out[i] = '\0';
	return out;
}

static void an_alert_is_pending_for_its_for_and_kept_for_its_keep(void **state)
{
	(void)state;
	assert_string_equal(alert("..xx..", 0, 0), "..FfE.");
	assert_string_equal(alert("xx.xxx.", 30, 0), "pp.ppFE");
	assert_string_equal(alert("xxx.", 31, 0), "ppp.");
	assert_string_equal(alert("x...x", 0, 30), "FkkEF");
	assert_string_equal(alert("x.x...", 0, 30), "FkfkkE");
	assert_string_equal(alert("x.x", 15, 60), "p.p"); /* only what fires is kept */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_comparison_is_found),
		cmocka_unit_test(an_alert_is_pending_for_its_for_and_kept_for_its_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
