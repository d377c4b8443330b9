/* The alert of a drill by itself: which labels it carries, so that it takes the way of a real trigger. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/settings_fixture.h"

#include "handlers/readiness/drill_alert.h"
#include "server/core/scope.h"

#define AUTO                 "{\"name\":\"auto\",\"match\":[\"action=auto_rollback\"],\"rollback\":{\"to\":0}}"
#define OWN                  "\"rollout=shop\""
#define BOOKS(alerts, books) "{\"rollouts\":[{\"name\":\"shop\",\"alerts\":[" alerts "]}],\"playbooks\":[" books "]}"
#define SHOP(alerts)         BOOKS(alerts, AUTO)
#define RULE(name, labels)   "{\"type\":\"alerting\",\"name\":\"" name "\",\"labels\":{" labels "}}"

/* The labels as JSON; rules: those of one group, NULL: Prometheus was not asked. */
static void labels_are(const char *config, const char *rules, const char *want)
{
	CLEANUP(settings_cleanup) struct settings *s = NULL;
	char why[300], text[2000];
	struct json_object *labels = NULL;

	if (settings_of(config, &s, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	snprintf(text, sizeof(text), "{\"groups\":[{\"rules\":[%s]}]}", rules ? rules : "");
	CLEANUP(json_cleanup) struct json_object *book = rules ? json_tokener_parse(text) : NULL;
	assert_true(!rules || book);
	assert_int_equal(drill_labels(s, &s->rollouts[0], book, &labels), 0);
	assert_string_equal(json_text(labels), want);
	json_object_put(labels);
}

static void without_rules_it_has_what_the_matchers_ask_for(void **state)
{
	(void)state;
	labels_are(SHOP(OWN), NULL,
	           "{\"action\":\"auto_rollback\",\"rollout\":\"shop\",\"alertname\":\"RollbackDrill\"}");
	labels_are(SHOP("\"service=shop\",\"tier=~a|b\",\"muted!=yes\""), NULL,
	           "{\"action\":\"auto_rollback\",\"rollout\":\"shop\",\"service\":\"shop\",\"tier\":\"a\","
	           "\"alertname\":\"RollbackDrill\"}");
	labels_are(BOOKS(OWN, "{\"name\":\"first\",\"match\":[\"action=auto_rollback\"],\"hold\":true},"
	                      "{\"name\":\"second\",\"match\":[\"severity=worst\"],\"rollback\":{\"to\":0}}"),
	           NULL, "{\"rollout\":\"shop\",\"severity\":\"worst\",\"alertname\":\"RollbackDrill\"}");
}

static void a_rule_that_rolls_it_back_lends_all_its_labels_but_templates(void **state)
{
	(void)state;
	labels_are(SHOP(OWN),
	           RULE("Other", "\"action\":\"auto_rollback\",\"rollout\":\"till\"") "," RULE(
			   "Errors", "\"action\":\"auto_rollback\",\"rollout\":\"shop\",\"team\":\"search\",\"at\":\"{{"
				     " $value }}\""),
	           "{\"action\":\"auto_rollback\",\"rollout\":\"shop\",\"team\":\"search\","
	           "\"alertname\":\"RollbackDrill\"}");
	/* the rollout comes from the series */
	labels_are(SHOP(OWN), RULE("Errors", "\"action\":\"auto_rollback\",\"team\":\"search\""),
	           "{\"action\":\"auto_rollback\",\"team\":\"search\",\"rollout\":\"shop\","
	           "\"alertname\":\"RollbackDrill\"}");
}

static void one_that_acts_at_once_is_better_and_one_that_holds_is_none(void **state)
{
	(void)state;
	labels_are(
		BOOKS(OWN, "{\"name\":\"later\",\"match\":[\"action=later\"],\"rollback\":{\"to\":0,\"after\":3600}},"
	                   "{\"name\":\"hold\",\"match\":[\"action=hold\"],\"hold\":true}," AUTO),
		RULE("Held", "\"action\":\"hold\",\"rollout\":\"shop\"") "," RULE(
			"Slow", "\"action\":\"later\",\"rollout\":\"shop\"") "," RULE("Errors",
	                                                                              "\"action\":\"auto_rollback\","
	                                                                              "\"rollout\":\"shop\",\"n\":"
	                                                                              "\"1\"") "," RULE("More",
	                                                                                                "\"action\":"
	                                                                                                "\"auto_"
	                                                                                                "rollback\","
	                                                                                                "\"rollout\":"
	                                                                                                "\"shop\","
	                                                                                                "\"n\":\"2\""),
		"{\"action\":\"auto_rollback\",\"rollout\":\"shop\",\"n\":\"1\",\"alertname\":\"RollbackDrill\"}");
}

static void it_has_the_rules_name_only_where_a_matcher_asks_for_it(void **state)
{
	(void)state;
	labels_are(SHOP("\"rollout=shop\",\"alertname=~Shop.*\""),
	           RULE("ShopErrors", "\"action\":\"auto_rollback\",\"rollout\":\"shop\""),
	           "{\"action\":\"auto_rollback\",\"rollout\":\"shop\",\"alertname\":\"ShopErrors\"}");
}

/* Nobody can make one that would be taken: it is sent all the same, does not come, and that is paged. */
static void where_nothing_fits_it_is_as_plain_as_can_be(void **state)
{
	(void)state;
	labels_are(SHOP("\"code=~[0-9]+\""), RULE("Errors", "\"drill\":\"x\",\"code\":\"1\""),
	           "{\"action\":\"auto_rollback\",\"rollout\":\"shop\",\"alertname\":\"RollbackDrill\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_it_has_what_the_matchers_ask_for),
		cmocka_unit_test(a_rule_that_rolls_it_back_lends_all_its_labels_but_templates),
		cmocka_unit_test(one_that_acts_at_once_is_better_and_one_that_holds_is_none),
		cmocka_unit_test(it_has_the_rules_name_only_where_a_matcher_asks_for_it),
		cmocka_unit_test(where_nothing_fits_it_is_as_plain_as_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
