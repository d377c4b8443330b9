/* Which alerts Alertmanager's inhibit_rules hide behind which others. */
#include "alertmanager/inhibition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "server/config/yaml_any.h"

static bool is_open(void *arg, const char *label)
{
	return arg && strstr(arg, label);
}

/* "name=value,…" */
static struct inhibition_side side_of(char *text, struct text_pair *pairs, const char *open)
{
	struct inhibition_side s = {.labels = pairs, .open = is_open, .arg = (void *)open};

	for (char *one = strtok(text, ","); one; one = strtok(NULL, ",")) {
		char *eq = strchr(one, '=');

		*eq = '\0';
		pairs[s.n++] = (struct text_pair) {one, eq + 1};
	}
	return s;
}

/* Of the first rule of that config: the label open of either side may have any value. */
static enum matchers_result hides(const char *yaml, const char *source, const char *target, const char *open)
{
	CLEANUP(json_cleanup) struct json_object *config = NULL;
	struct text_pair of_source[10], of_target[10];
	char a[300], b[300], why[400] = "";
	struct inhibitions all = {0};

	snprintf(a, sizeof(a), "%s", source);
	snprintf(b, sizeof(b), "%s", target);
	assert_int_equal(config_yaml_any(yaml, strlen(yaml), &config, why, sizeof(why)), 0);
	assert_int_equal(inhibitions_read(config, &all), 0);
	assert_int_equal(all.n, 1);
	const struct inhibition_side from = side_of(a, of_source, open), to = side_of(b, of_target, open);
	enum matchers_result say = inhibition_hides(&all.list[0], &from, &to);
	if (say != MATCHERS_NO)
		assert_int_not_equal(inhibition_is_about(&all.list[0], &to), MATCHERS_NO);
	inhibitions_free(&all);
	return say;
}

static void the_source_hides_the_target_with_equal_labels(void **state)
{
	static const struct {
		const char *equal, *source, *target, *open;
		enum matchers_result say;
	} cases[] = {
		{"[]", "severity=critical", "action=auto_rollback", NULL, MATCHERS_YES},
		{"[]", "severity=warning", "action=auto_rollback", NULL, MATCHERS_NO},
		{"[]", "severity=critical", "action=hold", NULL, MATCHERS_NO},
		{"[dc]", "severity=critical,dc=a", "action=auto_rollback,dc=a", NULL, MATCHERS_YES},
		{"[dc]", "severity=critical,dc=a", "action=auto_rollback,dc=b", NULL, MATCHERS_NO},
		{"[dc]", "severity=critical", "action=auto_rollback", NULL, MATCHERS_YES}, /* both have none */
		{"[dc]", "severity=critical,dc=a", "action=auto_rollback", NULL, MATCHERS_NO},
		{"[dc]", "severity=critical,dc=a", "action=auto_rollback", "dc", MATCHERS_MAYBE},
		{"[]", "a=b", "action=auto_rollback", "severity", MATCHERS_MAYBE},
		/* who matches both sides is not hidden by its like */
		{"[]", "severity=critical,action=auto_rollback", "severity=critical,action=auto_rollback", NULL,
	         MATCHERS_NO},
		{"[]", "severity=critical", "severity=critical,action=auto_rollback", NULL, MATCHERS_YES},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char yaml[500];

		snprintf(yaml, sizeof(yaml),
		         "inhibit_rules:\n- {source_matchers: ['severity=\"critical\"'], target_matchers: "
		         "['action=\"auto_rollback\"'], equal: %s}\n",
		         cases[i].equal);
		if (hides(yaml, cases[i].source, cases[i].target, cases[i].open) != cases[i].say)
			fail_msg("case %zu", i);
	}
}

static void the_older_form_is_read_too(void **state)
{
	static const char yaml[] =
		"inhibit_rules:\n- {source_match: {a: x}, source_match_re: {b: 'y|z'}, target_match: {c: "
		"'1'}, target_match_re: {d: '2.*'}}\n";

	(void)state;
	assert_int_equal(hides(yaml, "a=x,b=z", "c=1,d=22", NULL), MATCHERS_YES);
	assert_int_equal(hides(yaml, "a=x,b=w", "c=1,d=22", NULL), MATCHERS_NO);
	assert_int_equal(hides(yaml, "a=x,b=z", "c=1,d=1", NULL), MATCHERS_NO);
}

static void a_matcher_that_cannot_be_read_is_no_yes(void **state)
{
	static const char yaml[] =
		"inhibit_rules:\n- {source_matchers: ['=?', a=x], target_matchers: ['action=\"auto_rollback\"']}\n";

	(void)state;
	assert_int_equal(hides(yaml, "a=x", "action=auto_rollback", NULL), MATCHERS_MAYBE);
	assert_int_equal(hides(yaml, "a=y", "action=auto_rollback", NULL), MATCHERS_NO);
}

static void a_config_without_any_has_none(void **state)
{
	CLEANUP(json_cleanup) struct json_object *config = json_object_new_object();
	struct inhibitions all = {0};

	(void)state;
	assert_int_equal(inhibitions_read(config, &all), 0);
	assert_int_equal(all.n, 0);
	inhibitions_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_source_hides_the_target_with_equal_labels),
		cmocka_unit_test(the_older_form_is_read_too),
		cmocka_unit_test(a_matcher_that_cannot_be_read_is_no_yes),
		cmocka_unit_test(a_config_without_any_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
