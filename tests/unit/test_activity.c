/* Who is believed about whether alerts are over: all pairs of answers. And Alertmanager's list of alerts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "alertmanager/alerts_api.h"
#include "handlers/checks/activity.h"

#define EACH_PAIR(p, a)                                                                                                \
	for (enum activity p = 0; p < ACTIVITY_N; p++)                                                                 \
		for (enum activity a = 0; a < ACTIVITY_N; a++)

static void whoever_says_active_is_believed(void **state)
{
	(void)state;
	EACH_PAIR(p, a)
	assert_int_equal(activity_together(p, a) == ACTIVITY_ACTIVE, p == ACTIVITY_ACTIVE || a == ACTIVITY_ACTIVE);
}

static void alertmanager_alone_calls_nothing_over_while_prometheus_is_silent(void **state)
{
	(void)state;
	EACH_PAIR(p, a)
	if (activity_together(p, a) == ACTIVITY_OVER)
		assert_true(p == ACTIVITY_OVER || (p == ACTIVITY_NOBODY && a == ACTIVITY_OVER));
}

static void nobody_is_only_who_was_never_asked(void **state)
{
	(void)state;
	EACH_PAIR(p, a)
	assert_int_equal(activity_together(p, a) == ACTIVITY_NOBODY, p == ACTIVITY_NOBODY && a == ACTIVITY_NOBODY);
}

static void prometheus_saying_over_needs_no_alertmanager(void **state)
{
	(void)state;
	assert_int_equal(activity_together(ACTIVITY_OVER, ACTIVITY_UNKNOWN), ACTIVITY_OVER);
	assert_int_equal(activity_together(ACTIVITY_OVER, ACTIVITY_NOBODY), ACTIVITY_OVER);
}

static void url_is(const char *base, const char *labels, const char *want)
{
	CLEANUP(json_cleanup) struct json_object *tree = json_tokener_parse(labels);
	struct buf b = BUF(1000);

	assert_int_equal(alerts_api_url(&b, base, tree), 0);
	assert_string_equal(buf_text(&b), want);
	buf_free(&b);
}

static void the_filters_are_matchers_percent_encoded(void **state)
{
	(void)state;
	url_is("http://am:9093", "{}", "http://am:9093/api/v2/alerts");
	url_is("http://am:9093", "{\"alertname\": \"A\", \"path\": \"/x\xef\xbf\xbdy\"}",
	       "http://am:9093/api/v2/alerts?filter=alertname%3D%22A%22");
	url_is("http://am:9093/", "{\"alertname\": \"A b\"}",
	       "http://am:9093/api/v2/alerts?filter=alertname%3D%22A%20b%22");
	url_is("http://am/x", "{\"a\": \"1\", \"b\": \"\\\"\\\\\\n&\\u00e9\"}",
	       "http://am/x/api/v2/alerts?filter=a%3D%221%22&filter=b%3D%22%5C%22%5C%5C%5Cn%26%C3%A9%22");
	/* Only a newer Alertmanager can quote such a name. */
	url_is("http://am", "{\"with space\": \"1\", \"b\": \"2\"}", "http://am/api/v2/alerts?filter=b%3D%222%22");
}

static void a_url_that_does_not_fit_is_an_error(void **state)
{
	CLEANUP(json_cleanup) struct json_object *tree = json_tokener_parse("{\"alertname\": \"abcdefghijklmnop\"}");
	struct buf b = BUF(50);

	(void)state;
	assert_int_equal(alerts_api_url(&b, "http://am", tree), -ENOSPC);
	buf_free(&b);
}

static int counted(const char *body)
{
	return alerts_api_count(body, strlen(body));
}

static void only_an_array_is_a_list_of_alerts(void **state)
{
	(void)state;
	assert_int_equal(counted("[]"), 0);
	assert_int_equal(counted(" [{\"labels\":{}},{}]\n"), 2);
	assert_int_equal(counted(""), -EBADMSG);
	assert_int_equal(counted("{}"), -EBADMSG);
	assert_int_equal(counted("[{}"), -EBADMSG);
	assert_int_equal(counted("<html>"), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_says_active_is_believed),
		cmocka_unit_test(alertmanager_alone_calls_nothing_over_while_prometheus_is_silent),
		cmocka_unit_test(nobody_is_only_who_was_never_asked),
		cmocka_unit_test(prometheus_saying_over_needs_no_alertmanager),
		cmocka_unit_test(the_filters_are_matchers_percent_encoded),
		cmocka_unit_test(a_url_that_does_not_fit_is_an_error),
		cmocka_unit_test(only_an_array_is_a_list_of_alerts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
