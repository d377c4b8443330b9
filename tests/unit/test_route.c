/* What the config says of an alert, before anything on disk is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "handlers/incident/intake.h"
#include "tests/unit/settings_fixture.h"

#define DOUBTFUL "\"path=~\\\".*foo.*bar.*\\\"\"" /* runs into a limit on some values */

static const char tree_text[] =
	"{\"global\":{},\"sla\":{},\"limits\":{},\"channels\":[],\"heartbeat\":{\"match\":[\"alertname=Watchdog\"]},"
	"\"rollouts\":[{\"name\":\"shop\",\"alerts\":[\"rollout=shop\"],\"verify\":{\"checks\":[]}},"
	"{\"name\":\"till\",\"alerts\":[\"rollout=~\\\"shop|till\\\"\"],\"verify\":{\"checks\":[]}},"
	"{\"name\":\"path\",\"alerts\":[" DOUBTFUL ",\"shop!=yes\"],\"verify\":{\"checks\":[]}}],"
	"\"playbooks\":[{\"name\":\"corrupt\",\"match\":[\"action=auto_rollback\",\"scenario=corruption\"],"
	"\"rollback\":{\"to\":0}},"
	"{\"name\":\"lenient\",\"match\":[\"action=auto_rollback\"," DOUBTFUL ",\"kind=doubt\"],\"hold\":true},"
	"{\"name\":\"doubtful\",\"match\":[" DOUBTFUL ",\"kind=doubt\"],\"rollback\":{\"to\":5}},"
	"{\"name\":\"any\",\"match\":[\"action=auto_rollback\"],\"rollback\":{\"to\":\"previous_stage\"}}]}";

static struct settings *settings;

static int setup(void **state)
{
	char why[300];

	(void)state;
	return settings_of(tree_text, &settings, why, sizeof(why));
}

static int teardown(void **state)
{
	(void)state;
	settings_unref(settings);
	return 0;
}

/* The route of the one alert with these labels (JSON members). */
static struct route route_of(const char *labels)
{
	CLEANUP(alert_group_cleanup) struct alert_group *g = NULL;
	struct payload_fault fault;
	struct route r = {0};
	char body[20000];

	snprintf(body, sizeof(body),
	         "{\"alerts\":[{\"status\":\"firing\",\"labels\":{%s},\"startsAt\":\"2026-01-01T00:00:00Z\"}]}",
	         labels);
	assert_int_equal(alert_group_parse(body, strlen(body), &g, &fault), 0);
	assert_int_equal(route_alert(settings, &g->alerts[0], &r), 0);
	return r;
}

static void the_first_playbook_that_matches_wins(void **state)
{
	struct route r = route_of("\"action\":\"auto_rollback\",\"scenario\":\"corruption\",\"rollout\":\"till\"");

	(void)state;
	assert_string_equal(r.playbook->name, "corrupt");
	route_free(&r);
	r = route_of("\"action\":\"auto_rollback\",\"rollout\":\"till\"");
	assert_string_equal(r.playbook->name, "any");
	assert_true(r.playbook->previous_stage);
	route_free(&r);
}

static void an_alert_may_concern_several_rollouts(void **state)
{
	struct route r = route_of("\"action\":\"auto_rollback\",\"rollout\":\"shop\"");

	(void)state;
	assert_int_equal(r.n_rollouts, 2);
	assert_string_equal(r.rollouts[0]->name, "shop");
	assert_string_equal(r.rollouts[1]->name, "till");
	route_free(&r);
	r = route_of("\"action\":\"auto_rollback\",\"rollout\":\"till\"");
	assert_int_equal(r.n_rollouts, 1);
	route_free(&r);
}

static void a_trigger_without_a_rollout_says_so(void **state)
{
	struct route r = route_of("\"action\":\"auto_rollback\",\"rollout\":\"bank\"");

	(void)state;
	assert_non_null(r.playbook);
	assert_int_equal(r.n_rollouts, 0);
	assert_non_null(strstr(r.why, "no rollout claims it"));
	route_free(&r);
}

static void an_alert_that_is_no_trigger_meets_no_rollout(void **state)
{
	struct route r = route_of("\"rollout\":\"shop\"");

	(void)state;
	assert_null(r.playbook);
	assert_int_equal(r.n_rollouts, 0);
	route_free(&r);
}

static void the_heartbeat_is_no_trigger_whatever_else_it_says(void **state)
{
	struct route r = route_of("\"alertname\":\"Watchdog\",\"action\":\"auto_rollback\",\"rollout\":\"shop\"");

	(void)state;
	assert_true(r.heartbeat);
	assert_null(r.playbook);
	route_free(&r);
}

static void a_rejected_alert_is_matched_against_nothing(void **state)
{
	struct route r = route_of("\"action\":7");

	(void)state;
	assert_null(r.playbook);
	assert_false(r.heartbeat);
	assert_true(strlen(r.why) > 10);
	route_free(&r);
}

/* An expression of the config runs into its limit on this one. */
static const char *doubt(const char *more)
{
	static char labels[17000];
	int n = snprintf(labels, sizeof(labels), "%s,\"path\":\"foobar", more);

	for (int i = 0; i < 5000; i++)
		n += snprintf(labels + n, sizeof(labels) - (size_t)n, "foo");
	snprintf(labels + n, sizeof(labels) - (size_t)n, "\"");
	return labels;
}

static void in_doubt_a_sure_trigger_means_the_rollout_too(void **state)
{
	struct route r = route_of(doubt("\"action\":\"auto_rollback\""));

	(void)state;
	assert_string_equal(r.playbook->name, "any");
	assert_int_equal(r.n_rollouts, 1);
	assert_string_equal(r.rollouts[0]->name, "path");
	assert_non_null(strstr(r.why, "path=~"));
	route_free(&r);
}

/* "lenient" would only hold, and may be meant; "doubtful" lowers further than "any", and may be meant. */
static void in_doubt_the_playbook_that_lowers_most_is_meant(void **state)
{
	struct route r = route_of(
		doubt("\"action\":\"auto_rollback\",\"kind\":\"doubt\",\"rollout\":\"till\",\"shop\":\"yes\""));

	(void)state;
	assert_string_equal(r.playbook->name, "doubtful");
	assert_int_equal(r.n_rollouts, 1);
	assert_string_equal(r.rollouts[0]->name, "till");
	route_free(&r);
}

static void in_doubt_of_both_nothing_is_claimed_and_it_is_said(void **state)
{
	struct route r = route_of(doubt("\"kind\":\"doubt\""));

	(void)state;
	assert_non_null(r.playbook); /* so that somebody is paged */
	assert_int_equal(r.n_rollouts, 0);
	assert_non_null(strstr(r.why, "given up"));
	route_free(&r);
}

/* Grafana's alerts in a rule's place, with its labels: nobody saw the canary do anything. */
static void a_source_that_is_blind_holds_instead_of_rolling_back(void **state)
{
	static const char *const names[] = {"DatasourceError", "DatasourceNoData", "NoData"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char labels[200];

		snprintf(labels, sizeof(labels),
		         "\"alertname\":\"%s\",\"action\":\"auto_rollback\",\"rollout\":\"till\"", names[i]);
		struct route r = route_of(labels);
		assert_true(r.blind && r.playbook->hold);
		assert_int_equal(r.n_rollouts, 1);
		assert_non_null(strstr(r.why, names[i]));
		route_free(&r);
	}
	struct route r =
		route_of("\"alertname\":\"DatasourceErrors\",\"action\":\"auto_rollback\",\"rollout\":\"till\"");
	assert_true(!r.blind && !r.playbook->hold);
	route_free(&r);
	r = route_of("\"alertname\":\"DatasourceError\",\"rollout\":\"till\"");
	assert_true(!r.blind && !r.playbook);
	route_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_playbook_that_matches_wins),
		cmocka_unit_test(an_alert_may_concern_several_rollouts),
		cmocka_unit_test(a_trigger_without_a_rollout_says_so),
		cmocka_unit_test(an_alert_that_is_no_trigger_meets_no_rollout),
		cmocka_unit_test(the_heartbeat_is_no_trigger_whatever_else_it_says),
		cmocka_unit_test(a_rejected_alert_is_matched_against_nothing),
		cmocka_unit_test(in_doubt_a_sure_trigger_means_the_rollout_too),
		cmocka_unit_test(in_doubt_the_playbook_that_lowers_most_is_meant),
		cmocka_unit_test(in_doubt_of_both_nothing_is_claimed_and_it_is_said),
		cmocka_unit_test(a_source_that_is_blind_holds_instead_of_rolling_back),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
