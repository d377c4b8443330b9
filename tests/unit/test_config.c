#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "server/config/load.h"
#include "server/config/keys.h"
#include "server/core/buf.h"
#include "server/core/clock.h"

/* A config with no fault; what is added stands from line 5 on, with four blanks inside the rollout. */
#define SHOP                                                                                                           \
	"rollouts:\n"                                                                                                  \
	"  - name: shop\n"                                                                                             \
	"    apply: [{command: [/bin/true]}]\n"                                                                        \
	"    verify: {checks: [{command: [/bin/true]}]}\n"
#define SECOND     "  - name: shop\n    apply: [{command: [/bin/true]}]\n    verify: {checks: [{command: [/bin/true]}]}\n"
#define PROMETHEUS "global: {prometheus: {url: \"http://p:9090\"}}\n"

static char dir[64], path[128];
static struct config *cfg;
static struct config_faults faults;

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/rollbackd-config-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/rollbackd.yml", dir);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	config_free(cfg);
	cfg = NULL;
	config_faults_free(&faults);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command); /* NOLINT: our own directory */
}

static void write_bytes(const char *file, const char *text, size_t len)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int load(const char *text)
{
	config_free(cfg);
	cfg = NULL;
	config_faults_free(&faults);
	write_bytes(path, text, strlen(text));
	return config_load(path, CONFIG_OFFLINE, &cfg, &faults);
}

static void must_load(const char *text)
{
	int r = load(text);

	if (r != 0)
		print_error("%s\n", faults.n ? faults.line[0] : "no fault");
	assert_int_equal(r, 0);
	assert_int_equal(faults.n, 0);
}

/* Fault i stands at line and key path, and its sentence holds word. */
static void expect_fault(const char *text, size_t i, int line, const char *key, const char *word)
{
	char head[300];
	const char *is = i < faults.n ? faults.line[i] : "(none)";

	if (line)
		snprintf(head, sizeof(head), "%s:%d: %s%s", path, line, key, key[0] ? ": " : "");
	else
		snprintf(head, sizeof(head), "%s: %s%s", path, key, key[0] ? ": " : "");
	if (strncmp(is, head, strlen(head)) != 0 || !strstr(is + strlen(head), word))
		fail_msg("\n%sshould say\n  %s… %s\nsays\n  %s", text, head, word, is);
}

struct bad {
	const char *text;
	int line;
	const char *key, *word;
};

static void expect_bad(const struct bad *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(load(rows[i].text), -EINVAL);
		assert_null(cfg);
		expect_fault(rows[i].text, 0, rows[i].line, rows[i].key, rows[i].word);
		if (faults.n != 1)
			fail_msg("\n%sone fault makes %zu lines, the second: %s", rows[i].text, faults.n,
			         faults.line[1]);
	}
}

/* --- what is wrong --- */

static void what_is_no_yaml_is_refused_with_its_line(void **state)
{
	static const struct bad rows[] = {
		{"", 0, "", "empty"},
		{"# nothing\n", 0, "", "empty"},
		{"rollouts: [\n", 2, "", "not YAML"},
		{"global:\n\ttimezone: UTC\n", 2, "", "not YAML"},
		{"global: {timezone: UTC\nsla: {}\n", 2, "", "not YAML"},
		{"global: *missing\n", 1, "", "not YAML"},
		{"sla: {}\nlimits: {}\n\"a\\qb\": 1\n", 3, "", "not YAML"},
		{"sla: {}\nlimits: \001\n", 2, "", "not YAML"},
		{"sla: {}\nlimits: \xff\n", 2, "", "UTF-8"},
		{"sla: {}\nlimits: \xc0\xaf\n", 2, "", "UTF-8"},
		{"- a\n", 1, "", "section"},
		{"just words\n", 1, "", "section"},
		{SHOP "---\n" SHOP, 6, "", "second document"},
		{SHOP "---\n[\n", 7, "", "not YAML"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void unknown_keys_are_refused_with_the_nearest_and_all_known_ones(void **state)
{
	static const struct bad rows[] = {
		{SHOP "limit: {}\n", 5, "", "did you mean limits?"},
		{SHOP "slo: {}\n", 5, "", "did you mean sla?"},
		{SHOP "limits: {colldown: 1m}\n", 5, "limits", "did you mean cooldown?"},
		{SHOP "limits: {cooldwon: 1m}\n", 5, "limits", "did you mean cooldown?"},
		{SHOP "limits: {weather: 1m}\n", 5, "limits", "Known here: cooldown, rollbacks_per_day, quiet"},
		{SHOP "limits: {Quiet: 1m}\n", 5, "limits", "did you mean quiet?"},
		{SHOP "limits:\n  cooldown: 1m\n  x: 2\n", 7, "limits", "\"x\""},
		{SHOP "limits: {<<: {cooldown: 1m}}\n", 5, "limits", "\"<<\""},
		{SHOP "limits: {\"\": 1m}\n", 5, "limits", "\"\""},
		{SHOP "limits: {[a]: 1m}\n", 5, "limits", "must be a text"},
		{SHOP "limits: {\"cooldown\\0\": 1m}\n", 5, "limits", "must be a text"},
		{SHOP "limits: {\"a\\nb\\e[31m\": 1m}\n", 5, "limits", "\"a b [31m\""},
		{SHOP "    freezes: []\n", 5, "rollouts[0]", "did you mean freeze?"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void a_suggestion_is_made_only_for_a_key_that_is_like_it(void **state)
{
	(void)state;
	assert_int_equal(load(SHOP "limits: {weather: 1m}\n"), -EINVAL);
	assert_null(strstr(faults.line[0], "did you mean"));
	assert_int_equal(load(SHOP "qqq: 1m\n"), -EINVAL);
	assert_null(strstr(faults.line[0], "did you mean"));
}

static void keys_that_stand_twice_are_refused_with_both_lines(void **state)
{
	static const struct bad rows[] = {
		{SHOP "limits:\n  quiet: 1m\n  quiet: 2m\n", 7, "limits.quiet", "line 6"},
		{SHOP "limits: {}\nsla: {}\nlimits: {}\n", 7, "limits", "line 5"},
		{SHOP "rollouts: []\n", 5, "rollouts", "line 1"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void wrong_values_are_refused_with_what_would_be_right(void **state)
{
	static const struct bad rows[] = {
		/* durations */
		{SHOP "limits: {quiet: 5}\n", 5, "limits.quiet", "\"5\" is not a duration like 30s"},
		{SHOP "limits: {quiet: 5 minutes}\n", 5, "limits.quiet", "duration"},
		{SHOP "limits: {quiet: -5m}\n", 5, "limits.quiet", "duration"},
		{SHOP "limits: {quiet: 200y}\n", 5, "limits.quiet", "duration"},
		{SHOP "limits: {quiet: }\n", 5, "limits.quiet", "duration"},
		{SHOP "limits: {quiet: [5m]}\n", 5, "limits.quiet", "duration"},
		{SHOP "sla: {total: 0s}\n", 5, "sla.total", "too short: at least 10ms"},
		{SHOP "global: {retention: 23h}\n", 5, "global.retention", "too short: at least 1d"},
		/* numbers */
		{SHOP "limits: {rollbacks_per_day: three}\n", 5, "limits.rollbacks_per_day", "from 0 to 1000"},
		{SHOP "limits: {rollbacks_per_day: -1}\n", 5, "limits.rollbacks_per_day", "from 0 to 1000"},
		{SHOP "limits: {rollbacks_per_day: 1001}\n", 5, "limits.rollbacks_per_day", "from 0 to 1000"},
		{SHOP "limits: {rollbacks_per_day: 1.5}\n", 5, "limits.rollbacks_per_day", "whole number"},
		{SHOP "limits: {rollbacks_per_day: 010}\n", 5, "limits.rollbacks_per_day", "whole number"},
		{SHOP "limits: {rollbacks_per_day: 99999999999999999999}\n", 5, "limits.rollbacks_per_day", "whole"},
		/* percentages and targets */
		{SHOP "    stages: [{number: 1, name: A, percentage: 10%}]\n", 5, "rollouts[0].stages[0].percentage",
	         "without a % sign"},
		{SHOP "    stages: [{number: 1, name: A, percentage: 100.01}]\n", 5, "rollouts[0].stages[0].percentage",
	         "0 to 100"},
		{SHOP "    stages: [{number: 1, name: A, percentage: 0.125}]\n", 5, "rollouts[0].stages[0].percentage",
	         "two decimals"},
		{SHOP "    stages: [{number: 1, name: A, percentage: -1}]\n", 5, "rollouts[0].stages[0].percentage",
	         "0 to 100"},
		{SHOP "playbooks: [{name: a, match: [a=b], rollback: {to: previous}}]\n", 5, "playbooks[0].rollback.to",
	         "previous_stage"},
		{SHOP "playbooks: [{name: a, match: [a=b], rollback: {to: 101}}]\n", 5, "playbooks[0].rollback.to",
	         "from 0 to 100"},
		/* addresses */
		{SHOP "global: {external_url: example.com}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"ftp://example.com\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http://\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http:///path\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http://a b\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http://a|<b>\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {prometheus: {url: \"\"}}\n", 5, "global.prometheus.url", "a URL like"},
		{SHOP "global: {prometheus: {url: \"http://p:9090/?a=b\"}}\n", 5, "global.prometheus.url", "without ?"},
		{SHOP "global: {external_url: \"http://p/#top\"}\n", 5, "global.external_url", "without ? and #"},
		{SHOP "global: {external_url: \"http://p:x\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http://p:\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http://p:0\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http://p:65536\"}\n", 5, "global.external_url", "a URL like"},
		{SHOP "global: {external_url: \"http://u:p@\"}\n", 5, "global.external_url", "a user name or password"},
		{SHOP "    dashboard_url: \"http://d/${percentage}\"\n", 5, "rollouts[0].dashboard_url", "a URL like"},
		/* nothing, in each way that YAML has */
		{SHOP "    title: null\n", 5, "rollouts[0].title", "a text of one line"},
		{SHOP "    title: ~\n", 5, "rollouts[0].title", "a text of one line"},
		{SHOP "users: [{name: a, roles: null}]\n", 5, "users[0].roles", "a list of names"},
		{SHOP "users: [{name: a, roles: [viewer, ~]}]\n", 5, "users[0].roles[1]", "must be a text"},
		{SHOP "users:\n- name: a\n  roles:\n  -\n", 8, "users[0].roles[0]", "must be a text"},
		/* what stands in one line of a message */
		{SHOP "    title: \"a\\nb\"\n", 5, "rollouts[0].title", "of one line"},
		{SHOP "    title: \"a\\e[31m\"\n", 5, "rollouts[0].title", "of one line"},
		{SHOP "    stages: [{number: 1, name: \"a\\tb\", percentage: 1}]\n", 5, "rollouts[0].stages[0].name",
	         "of one line"},
		{SHOP "    flags: {file: \"/etc/a\\nb\", percentage: P}\n", 5, "rollouts[0].flags.file", "absolute"},
		/* words */
		{SHOP "users: [{name: a b, roles: [viewer]}]\n", 5, "users[0].name", "a name of letters"},
		{SHOP "users: [{name: a, roles: [a b]}]\n", 5, "users[0].roles[0]", "a name of letters"},
		{SHOP "users: [{name: a, roles: viewer}]\n", 5, "users[0].roles", "a list of names"},
		{SHOP "users: [{name: a, roles: []}]\n", 5, "users[0].roles", "a list of names"},
		{SHOP "global: {timezone: Middle/Earth}\n", 5, "global.timezone", "Europe/Berlin"},
		{SHOP "global: {timezone: Europe}\n", 5, "global.timezone", "Europe/Berlin"},
		{SHOP "global: {timezone: leapseconds}\n", 5, "global.timezone", "Europe/Berlin"},
		{SHOP "global: {timezone: ../../etc/passwd}\n", 5, "global.timezone", "Europe/Berlin"},
		{SHOP "global: {environment: \"\"}\n", 5, "global.environment", "not empty"},
		{SHOP "    title: [a]\n", 5, "rollouts[0].title", "a text"},
		{SHOP "    title: \"a\\0b\"\n", 5, "rollouts[0].title", "a text"},
		{SHOP "channels: [{name: a, slack: {url: \"http://c\"}, events: [pge]}]\n", 5, "channels[0].events[0]",
	         "incident page stage plan rollout report report.daily report.weekly report.final all"},
		{SHOP "channels: [{name: a, slack: {url: \"http://c\"}, events: [incident page]}]\n", 5,
	         "channels[0].events[0]", "none of"},
		{SHOP "channels: [{name: a, slack: {url: \"http://c\"}, events: page}]\n", 5, "channels[0].events",
	         "some of: incident page"},
		{SHOP "playbooks: [{name: a, match: [a=b], hold: yes}]\n", 5, "playbooks[0].hold", "true or false"},
		/* sections and lists */
		{SHOP "limits: 5\n", 5, "limits", "a section"},
		{SHOP "limits: []\n", 5, "limits", "a section"},
		{SHOP "users: {name: a}\n", 5, "users", "a list of sections"},
		{SHOP "users: [a]\n", 5, "users[0]", "a section"},
		{SHOP "users:\n  - name: a\n    roles: [viewer]\n  - 7\n", 8, "users[1]", "a section"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void commands_begin_with_an_absolute_path(void **state)
{
	static const struct bad rows[] = {
		{"rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	         "      - command: [systemctl, reload]\n",
	         5, "rollouts[0].apply[0].command[0]", "/usr/bin/systemctl"},
		{"rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	         "      - command: /bin/true\n",
	         5, "rollouts[0].apply[0].command", "a list: a program"},
		{"rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	         "      - command: []\n",
	         5, "rollouts[0].apply[0].command", "a list: a program"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n      checks:\n"
	         "        - {command: [bin/ask]}\n",
	         6, "rollouts[0].verify.checks[0].command[0]", "/usr/bin/ask"},
		{"rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	         "      - command: [/bin/a, [b]]\n",
	         5, "rollouts[0].apply[0].command[1]", "must be a text"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void matchers_are_checked_as_alertmanager_would(void **state)
{
	static const struct bad rows[] = {
		{SHOP "    alerts: ['a=~\"(\"']\n", 5, "rollouts[0].alerts[0]", "("},
		{SHOP "    alerts: ['a=b', 'no matcher']\n", 5, "rollouts[0].alerts[1]", "no matcher"},
		{SHOP "    alerts: []\n", 5, "rollouts[0].alerts", "a list of matchers"},
		{SHOP "    alerts: 'a=b'\n", 5, "rollouts[0].alerts", "a list of matchers"},
		{SHOP "heartbeat: {match: ['{}']}\n", 5, "heartbeat.match[0]", "every alert"},
		{SHOP "playbooks:\n- {name: a, hold: true, match: ['a=~\"(?=x)\"']}\n", 6, "playbooks[0].match[0]",
	         "(?="},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void what_must_be_there_is_named_when_it_is_missing(void **state)
{
	static const struct bad rows[] = {
		{"sla: {}\n", 1, "", "rollouts is missing"},
		{"sla: {}\nrollouts: []\n", 2, "", "rollouts is empty"},
		{"sla: {}\nrollouts:\n", 2, "", "rollouts is empty"},
		{"rollouts:\n  - apply: [{command: [/bin/true]}]\n    verify: {checks: [{command: [/bin/true]}]}\n", 2,
	         "rollouts[0]", "name is missing"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n", 2, "rollouts[0]",
	         "verify is missing"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify: {}\n", 4,
	         "rollouts[0].verify", "checks is missing"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n      checks: []\n", 5,
	         "rollouts[0].verify", "could never be said"},
		{"rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n", 2, "rollouts[0]",
	         "neither flags nor apply"},
		{SHOP "    flags: {file: /f}\n", 5, "rollouts[0].flags", "percentage is missing"},
		{SHOP "    flags: {percentage: P}\n", 5, "rollouts[0].flags", "file is missing"},
		{PROMETHEUS "rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n"
	                    "    verify: {checks: [{command: [/bin/true]}]}\n    snapshot:\n      queries:\n",
	         7, "rollouts[0].snapshot", "queries is empty"},
		{SHOP "    stages:\n      - {name: A, percentage: 1}\n", 6, "rollouts[0].stages[0]",
	         "number is missing"},
		{SHOP "    stages:\n      - {number: 1, percentage: 1}\n", 6, "rollouts[0].stages[0]",
	         "name is missing"},
		{SHOP "    stages:\n      - {number: 1, name: A}\n", 6, "rollouts[0].stages[0]",
	         "percentage is missing"},
		{SHOP "heartbeat: {}\n", 5, "heartbeat", "match is missing"},
		{SHOP "playbooks: [{name: a, hold: true}]\n", 5, "playbooks[0]", "match is missing"},
		{SHOP "playbooks: [{name: a, match: [a=b], rollback: {}}]\n", 5, "playbooks[0].rollback",
	         "to is missing"},
		{SHOP "channels: [{name: a, slack: {url: \"http://c\"}}]\n", 5, "channels[0]", "events is missing"},
		{SHOP "users: [{name: a}]\n", 5, "users[0]", "roles is missing"},
		{SHOP "global: {prometheus: }\n", 5, "global.prometheus", "url is missing"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

/* What a comparison asks; the shop has no Prometheus unless the text brings one. */
#define COMPARE(metric) PROMETHEUS SHOP "    compare:\n      metrics:\n        - {name: m, " metric "}\n"
#define VALUE           "value: {candidate: a, baseline: b}"

static void what_cannot_be_compared_is_refused(void **state)
{
	static const struct bad rows[] = {
		{SHOP "    compare: {metrics: [{name: m, " VALUE "}]}\n", 5, "rollouts[0].compare",
	         "global.prometheus.url"},
		{PROMETHEUS SHOP "    compare: {share: a}\n", 6, "rollouts[0].compare", "metrics is missing"},
		{COMPARE("unit: bytes"), 8, "rollouts[0].compare.metrics[0]", "errors histogram value"},
		{COMPARE(VALUE ", histogram: {candidate: a, baseline: b}"), 8, "rollouts[0].compare.metrics[0]",
	         "errors histogram value"},
		{COMPARE("value: {candidate: a}"), 8, "rollouts[0].compare.metrics[0].value", "baseline is missing"},
		{COMPARE("value: {candidate: a, baseline: b, worse: up}"), 8,
	         "rollouts[0].compare.metrics[0].value.worse", "higher lower"},
		{COMPARE("histogram: {candidate: a, baseline: b, quantiles: [1.5]}"), 8,
	         "rollouts[0].compare.metrics[0].histogram.quantiles[0]", "0.95"},
		{COMPARE("errors: {candidate: {events: a, bad: b}, baseline: {events: a}}"), 8,
	         "rollouts[0].compare.metrics[0].errors.baseline", "bad is missing"},
		{COMPARE(VALUE "}\n        - {name: m, " VALUE), 9, "rollouts[0].compare.metrics[1].name",
	         "is taken by"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
	must_load(COMPARE(VALUE));
}

static void what_excludes_each_other_cannot_stand_together(void **state)
{
	static const struct bad rows[] = {
		{SHOP "playbooks:\n- {name: a, match: [a=b], hold: true, rollback: {to: 0}}\n", 6, "playbooks[0]",
	         "exactly one of these must be here: rollback hold"},
		{SHOP "playbooks:\n- {name: a, match: [a=b]}\n", 6, "playbooks[0]", "rollback hold"},
		{SHOP "playbooks:\n- {name: a, match: [a=b],\n   hold: false}\n", 7, "playbooks[0].hold",
	         "hold: true, or rollback"},
		{SHOP
	         "channels:\n- {name: a, events: [all], slack: {url: \"http://c\"}, webhook: {url: \"http://c\"}}\n",
	         6, "channels[0]", "slack webhook"},
		{SHOP "channels:\n- {name: a, events: [all]}\n", 6, "channels[0]", "slack webhook"},
		{SHOP "channels:\n- name: a\n  events: [all]\n  slack: {url: \"http://c\", url_file: /f}\n", 8,
	         "channels[0].slack", "url url_file"},
		{SHOP "channels:\n- name: a\n  events: [all]\n  slack: {}\n", 8, "channels[0].slack", "url url_file"},
		{SHOP "channels:\n- name: a\n  events: [all]\n  webhook: {url_file: /f, secret: s, secret_file: /s}\n",
	         8, "channels[0].webhook", "secret secret_file"},
		{"rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	         "      - {command: [/bin/true], http: {url: \"http://a\"}}\n",
	         5, "rollouts[0].apply[0]", "command http"},
		{"rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	         "      - {timeout: 1s}\n",
	         5, "rollouts[0].apply[0]", "command http"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n      checks:\n"
	         "        - {command: [/bin/true], http: {url: \"http://a\"}}\n",
	         6, "rollouts[0].verify.checks[0]", "prometheus command http"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n      checks:\n"
	         "        - command: [/bin/true]\n          instances: x\n",
	         7, "rollouts[0].verify.checks[0]", "only beside prometheus"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void names_and_numbers_are_taken_once(void **state)
{
	static const struct bad rows[] = {
		{SHOP SECOND, 5, "rollouts[1].name", "rollouts[0] in line 2"},
		{SHOP "    stages:\n      - {number: 1, name: A, percentage: 1}\n"
	              "      - {number: 1, name: B, percentage: 2}\n",
	         7, "rollouts[0].stages[1].number", "stages[0] in line 6"},
		{SHOP "playbooks:\n- {name: a, match: [a=b], hold: true}\n- match: [a=b]\n  hold: true\n  name: a\n", 9,
	         "playbooks[1].name", "line 6"},
		{SHOP "channels:\n- {name: a, slack: {url: \"http://c\"}, events: [all]}\n"
	              "- {name: a, slack: {url: \"http://d\"}, events: [all]}\n",
	         7, "channels[1].name", "line 6"},
		{SHOP "users:\n- {name: a, roles: [viewer]}\n- {name: a, roles: [operator]}\n", 7, "users[1].name",
	         "line 6"},
		{SHOP "    flags: {file: /f, percentage: P, values: [{name: A},\n      {name: A}]}\n", 6,
	         "rollouts[0].flags.values[1].name", "\"A\""},
		{SHOP "    flags: {file: /f, percentage: P, values: [{name: P}]}\n", 5,
	         "rollouts[0].flags.values[0].name", "carries the percentage"},
		{PROMETHEUS SHOP "    snapshot: {queries: [{name: a, query: x},\n     {name: a, query: y}]}\n", 7,
	         "rollouts[0].snapshot.queries[1].name", "\"a\""},
		{SHOP "    flags: {file: /f, percentage: P}\n"
	              "  - name: other\n    verify: {checks: [{command: [/bin/true]}]}\n    flags:\n"
	              "      file: /f\n      percentage: P\n",
	         10, "rollouts[1].flags.percentage", "rollouts[0] writes P"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void what_could_never_work_is_refused(void **state)
{
	static const struct bad rows[] = {
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	         "      checks: [{command: [/bin/true]}]\n      timeout: 5s\n",
	         6, "rollouts[0].verify.timeout", "2 rounds take 10s"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	         "      checks: [{command: [/bin/true]}]\n      passes: 100\n",
	         5, "rollouts[0].verify.timeout", "8m20s"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	         "      checks: [{command: [/bin/true]}]\n      every: 0s\n",
	         6, "rollouts[0].verify.every", "too short"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	         "      checks: [{prometheus: up}]\n",
	         5, "rollouts[0].verify.checks[0]", "global.prometheus.url"},
		{SHOP "    snapshot: {queries: [{name: a, query: x}]}\n", 5, "rollouts[0].snapshot",
	         "global.prometheus.url"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	         "      checks: [{http: {url: \"http://a\", value: percentage}}]\n",
	         5, "rollouts[0].verify.checks[0].http.value", "a JSON pointer like"},
		{"rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	         "      checks: [{http: {url: \"http://a\", value: /a~2}}]\n",
	         5, "rollouts[0].verify.checks[0].http.value", "a JSON pointer like"},
		{SHOP "    flags: {file: flags.env, percentage: P}\n", 5, "rollouts[0].flags.file", "absolute"},
		{SHOP "    flags: {file: /f, percentage: ROLL-OUT}\n", 5, "rollouts[0].flags.percentage", "variable"},
		{SHOP "    flags: {file: /f, percentage: 2ND}\n", 5, "rollouts[0].flags.percentage", "variable"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void a_program_that_jq_cannot_compile_is_refused(void **state)
{
	static const struct bad rows[] = {
		{SHOP "channels:\n- name: a\n  slack: {url: \"http://c\"}\n  events: [all]\n  program: 'nonsense('\n",
	         9, "channels[0].program", "jq cannot compile it: syntax error"},
		{SHOP "channels:\n- name: a\n  slack: {url: \"http://c\"}\n  events: [all]\n  program: nonsense\n", 9,
	         "channels[0].program", "nonsense/0 is not defined"},
		{SHOP "channels: [{name: a, slack: {url: \"http://c\"}, events: [all], program: \"\"}]\n", 5,
	         "channels[0].program", "not empty"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
	must_load(SHOP "channels: [{name: a, slack: {url: \"http://c\"}, events: [all], program: '{text}'}]\n");
}

#define STAGE     SHOP "    stages:\n    - {number: 1, name: A, percentage: 1, "
#define CRITERION STAGE "criteria: [{name: errors, query: up, "

static void a_plan_that_could_never_work_is_refused(void **state)
{
	static const struct bad rows[] = {
		{STAGE "checklist: x}\n", 6, "rollouts[0].stages[0].checklist", "there is no checklist \"x\""},
		{CRITERION "max: 1}]}\n", 6, "rollouts[0].stages[0].criteria", "set global.prometheus.url"},
		{PROMETHEUS CRITERION "max: 1, min: 0}]}\n", 7, "rollouts[0].stages[0].criteria[0]", "max"},
		{PROMETHEUS CRITERION "max: lots}]}\n", 7, "rollouts[0].stages[0].criteria[0].max", "a number"},
		{PROMETHEUS CRITERION "max: .inf}]}\n", 7, "rollouts[0].stages[0].criteria[0].max", "a number"},
		{PROMETHEUS CRITERION "max: 1, min_samples: 5}]}\n", 7, "rollouts[0].stages[0].criteria[0].min_samples",
	         "samples"},
		{STAGE "set: [{name: X, value: true}]}\n", 6, "rollouts[0].stages[0].set[0].name", "flags.values"},
		{SHOP "    milestones: [{after_stage: 7, in: 1d, text: Party}]\n", 5,
	         "rollouts[0].milestones[0].after_stage", "there is no stage 7"},
		{SHOP "    freeze: [{cron: \"60 * * * *\", duration: 1h, reason: x}]\n", 5,
	         "rollouts[0].freeze[0].cron", "five fields"},
		{SHOP "    freeze: [{cron: \"@reboot\", duration: 1h, reason: x}]\n", 5, "rollouts[0].freeze[0].cron",
	         "five fields"},
		{SHOP "    freeze: [{cron: \"0 0 31 FEB *\", duration: 1h, reason: x}]\n", 5,
	         "rollouts[0].freeze[0].cron", "never comes"},
		{SHOP "    watch: {share: up}\n", 5, "rollouts[0].watch", "global.prometheus.url"},
		{SHOP "reports: [{name: hourly, cron: \"0 * * * *\"}]\nchannels: [{name: a, slack: {url: "
	              "\"http://h/x\"}, events: [all]}]\n",
	         5, "reports[0].name", "daily"},
		{SHOP "reports: [{name: daily, cron: \"0 9 * * *\"}]\n", 5, "reports[0]", "no channel hears it"},
		{SHOP "reports: [{name: daily, cron: \"0 9 * * *\"}]\nchannels: [{name: a, slack: {url: "
	              "\"http://h/x\"}, events: [page]}]\n",
	         5, "reports[0]", "no channel hears it"},
	};

	(void)state;
	expect_bad(rows, ARRAY_LEN(rows));
}

static void all_faults_are_said_at_once_in_the_order_of_the_file(void **state)
{
	static const char text[] = "sla: {total: soon}\n"
				   "rollouts:\n"
				   "  - verify: {every: /often/12:3}\n"
				   "    name: shop\n"
				   "  - name: shop\n"
				   "    apply: [{command: [/bin/true]}]\n"
				   "    verify: {checks: [{command: [/bin/true]}], tmeout: 1s}\n"
				   "users: [{name: a}]\n"
				   "limits: {quiet: 0x}\n";
	static const struct bad all[] = {
		{text, 1, "sla.total", "soon"},
		{text, 3, "rollouts[0].verify.every", "/often/12:3"},
		{text, 3, "rollouts[0].verify", "checks is missing"},
		{text, 3, "rollouts[0]", "neither flags nor apply"},
		{text, 5, "rollouts[1].name", "shop"},
		{text, 7, "rollouts[1].verify", "timeout"},
		{text, 8, "users[0]", "roles"},
		{text, 9, "limits.quiet", "0x"},
	};

	(void)state;
	assert_int_equal(load(text), -EINVAL);
	assert_int_equal(faults.n, ARRAY_LEN(all));
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		expect_fault(text, i, all[i].line, all[i].key, all[i].word);
}

static void an_unreadable_file_is_one_fault(void **state)
{
	(void)state;
	assert_int_equal(config_load("/nonexistent/r.yml", CONFIG_OFFLINE, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 1);
	assert_string_equal(faults.line[0], "/nonexistent/r.yml: it cannot be read: No such file or directory");
	config_faults_free(&faults);
	assert_int_equal(config_load(dir, CONFIG_OFFLINE, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 1);
	assert_non_null(strstr(faults.line[0], "Is a directory"));
}

/* --- files that mean harm --- */

static int64_t load_big(struct buf *b)
{
	int64_t before = clock_mono_us();

	assert_int_equal(b->error, 0);
	assert_int_equal(load(buf_text(b)), -EINVAL);
	return clock_mono_us() - before;
}

static void a_file_over_the_limit_is_refused(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(2 * CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, SHOP);
	while (b.len <= CONFIG_FILE_MAX)
		buf_str(&b, "# filling\n");
	load_big(&b);
	assert_int_equal(faults.n, 1);
	expect_fault("", 0, 0, "", "larger than 1048576 bytes");
}

static void a_file_of_faults_ends_in_a_line_that_says_so(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, SHOP);
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "x%d: 1\n", i);
	load_big(&b);
	assert_int_equal(faults.n, 201);
	expect_fault("", 199, 204, "", "x199");
	expect_fault("", 200, 0, "", "more faults");
}

/* Each rollout repeats each check, whose command repeats each word: a thousand million words from some kilobytes. */
static void aliases_of_aliases_are_cut_off(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, "rollouts:\n- &r\n  name: shop\n  verify:\n    checks:\n    - &c {command: [/bin/true");
	for (int i = 0; i < 1000; i++)
		buf_str(&b, ", a");
	buf_str(&b, "]}\n");
	for (int i = 0; i < 1000; i++)
		buf_str(&b, "    - *c\n");
	buf_str(&b, "  apply: [*c]\n");
	for (int i = 0; i < 1000; i++)
		buf_str(&b, "- *r\n");
	assert_true(load_big(&b) < 5 * US_PER_S);
	expect_fault("", 0, 6, "", "aliases");
	assert_int_equal(faults.n, 1);
}

static void a_file_of_anchors_is_refused_before_it_takes_long(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b, "rollouts:\n");
	for (int i = 0; b.len + 20 < CONFIG_FILE_MAX; i++)
		buf_printf(&b, "- &%x\n", i);
	assert_true(load_big(&b) < 5 * US_PER_S);
	assert_int_equal(faults.n, 1);
	expect_fault("", 0, 1002, "", "anchors");
}

static void an_alias_of_itself_ends(void **state)
{
	static const char text[] = "rollouts: &a [*a]\n";

	(void)state;
	assert_int_equal(load(text), -EINVAL);
	assert_true(faults.n > 0);
}

static void nesting_too_deep_is_refused_before_it_takes_long(void **state)
{
	static const char *const pieces[] = {"[", "{a: ", "- ", "? ", "- {a: [", "[\n", "{a: \n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

		buf_str(&b, "rollouts:\n  ");
		while (b.len + 10 < CONFIG_FILE_MAX)
			buf_str(&b, pieces[i]);
		assert_true(load_big(&b) < 5 * US_PER_S);
		assert_int_equal(faults.n, 1);
	}
}

/* --- what is right --- */

static void defaults_stand_in_for_what_is_not_said(void **state)
{
	(void)state;
	must_load(SHOP);
	const struct settings *s = cfg->settings;

	assert_string_equal(s->environment, "production");
	assert_string_equal(s->external_url, "");
	assert_string_equal(s->prometheus.url, "");
	assert_int_equal(s->heartbeat.n, 0);
	assert_int_equal(s->retention_us, 400 * 86400 * US_PER_S);
	assert_int_equal(s->sla.detection_us, 120 * US_PER_S);
	assert_int_equal(s->sla.decision_us, 60 * US_PER_S);
	assert_int_equal(s->sla.execution_us, 120 * US_PER_S);
	assert_int_equal(s->sla.verification_us, 300 * US_PER_S);
	assert_int_equal(s->sla.total_us, 600 * US_PER_S);
	assert_int_equal(s->sla.manual_decision_us, 900 * US_PER_S);
	assert_int_equal(s->sla.manual_total_us, 1500 * US_PER_S);
	assert_int_equal(s->limits.cooldown_us, 600 * US_PER_S);
	assert_int_equal(s->limits.quiet_us, 1800 * US_PER_S);
	assert_int_equal(s->limits.rollbacks_per_day, 3);
	assert_int_equal(s->n_audiences, 0);
	assert_int_equal(s->n_rollouts, 1);
	const struct rollout *r = &s->rollouts[0];

	assert_string_equal(r->title, "shop");
	assert_string_equal(r->dashboard_url, "");
	assert_null(r->flags_file);
	assert_null(r->flags_key);
	assert_int_equal(r->verify_delay_us, 5 * US_PER_S);
	assert_int_equal(r->verify_every_us, 5 * US_PER_S);
	assert_int_equal(r->verify_timeout_us, 300 * US_PER_S);
	assert_int_equal(r->passes, 2);
	assert_int_equal(r->apply[0].timeout_us, 30 * US_PER_S);
	assert_string_equal(r->apply[0].name, "true");
	assert_true(r->apply[0].idempotent);
	assert_int_equal(r->n_stages, 0);
	assert_int_equal(r->n_queries, 0);
}

static bool alerts_hold(const struct matchers *m, const char *name, const char *value)
{
	const struct text_pair label = {name, value};

	return matchers_judge(m, &label, 1, NULL) == MATCHERS_YES;
}

static void alerts_of_a_rollout_are_those_with_its_name_unless_it_says_others(void **state)
{
	(void)state;
	must_load(SHOP);
	assert_int_equal(cfg->settings->rollouts[0].alerts.n, 1);
	assert_true(alerts_hold(&cfg->settings->rollouts[0].alerts, "rollout", "shop"));
	assert_false(alerts_hold(&cfg->settings->rollouts[0].alerts, "rollout", "shops"));
	must_load(SHOP "    alerts: ['team=~\"a|b\"']\n");
	assert_true(alerts_hold(&cfg->settings->rollouts[0].alerts, "team", "b"));
	assert_false(alerts_hold(&cfg->settings->rollouts[0].alerts, "rollout", "shop"));
}

static void the_built_in_playbook_is_the_last_unless_one_has_its_name(void **state)
{
	(void)state;
	must_load(SHOP);
	assert_int_equal(cfg->settings->n_playbooks, 1);
	must_load(SHOP "playbooks: [{name: mine, match: ['action=\"x\"'], hold: true}]\n");
	assert_int_equal(cfg->settings->n_playbooks, 2);
	const struct playbook *p = &cfg->settings->playbooks[1];

	assert_string_equal(p->name, "auto-rollback");
	assert_string_equal(p->severity, "");
	assert_false(p->hold);
	assert_false(p->previous_stage);
	assert_int_equal(p->to_pct, 0);
	assert_int_equal(p->after_us, 0);
	assert_true(alerts_hold(&p->match, "action", "auto_rollback"));
	assert_false(alerts_hold(&p->match, "action", "x"));

	must_load(SHOP "playbooks:\n- {name: auto-rollback, match: ['a=b'], rollback: {to: 5}}\n"
	               "- {name: z, match: ['a=c'], hold: true}\n");
	assert_int_equal(cfg->settings->n_playbooks, 2);
	assert_int_equal(cfg->settings->playbooks[0].to_pct, 500);
	assert_string_equal(cfg->settings->playbooks[1].name, "z");
}

static void a_stage_belongs_to_the_environment_of_the_daemon_unless_it_says_another(void **state)
{
	(void)state;
	must_load("global: {environment: eu-1}\n" SHOP
	          "    stages:\n      - {number: 0, name: Pre, percentage: 100, environment: staging}\n"
	          "      - {number: 7, name: Canary, percentage: 0.25, duration: 1h30m}\n");
	const struct rollout *r = &cfg->settings->rollouts[0];

	assert_int_equal(r->n_stages, 2);
	assert_string_equal(r->stages[0].environment, "staging");
	assert_int_equal(r->stages[0].pct, 10000);
	assert_int_equal(r->stages[0].duration_us, 0);
	assert_string_equal(r->stages[1].environment, "eu-1");
	assert_int_equal(r->stages[1].number, 7);
	assert_int_equal(r->stages[1].pct, 25);
	assert_int_equal(r->stages[1].duration_us, 5400 * US_PER_S);
}

static void an_act_without_a_name_is_called_by_what_it_does(void **state)
{
	(void)state;
	must_load("rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	          "      - {command: [/usr/bin/systemctl, reload, /a/b]}\n"
	          "      - {http: {url: \"http://a/x\", method: PUT}}\n"
	          "      - {name: told, command: [/bin/true], idempotent: false}\n"
	          "      - {command: [/bin/sh, -c, \"a\\nb\"]}\n");
	const struct rollout *r = &cfg->settings->rollouts[0];

	assert_string_equal(r->apply[0].name, "systemctl reload /a/b");
	assert_string_equal(r->apply[1].name, "PUT http://a/x");
	assert_string_equal(r->apply[2].name, "told");
	assert_false(r->apply[2].idempotent);
	assert_string_equal(r->apply[3].name, "sh -c a b");
	assert_string_equal(r->apply[3].argv[2], "a\nb");
}

static void a_command_that_checks_has_more_time_than_a_query(void **state)
{
	(void)state;
	must_load(PROMETHEUS "rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	                     "      checks:\n        - {prometheus: up, instances: count(up)}\n"
	                     "        - {command: [/bin/a]}\n        - {http: {url: \"http://a\", value: /p}}\n"
	                     "        - {command: [/bin/a], timeout: 1500ms}\n");
	const struct check *c = cfg->settings->rollouts[0].checks;

	assert_int_equal(c[0].timeout_us, 3 * US_PER_S);
	assert_string_equal(c[0].instances, "count(up)");
	assert_int_equal(c[1].timeout_us, 10 * US_PER_S);
	assert_null(c[1].instances);
	assert_int_equal(c[2].timeout_us, 3 * US_PER_S);
	assert_string_equal(c[2].pointer, "/p");
	assert_int_equal(c[3].timeout_us, 1500 * US_PER_MS);
}

static void aliases_and_anything_else_of_yaml_can_be_used(void **state)
{
	(void)state;
	must_load("%YAML 1.1\n---\nrollouts:\n  - name: 'a'\n    apply: &acts\n      - {command: [/bin/true]}\n"
	          "    verify: &v {checks: [{command: [/bin/true]}]}\n  - name: \"b\"\n    apply: *acts\n"
	          "    verify: *v\nchannels:\n  # - {name: none yet}\nusers:\nlimits:\n...\n");
	assert_int_equal(cfg->settings->n_rollouts, 2);
	assert_int_equal(cfg->settings->rollouts[1].n_apply, 1);
	assert_int_equal(cfg->settings->rollouts[1].n_checks, 1);
	assert_int_equal(cfg->settings->limits.rollbacks_per_day, 3);
}

static void no_note_of_the_reader_stays_in_a_plan(void **state)
{
	(void)state;
	must_load(SHOP);
	assert_null(strchr(cfg->settings->rollouts[0].frozen, '('));
	assert_null(strchr(cfg->settings->playbooks[0].frozen, '('));
}

static void secrets_come_from_their_files_only_when_online(void **state)
{
	char text[1000], file[128];

	(void)state;
	snprintf(file, sizeof(file), "%s/secret", dir);
	write_bytes(file, "http://chat/x\nmore\n", 19);
	snprintf(text, sizeof(text),
	         SHOP "channels:\n"
	              "- {name: a, slack: {url_file: %s}, events: [all]}\n"
	              "- {name: b, webhook: {url: \"http://b\", secret_file: %s/none}, events: [page]}\n"
	              "- {name: c, slack: {url_file: %s/neither}, events: [page]}\n",
	         file, dir, dir);
	must_load(text);
	assert_int_equal(cfg->channels.n, 0);
	assert_int_equal(cfg->settings->n_audiences, 3);
	config_free(cfg);
	cfg = NULL;
	assert_int_equal(config_load(path, CONFIG_RUN, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 2);
	expect_fault(text, 0, 7, "channels[1].webhook.secret_file", "/none cannot be read: No such file");
	expect_fault(text, 1, 8, "channels[2].slack.url_file", "/neither cannot be read: No such file");
	config_faults_free(&faults);

	write_bytes(file, "hunter2\n", 8);
	snprintf(text, sizeof(text), SHOP "channels:\n- {name: a, slack: {url_file: %s}, events: [all]}\n", file);
	write_bytes(path, text, strlen(text));
	assert_int_equal(config_load(path, CONFIG_RUN, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 1);
	expect_fault(text, 0, 6, "channels[0].slack.url_file", "its first line is no URL");
	assert_null(strstr(faults.line[0], "hunter2"));
	config_faults_free(&faults);
	write_bytes(file, "http://u:hunter2@chat/x\n", 24);
	assert_int_equal(config_load(path, false, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 1);
	expect_fault(text, 0, 6, "channels[0].slack.url_file", "leave out the user name");
	assert_null(strstr(faults.line[0], "hunter2"));
	config_faults_free(&faults);
	write_bytes(file, "http://chat/x\nmore\n", 19);

	snprintf(text, sizeof(text), SHOP "channels: [{name: a, slack: {url_file: %s}, events: [all]}]\n", file);
	write_bytes(path, text, strlen(text));
	assert_int_equal(config_load(path, CONFIG_RUN, &cfg, &faults), 0);
	assert_string_equal(channels_find(&cfg->channels, "a")->url, "http://chat/x");
}

/* Every place of a secret, wrong in every way. */
static void no_fault_shows_a_secret(void **state)
{
	static const struct {
		const char *channel, *key, *word;
	} rows[] = {
		{"slack: {url: hunter2.example.com}", "slack.url", "is not shown, is not a URL"},
		{"slack: {url: [hunter2]}", "slack.url", "must be a URL"},
		{"slack: {url: {hunter2: x}}", "slack.url", "must be a URL"},
		{"slack: {url=http://chat/hunter2}", "slack", "Known here: url, url_file"},
		{"webhook: {url: \"http://h/ hunter2\"}", "webhook.url", "is not shown"},
		{"webhook: {url: \"http://h\", secret: \"hunter2\\n\"}", "webhook.secret",
	         "is not shown, is not a text of one line"},
		{"webhook: {url: \"http://h\", secret: \"hunter2\\0\"}", "webhook.secret", "must be a text"},
		{"webhook: {url: \"http://h\", secret: hunter2, secret: hunter2}", "webhook.secret",
	         "stands here twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[600], key[64];

		snprintf(key, sizeof(key), "channels[0].%s", rows[i].key);
		snprintf(text, sizeof(text), SHOP "channels:\n- {name: a, events: [all], %s}\n", rows[i].channel);
		assert_int_equal(load(text), -EINVAL);
		expect_fault(text, 0, 6, key, rows[i].word);
		for (size_t n = 0; n < faults.n; n++)
			assert_null(strstr(faults.line[n], "hunter2"));
	}
}

static void a_request_is_called_by_its_address_without_password_and_token(void **state)
{
	static const struct {
		const char *url, *name;
	} rows[] = {
		{"http://h:1/x", "POST http://h:1/x"},
		{"http://h/x?token=t", "POST http://h/x"},
		{"https://h/x?a=@b", "POST https://h/x"},
		{"http://h/x@y", "POST http://h/x@y"},
		{"http://[::1]:8080/x", "POST http://[::1]:8080/x"},
		{"http://[::1]", "POST http://[::1]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[400];

		snprintf(text, sizeof(text),
		         "rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n"
		         "    apply: [{http: {url: \"%s\"}}]\n",
		         rows[i].url);
		must_load(text);
		assert_string_equal(cfg->settings->rollouts[0].apply[0].name, rows[i].name);
		assert_string_equal(cfg->settings->rollouts[0].apply[0].url, rows[i].url);
	}
}

/* Every place of the config that holds a URL: none is used with its password, and each is shown somewhere. */
static void a_password_in_an_address_is_refused_with_the_cure_and_not_shown(void **state)
{
	static const struct {
		const char *before, *after, *key;
	} places[] = {
		{"global: {external_url: ", "}\n" SHOP, "global.external_url"},
		{"global: {prometheus: {url: ", "}}\n" SHOP, "global.prometheus.url"},
		{"global: {alertmanager: {url: ", "}}\n" SHOP, "global.alertmanager.url"},
		{SHOP "    dashboard_url: ", "\n", "rollouts[0].dashboard_url"},
		{SHOP "    fallback: [{after: 1m, http: {url: ", "}}]\n", "rollouts[0].fallback[0].http.url"},
		{"rollouts:\n  - {name: s, verify: {checks: [{command: [/bin/true]}]}, apply: [{http: {url: ", "}}]}\n",
	         "rollouts[0].apply[0].http.url"},
		{"rollouts:\n  - {name: s, apply: [{command: [/bin/true]}], verify: {checks: [{http: {value: /a, url: ",
	         "}}]}}\n", "rollouts[0].verify.checks[0].http.url"},
		{SHOP "playbooks: [{name: p, match: [a=b], rollback: {to: 0}, then: [{name: t, http: {url: ", "}}]}]\n",
	         "playbooks[0].then[0].http.url"},
		{SHOP "channels: [{name: a, events: [all], slack: {url: ", "}}]\n", "channels[0].slack.url"},
		{SHOP "channels: [{name: a, events: [all], webhook: {secret: s, url: ", "}}]\n",
	         "channels[0].webhook.url"},
	};
	static const char *const urls[] = {"\"http://hunter2@h/x\"", "\"https://u:hunter2@h:1/x\"",
	                                   "'http://:hunter2@h'"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (size_t j = 0; j < ARRAY_LEN(urls); j++) {
			CLEANUP(cleanup_free)
			char *text = text_format("%s%s%s", places[i].before, urls[j], places[i].after);
			bool found = false;

			assert_int_equal(load(text), -EINVAL);
			for (size_t n = 0; n < faults.n; n++) {
				assert_null(strstr(faults.line[n], "hunter2"));
				found |= strstr(faults.line[n], places[i].key) && strstr(faults.line[n], "let a proxy");
			}
			assert_true(found);
		}
}

static void an_address_that_paths_are_added_to_ends_in_no_slash(void **state)
{
	(void)state;
	must_load("global: {external_url: \"https://r/base//\", prometheus: {url: \"http://p:9090/\"}}\n" SHOP);
	assert_string_equal(cfg->settings->external_url, "https://r/base");
	assert_string_equal(cfg->settings->prometheus.url, "http://p:9090");
	must_load("global:\n  external_url:\n  timezone: America/Argentina/Ushuaia\n" SHOP);
	assert_string_equal(cfg->settings->external_url, "");
}

static void a_fault_of_a_file_with_a_very_long_name_is_whole(void **state)
{
	char longest[4000];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(config_load(longest, CONFIG_OFFLINE, &cfg, &faults), -EINVAL);
	assert_non_null(strstr(faults.line[0], "aaa: it cannot be read: File name too long"));
}

/* --- the table --- */

static void check_table(const struct section *s, const char *help)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];

		assert_non_null(k->help);
		assert_non_null(key_type_text(k->type));
		assert_non_null(strstr(help, k->name));
		assert_int_equal(!!k->sub, k->type == KEY_SECTION || k->type == KEY_LIST);
		assert_int_equal(!!k->words, k->type == KEY_WORD || k->type == KEY_WORDS);
		assert_false(k->required && k->def);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(k->name, s->keys[j].name);
		if (k->sub)
			check_table(k->sub, help);
	}
}

static void help_names_every_key_of_the_table(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	config_help(out);
	fclose(out);
	check_table(&config_root, text);
	assert_non_null(strstr(text, "\n  cooldown: "));
	assert_non_null(strstr(text, "default 10m"));
	assert_non_null(strstr(text, "# exactly one of: slack webhook"));
	free(text);
}

static void the_shipped_example_is_right_and_uses_every_section(void **state)
{
	(void)state;
	int r = config_load("deploy/rollbackd.yml", CONFIG_OFFLINE, &cfg, &faults);

	if (r < 0)
		print_error("%s\n", faults.line[0]);
	assert_int_equal(r, 0);
	const struct settings *s = cfg->settings;
	assert_int_equal(s->n_rollouts, 1);
	assert_int_equal(s->heartbeat.n, 1);
	assert_int_equal(s->n_playbooks, 5);
	assert_string_equal(s->playbooks[4].name, "auto-rollback");
	assert_true(s->n_audiences > 0);
	for (size_t i = 0; i < config_root.n; i++)
		assert_true(json_object_object_get_ex(s->tree, config_root.keys[i].name, NULL));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_no_yaml_is_refused_with_its_line),
		T(unknown_keys_are_refused_with_the_nearest_and_all_known_ones),
		T(a_suggestion_is_made_only_for_a_key_that_is_like_it),
		T(keys_that_stand_twice_are_refused_with_both_lines),
		T(wrong_values_are_refused_with_what_would_be_right),
		T(commands_begin_with_an_absolute_path),
		T(matchers_are_checked_as_alertmanager_would),
		T(what_must_be_there_is_named_when_it_is_missing),
		T(what_cannot_be_compared_is_refused),
		T(what_excludes_each_other_cannot_stand_together),
		T(names_and_numbers_are_taken_once),
		T(what_could_never_work_is_refused),
		T(a_program_that_jq_cannot_compile_is_refused),
		T(a_plan_that_could_never_work_is_refused),
		T(all_faults_are_said_at_once_in_the_order_of_the_file),
		T(an_unreadable_file_is_one_fault),
		T(a_file_over_the_limit_is_refused),
		T(a_file_of_faults_ends_in_a_line_that_says_so),
		T(aliases_of_aliases_are_cut_off),
		T(a_file_of_anchors_is_refused_before_it_takes_long),
		T(an_alias_of_itself_ends),
		T(nesting_too_deep_is_refused_before_it_takes_long),
		T(defaults_stand_in_for_what_is_not_said),
		T(alerts_of_a_rollout_are_those_with_its_name_unless_it_says_others),
		T(the_built_in_playbook_is_the_last_unless_one_has_its_name),
		T(a_stage_belongs_to_the_environment_of_the_daemon_unless_it_says_another),
		T(an_act_without_a_name_is_called_by_what_it_does),
		T(a_command_that_checks_has_more_time_than_a_query),
		T(aliases_and_anything_else_of_yaml_can_be_used),
		T(no_note_of_the_reader_stays_in_a_plan),
		T(secrets_come_from_their_files_only_when_online),
		T(no_fault_shows_a_secret),
		T(a_request_is_called_by_its_address_without_password_and_token),
		T(a_password_in_an_address_is_refused_with_the_cure_and_not_shown),
		T(an_address_that_paths_are_added_to_ends_in_no_slash),
		T(a_fault_of_a_file_with_a_very_long_name_is_whole),
		T(help_names_every_key_of_the_table),
		T(the_shipped_example_is_right_and_uses_every_section),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
