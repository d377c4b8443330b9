/* Guards that a slip of the pen would void are faults; so is a query that is not closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "alertmanager/promql.h"
#include "server/config/load.h"

#define HEAD                                                                                                           \
	"global: {prometheus: {url: \"http://p:9090\"}}\n"                                                             \
	"rollouts:\n"                                                                                                  \
	"  - name: shop\n"                                                                                             \
	"    apply: [{command: [/bin/true]}]\n"                                                                        \
	"    verify: {checks: [{command: [/bin/true]}]}\n"
#define STAGES                                                                                                         \
	"    stages:\n"                                                                                                \
	"      - {number: 0, name: Test, percentage: 100, environment: staging}\n"                                     \
	"      - {number: 1, name: Canary, percentage: 10, approvals: [lead, sre]}\n"                                  \
	"      - {number: 2, name: Half, percentage: 50}\n"

static char dir[64], path[128];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/rollbackd-guards-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/rollbackd.yml", dir);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command); /* NOLINT: our own directory */
}

static void write_text(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The only fault is in that line and says so; NULL: there is none. */
static void fault_is(const char *text, size_t line, const char *where, const char *say)
{
	struct config_faults faults = {0};
	struct config *cfg = NULL;
	char begin[256];

	write_text(path, text);
	int r = config_load(path, CONFIG_OFFLINE, &cfg, &faults);
	if (!say) {
		if (r < 0)
			print_error("%s\n", faults.line[0]);
		assert_int_equal(r, 0);
	} else {
		snprintf(begin, sizeof(begin), "%s:%zu: %s", path, line, where);
		assert_int_equal(r, -EINVAL);
		assert_int_equal(faults.n, 1);
		if (strncmp(faults.line[0], begin, strlen(begin)) != 0 || !strstr(faults.line[0], say))
			print_error("%s\n", faults.line[0]);
		assert_memory_equal(faults.line[0], begin, strlen(begin));
		assert_non_null(strstr(faults.line[0], say));
	}
	config_faults_free(&faults);
	config_free(cfg);
}

#define PLAYBOOK(stage) "playbooks: [{name: a, match: [a=b], rollback: {to: 0}, restart_at: " stage "}]\n"

static void a_stage_to_start_again_from_must_exist(void **state)
{
	(void)state;
	fault_is(HEAD STAGES PLAYBOOK("0"), 0, NULL, NULL); /* also one of another environment */
	fault_is(HEAD STAGES PLAYBOOK("7"), 10, "playbooks[0].restart_at", "no rollout has a stage 7");
	fault_is(HEAD PLAYBOOK("0"), 6, "playbooks[0].restart_at", "no rollout has a stage 0");
}

#define USERS(roles_a, roles_b) "users:\n  - {name: ann, roles: [" roles_a "]}\n  - {name: bob, roles: [" roles_b "]}\n"

static void roles_are_those_that_are_known_or_asked_for(void **state)
{
	(void)state;
	fault_is(HEAD STAGES USERS("operator, lead", "sre, webhook, viewer"), 0, NULL, NULL);
	fault_is(HEAD STAGES USERS("operater, lead", "sre"), 11, "users[0].roles[0]", "no role \"operater\"");
	fault_is(HEAD STAGES USERS("lead, lad", "sre"), 11, "users[0].roles[1]", "no role \"lad\"");
	fault_is(HEAD USERS("lead", "viewer"), 0, NULL, NULL); /* nothing asks for any: it does no harm */
	fault_is(HEAD USERS("lead", "veiwer"), 8, "users[1].roles[0]", "did you mean viewer?");
}

static void every_approval_can_be_given_by_somebody_of_its_own(void **state)
{
	(void)state;
	fault_is(HEAD STAGES USERS("lead", "viewer"), 8, "rollouts[0].stages[1].approvals[1]",
	         "nobody in users has the role sre");
	fault_is(HEAD STAGES USERS("lead, sre", "viewer"), 8, "rollouts[0].stages[1].approvals[1]",
	         "nobody is left for sre");
	/* Whoever is asked first may have to leave it to somebody else. */
	fault_is(HEAD STAGES USERS("lead, sre", "lead"), 0, NULL, NULL);
	fault_is(HEAD STAGES USERS("lead", "lead, sre"), 0, NULL, NULL);
	fault_is(HEAD STAGES, 0, NULL, NULL); /* without users everybody is the peer of a socket */
}

static void stages_stand_in_order_and_never_lower_the_traffic(void **state)
{
	(void)state;
	fault_is(HEAD STAGES "      - {number: 3, name: Less, percentage: 25}\n", 10,
	         "rollouts[0].stages[3].percentage", "from the 50% of stage 2 to 25%");
	fault_is(HEAD STAGES "      - {number: 3, name: Same, percentage: 50}\n", 0, NULL, NULL);
	fault_is(HEAD "    stages:\n      - {number: 2, name: B, percentage: 50}\n      - {number: 1, name: A, "
	              "percentage: 60}\n",
	         8, "rollouts[0].stages[1].number", "stage 1 stands after stage 2");
}

/* Only P0 rolls back at once and begins the stage anew: "PO" would do neither, without a word. */
static void a_severity_is_one_of_those_that_mean_something(void **state)
{
#define SEVERE(of) HEAD "playbooks: [{name: a, match: [a=b], severity: " of ", rollback: {to: 0}}]\n"
	(void)state;
	fault_is(SEVERE("P0"), 0, NULL, NULL);
	fault_is(SEVERE("critical"), 0, NULL, NULL);
	fault_is(SEVERE("PO"), 6, "playbooks[0].severity", "P0");
	fault_is(SEVERE("P9"), 6, "playbooks[0].severity", "P0");
}

static void a_query_must_be_closed(void **state)
{
	static const char *const good[] = {"sum(rate(x{a=\"(\"}[5m]))", "x{a='\\''} # )", "(a[5m:1m] offset 1h)",
	                                   "x{a=`\\`}"};
	static const char *const bad[] = {"sum(rate(x[5m])", "x[5m))", "x{a=\"b}", "(x]", "x{a='b\\'}", "x[5m", "x)("};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(promql_is_closed(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(promql_is_closed(bad[i]));
	fault_is(HEAD "    snapshot: {queries: [{name: a, query: 'sum(x'}]}\n", 6,
	         "rollouts[0].snapshot.queries[0].query", "brackets and quotes are closed");
}

static void slips_in_yaml_are_named(void **state)
{
	(void)state;
	fault_is(HEAD "    title: CST: Pipeline\n", 6, "", "put the text between quotes");
	fault_is(HEAD "\ttitle: x\n", 6, "", "a tab stands where the line is indented");
	fault_is(HEAD "      title: x\n", 6, "", "indented");
}

/* Where the file's folder is there, the file has to be; another machine's cannot be told. */
static void a_secret_that_is_not_there_is_said(void **state)
{
	static const char channel[] = HEAD "channels: [{name: a, slack: {url_file: %s/url}, events: [all]}]\n";
	struct config_faults faults = {0};
	struct config *cfg = NULL;
	char text[1000];

	(void)state;
	snprintf(text, sizeof(text), channel, dir);
	write_text(path, text);
	assert_int_equal(config_load(path, CONFIG_OFFLINE, &cfg, &faults), 0); /* a rollback by hand wants no chat */
	config_free(cfg);
	assert_int_equal(config_load(path, CONFIG_CHECK, &cfg, &faults), -EINVAL);
	assert_non_null(strstr(faults.line[0], "/url cannot be read: No such file"));
	config_faults_free(&faults);
	snprintf(text, sizeof(text), channel, "/nowhere/at/all");
	write_text(path, text);
	assert_int_equal(config_load(path, CONFIG_CHECK, &cfg, &faults), 0);
	assert_int_equal(cfg->notes.n, 1);
	assert_non_null(strstr(cfg->notes.line[0], "rollbackd does not start without it"));
	config_free(cfg);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_stage_to_start_again_from_must_exist),
		T(roles_are_those_that_are_known_or_asked_for),
		T(every_approval_can_be_given_by_somebody_of_its_own),
		T(stages_stand_in_order_and_never_lower_the_traffic),
		T(a_severity_is_one_of_those_that_mean_something),
		T(a_query_must_be_closed),
		T(slips_in_yaml_are_named),
		T(a_secret_that_is_not_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
