/* Which channel hears what, under which word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "handlers/settings/events.h"
#include "server/core/scope.h"

static void a_channel_hears_what_it_asked_for(void **state)
{
	static const struct {
		unsigned said;
		const char *asked, *heard; /* NULL: nothing */
	} rows[] = {
		{EVENT_STAGE, "stage", "stage"},
		{EVENT_STAGE, "rollout", "rollout"},
		{EVENT_STAGE, "plan", NULL},
		{EVENT_PLAN, "plan", "plan"},
		{EVENT_PLAN, "stage", NULL},
		{EVENT_ROLLOUT, "stage", "stage"},
		{EVENT_ROLLOUT | EVENT_PAGE, "page", "page"},
		{EVENT_INCIDENT | EVENT_PAGE, "all", "incident"},
		{EVENT_INCIDENT, "page", NULL},
		{EVENT_REPORT_DAILY, "report", "report"},
		{EVENT_REPORT_DAILY, "report.daily", "report.daily"},
		{EVENT_REPORT_DAILY, "report.weekly", NULL},
		{EVENT_REPORT_FINAL, "all", "report"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *heard = event_heard(rows[i].said, event_bits(rows[i].asked));

		if (rows[i].heard)
			assert_string_equal(heard, rows[i].heard);
		else
			assert_null(heard);
	}
}

static void words_are_those_of_the_config(void **state)
{
	(void)state;
	assert_int_equal(event_bits("pge"), 0);
	assert_int_equal(event_bits("rollout"), event_bits("stage") | event_bits("plan"));
	assert_int_equal(event_bits("all"), EVENT_ALL);
	assert_int_equal(event_of_report("weekly"), EVENT_REPORT_WEEKLY);
	assert_int_equal(event_of_report("yearly"), EVENT_REPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_hears_what_it_asked_for),
		cmocka_unit_test(words_are_those_of_the_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
