#include "tests/unit/config_fixture.h"

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
		{SHOP "users: [{name: .., roles: [viewer]}]\n", 5, "users[0].name", "a name of letters"},
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
		{SHOP "    stages: [{number: 1, name: A, percentage: 1}, 7]\nusers: [{name: a, roles: [viewer]}]\n", 5,
	         "rollouts[0].stages[1]", "a section"},
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
		{SHOP "    flags: {file: /etc/hostname, percentage: P}\n"
	              "  - name: other\n    verify: {checks: [{command: [/bin/true]}]}\n    flags:\n"
	              "      file: /etc/./hostname\n      percentage: P\n",
	         10, "rollouts[1].flags.percentage", "rollouts[0] writes P"},
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
		{SHOP "    freeze: [{cron: \"0 16 * * FRI\", duration: 1h, reason: x, except: [2026-12-24]}]\n", 5,
	         "rollouts[0].freeze[0].except", "nothing begins on 2026-12-24"},
		{"global: {alertmanager: {url: \"http://a\"}}\n" SHOP
	         "    drill: {cron: \"0 10 * * TUE\", except: [2026-12-24]}\n",
	         6, "rollouts[0].drill.except", "nothing begins on 2026-12-24"},
		{SHOP "    freeze: [{cron: \"0 16 * * FRI\", duration: 1h, reason: x, except: [24.12.2026]}]\n", 5,
	         "rollouts[0].freeze[0].except[0]", "no date like"},
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
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
