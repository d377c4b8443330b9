/* Alertmanager's routes: its own test's expectations, what is not known, and amtool beside us. */
#include "alertmanager/route_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "server/config/yaml_any.h"
#include "server/core/clock.h"

#define AMTOOL "build/tools/usr/bin/amtool"

static struct route_tree *tree_of(const char *yaml)
{
	struct json_object *config = NULL;
	struct route_tree *t = NULL;
	char why[400] = "";

	if (config_yaml_any(yaml, strlen(yaml), &config, why, sizeof(why)) < 0 ||
	    route_tree_read(config, &t, why, sizeof(why)) < 0)
		print_error("%s\n", why);
	json_object_put(config);
	assert_non_null(t);
	return t;
}

/* "name=value,…" */
static size_t labels_of(char *text, struct text_pair *to)
{
	size_t n = 0;

	for (char *one = strtok(text, ","); one; one = strtok(NULL, ",")) {
		char *eq = strchr(one, '=');

		*eq = '\0';
		to[n++] = (struct text_pair) {one, eq + 1};
	}
	return n;
}

static bool is_open(void *arg, const char *label)
{
	return arg && strstr(arg, label);
}

/* The receivers in order: "a,b?" with ? behind one that is not sure. open: names of labels that nobody knows. */
static const char *walked(const struct route_tree *t, const char *labels, const char *open)
{
	static char out[2000];
	struct route_hit hits[ROUTE_HITS_MAX];
	struct text_pair pairs[20];
	char text[500];

	snprintf(text, sizeof(text), "%s", labels);
	size_t n = route_tree_walk(t, pairs, labels_of(text, pairs), is_open, (void *)open, hits);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s%s", i ? "," : "", hits[i].node->receiver,
		         hits[i].sure ? "" : "?");
	return out;
}

/* dispatch/route_test.go, TestRouteMatch, of Alertmanager 0.25. */
static const char of_alertmanager[] = "route:\n"
				      "  receiver: 'notify-def'\n"
				      "  routes:\n"
				      "  - match: {owner: 'team-A'}\n"
				      "    receiver: 'notify-A'\n"
				      "    routes:\n"
				      "    - match: {env: 'testing'}\n"
				      "      receiver: 'notify-testing'\n"
				      "      group_by: [...]\n"
				      "    - match: {env: \"production\"}\n"
				      "      receiver: 'notify-productionA'\n"
				      "      group_wait: 1m\n"
				      "      continue: true\n"
				      "    - match_re: {env: \"produ.*\"}\n"
				      "      receiver: 'notify-productionB'\n"
				      "      group_wait: 30s\n"
				      "      group_interval: 5m\n"
				      "      repeat_interval: 1h\n"
				      "      group_by: ['job']\n"
				      "  - match_re: {owner: 'team-(B|C)'}\n"
				      "    group_by: ['foo', 'bar']\n"
				      "    group_wait: 2m\n"
				      "    receiver: 'notify-BC'\n"
				      "  - match: {group_by: 'role'}\n"
				      "    group_by: ['role']\n"
				      "    routes:\n"
				      "    - match: {env: 'testing'}\n"
				      "      receiver: 'notify-testing'\n"
				      "      routes:\n"
				      "      - match: {wait: 'long'}\n"
				      "        group_wait: 2m\n";

static void alertmanagers_own_expectations(void **state)
{
	static const struct {
		const char *labels, *receivers;
	} cases[] = {
		{"owner=team-A", "notify-A"},
		{"owner=team-A,env=unset", "notify-A"},
		{"owner=team-C", "notify-BC"},
		{"owner=team-A,env=testing", "notify-testing"},
		{"owner=team-A,env=production", "notify-productionA,notify-productionB"},
		{"group_by=role", "notify-def"},
		{"env=testing,group_by=role", "notify-testing"},
		{"env=testing,group_by=role,wait=long", "notify-testing"},
		{"nothing=here", "notify-def"},
	};
	struct route_tree *t = tree_of(of_alertmanager);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(walked(t, cases[i].labels, NULL), cases[i].receivers);
	route_tree_free(t);
}

static void times_and_grouping_are_inherited(void **state)
{
	struct route_tree *t = tree_of(of_alertmanager);
	const struct route_node *a = &t->root.children[0], *role = &t->root.children[2];

	(void)state;
	/* DefaultRouteOpts of dispatch/route.go. */
	assert_true(t->root.group_wait_us == 30 * US_PER_S && t->root.group_interval_us == 300 * US_PER_S);
	assert_true(t->root.repeat_us == INT64_C(4) * 3600 * US_PER_S && !t->root.by_alertname);
	assert_true(a->children[0].by_alertname && !a->children[2].by_alertname);
	assert_true(a->children[1].group_wait_us == 60 * US_PER_S && a->children[1].goes_on && !a->children[2].goes_on);
	assert_true(a->children[2].repeat_us == 3600 * US_PER_S && a->group_wait_us == 30 * US_PER_S);
	assert_string_equal(role->receiver, "notify-def");
	assert_true(role->children[0].children[0].group_wait_us == 120 * US_PER_S);
	route_tree_free(t);
}

static void what_depends_on_an_unknown_label_is_not_sure(void **state)
{
	struct route_tree *t =
		tree_of("route:\n"
	                "  receiver: root\n"
	                "  routes:\n"
	                "  - {matchers: ['team=\"infra\"'], receiver: infra}\n"
	                "  - {matchers: ['action=\"auto_rollback\"'], receiver: rollbackd, continue: true}\n"
	                "  - {matchers: ['severity=~\"page|critical\"', action=auto_rollback], receiver: pager}\n"
	                "  - {matchers: ['team!=\"\"'], receiver: teams, continue: true}\n");

	(void)state;
	assert_string_equal(walked(t, "action=auto_rollback,severity=page", NULL), "rollbackd,pager");
	assert_string_equal(walked(t, "action=auto_rollback,severity=page", "team"), "infra?,rollbackd?,pager?");
	assert_string_equal(walked(t, "action=auto_rollback", "severity"), "rollbackd,pager?");
	assert_string_equal(walked(t, "action=hold", "severity"), "root");
	assert_string_equal(walked(t, "action=hold", "team"), "infra?,teams?,root?");
	assert_string_equal(walked(t, "team=infra", "severity"), "infra");
	route_tree_free(t);
}

/* What a newer Alertmanager may read and we do not: the other routes are known as before. */
static void a_matcher_that_cannot_be_read_makes_one_route_unknown(void **state)
{
	struct route_tree *t = tree_of("route:\n"
	                               "  receiver: root\n"
	                               "  routes:\n"
	                               "  - {matchers: ['a=\"1\"'], receiver: first}\n"
	                               "  - {matchers: ['a=\"2\"', '=b'], receiver: odd}\n"
	                               "  - {match_re: {x: '(?=b)'}, receiver: odder}\n"
	                               "  - {matchers: ['a=~\"2|3\"'], receiver: last}\n");
	struct text_pair label = {"a", "2"};
	struct route_hit hits[ROUTE_HITS_MAX];

	(void)state;
	assert_string_equal(walked(t, "a=1", NULL), "first");
	assert_string_equal(walked(t, "a=3", NULL), "odder?,last?");
	assert_int_equal(route_tree_walk(t, &label, 1, is_open, NULL, hits), 3);
	assert_string_equal(hits[0].node->receiver, "odd");
	assert_true(!hits[0].sure && !hits[0].doubt.label);
	assert_non_null(strstr(hits[0].doubt.odd, "\"=b\""));
	route_tree_free(t);
}

static void names_and_values_may_be_of_any_characters(void **state)
{
	struct route_tree *t = tree_of("route:\n"
	                               "  receiver: root\n"
	                               "  routes:\n"
	                               "  - {match: {foo.bar: \"a\\nb\\\"c\\\\d\"}, receiver: match}\n"
	                               "  - {match_re: {\"\\u00e4\": \"x.*\"}, receiver: re}\n"
	                               "  - {matchers: ['{\"foo.bar\"=\"b\", \u00e4!=\u6708}'], receiver: matchers}\n");

	(void)state;
	assert_string_equal(walked(t, "foo.bar=a\nb\"c\\d", NULL), "match");
	assert_string_equal(walked(t, "\u00e4=xy", NULL), "re");
	assert_string_equal(walked(t, "foo.bar=b", NULL), "matchers");
	assert_string_equal(walked(t, "foo.bar=b,\u00e4=\u6708", NULL), "root");
	route_tree_free(t);
}

static void what_is_no_tree_is_refused(void **state)
{
	static const char *const wrong[] = {"receivers: []\n", "route: {receiver: a, group_wait: soon}\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct json_object *config = NULL;
		struct route_tree *t = NULL;
		char why[400] = "";

		assert_int_equal(config_yaml_any(wrong[i], strlen(wrong[i]), &config, why, sizeof(why)), 0);
		assert_true(route_tree_read(config, &t, why, sizeof(why)) < 0 && why[0] && !t);
		json_object_put(config);
	}
}

static void somebody_elses_yaml(void **state)
{
	struct json_object *o = NULL;
	char why[300] = "", deep[400] = "a: ";

	(void)state;
	static const char some[] = "a: 0s\nb: [true, {c: }]\nd: |\n  x\n", endless[] = "a: &a [*a, *a]\n";

	assert_int_equal(config_yaml_any(some, strlen(some), &o, why, sizeof(why)), 0);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
	                    "{\"a\":\"0s\",\"b\":[\"true\",{\"c\":\"\"}],\"d\":\"x\\n\"}");
	json_object_put(o);
	/* An alias inside of what it stands for has no end: it is refused, or cut. */
	o = NULL;
	if (config_yaml_any(endless, strlen(endless), &o, why, sizeof(why)) == 0)
		json_object_put(o);
	else
		assert_true(why[0]);
	for (int i = 0; i < 300; i++)
		strcat(deep, "[");
	static const char *const wrong[] = {"", "- a\n", "text", "a: [", "a: 1\n---\nb: 2\n"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		o = NULL;
		assert_true(config_yaml_any(wrong[i], strlen(wrong[i]), &o, why, sizeof(why)) < 0 && why[0] && !o);
	}
	assert_true(config_yaml_any(deep, strlen(deep), &o, why, sizeof(why)) < 0);
}

/* --- amtool config routes test, on trees of chance --- */

static unsigned next(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % below;
}

static void add_route(FILE *f, unsigned *seed, int depth, int indent)
{
	static const char *const matchers[] = {"matchers: ['a=\"1\"']",
	                                       "matchers: ['a!=\"1\"']",
	                                       "match: {b: '2'}",
	                                       "match_re: {a: '1|2'}",
	                                       "matchers: ['b=~\"[12]\"', 'c!~\"x.*\"']",
	                                       "match: {c: ''}",
	                                       "match_re: {b: ''}",
	                                       "matchers: [c=xy]"};

	fprintf(f, "%*s- %s\n%*s  receiver: r%u\n", indent, "", matchers[next(seed, 8)], indent, "", next(seed, 5));
	if (next(seed, 3) == 0)
		fprintf(f, "%*s  continue: true\n", indent, "");
	if (depth && next(seed, 2)) {
		fprintf(f, "%*s  routes:\n", indent, "");
		for (unsigned n = 1 + next(seed, 3); n; n--)
			add_route(f, seed, depth - 1, indent + 4);
	}
}

static char *some_tree(unsigned *seed, const char *file)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	fputs("receivers: [{name: r0}, {name: r1}, {name: r2}, {name: r3}, {name: r4}]\nroute:\n  receiver: r0\n  "
	      "routes:\n",
	      f);
	for (unsigned n = 2 + next(seed, 4); n; n--)
		add_route(f, seed, 2, 2);
	fclose(f);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return text;
}

static void amtool_says(const char *file, const char *labels, char *out, size_t size)
{
	char command[600], words[200];

	snprintf(words, sizeof(words), "%s", labels);
	for (char *p = words; *p; p++)
		*p = *p == ',' ? ' ' : *p;
	snprintf(command, sizeof(command), AMTOOL " config routes test --config.file=%s %s 2>/dev/null", file, words);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	out[fread(out, 1, size - 1, f)] = '\0';
	pclose(f);
	out[strcspn(out, "\n")] = '\0';
}

static void amtool_agrees(void **state)
{
	static const char *const alerts[] = {"a=1", "a=2,b=2", "b=1,c=xy", "a=1,b=2,c=z"};
	char file[] = "/tmp/routes-XXXXXX", told[500];
	unsigned seed = 7;
	int fd;

	(void)state;
	if (access(AMTOOL, X_OK) != 0)
		skip();
	fd = mkstemp(file);
	assert_true(fd >= 0);
	close(fd);
	for (int i = 0; i < 25; i++) {
		char *text = some_tree(&seed, file);
		struct route_tree *t = tree_of(text);

		for (size_t j = 0; j < 4; j++) {
			amtool_says(file, alerts[j], told, sizeof(told));
			assert_string_equal(walked(t, alerts[j], NULL), told);
		}
		route_tree_free(t);
		free(text);
	}
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alertmanagers_own_expectations),
		cmocka_unit_test(times_and_grouping_are_inherited),
		cmocka_unit_test(what_depends_on_an_unknown_label_is_not_sure),
		cmocka_unit_test(a_matcher_that_cannot_be_read_makes_one_route_unknown),
		cmocka_unit_test(names_and_values_may_be_of_any_characters),
		cmocka_unit_test(what_is_no_tree_is_refused),
		cmocka_unit_test(somebody_elses_yaml),
		cmocka_unit_test(amtool_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
