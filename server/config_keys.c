#include "server/config_keys.h"

#include "server/core/scope.h"

#define SECTION(var, rule, ...)                                   \
	static const struct key var##_keys[] = {__VA_ARGS__};     \
	static const struct section var = {var##_keys, ARRAY_LEN(var##_keys), rule}
#define K(n, t, ...) {.name = n, .type = t, __VA_ARGS__}

SECTION(prometheus, NULL,
	K("url", KEY_URL, .required = true, .help = "Base URL of Prometheus"),
	K("timeout", KEY_DURATION, .def = "3s", .help = "Longest wait for one query"));
SECTION(alertmanager, NULL,
	K("url", KEY_URL, .required = true, .help = "Base URL of Alertmanager"));
SECTION(global, NULL,
	K("external_url", KEY_URL, .def = "", .help = "How people reach rollbackd; stands in messages"),
	K("environment", KEY_TEXT, .def = "production", .help = "Stages of another environment are shown, never applied"),
	K("timezone", KEY_TEXT, .def = "UTC", .help = "For schedules and messages"),
	K("prometheus", KEY_SECTION, .sub = &prometheus, .help = "Asked by checks, snapshots and for the onset of an alert"),
	K("alertmanager", KEY_SECTION, .sub = &alertmanager, .help = "Optional"),
	K("retention", KEY_DURATION, .def = "400d", .help = "How long incidents are kept"));
SECTION(heartbeat, NULL,
	K("match", KEY_MATCHERS, .required = true, .help = "Matchers of the always-firing alert"),
	K("timeout", KEY_DURATION, .def = "5m", .help = "Missing for so long: the alert path is broken"));

SECTION(flag_value, NULL,
	K("name", KEY_NAME, .required = true, .help = "Key in the flags file"),
	K("type", KEY_WORD, .words = "bool int string", .def = "string", .help = "How it is shown"));
SECTION(flags, NULL,
	K("file", KEY_PATH, .required = true, .help = "Environment file, replaced atomically; owned by rollbackd's user"),
	K("percentage", KEY_NAME, .required = true, .help = "Key that carries the percentage"),
	K("values", KEY_LIST, .sub = &flag_value, .help = "The other flags, shown typed"));
SECTION(http_act, NULL,
	K("method", KEY_WORD, .words = "POST PUT PATCH DELETE GET", .def = "POST", .help = "HTTP method"),
	K("url", KEY_URL, .required = true, .help = "Where"),
	K("body", KEY_TEXT, .def = "", .help = "${percentage} is replaced"));
SECTION(apply, "command http",
	K("name", KEY_TEXT, .help = "For people"),
	K("command", KEY_ARGV, .help = "Program and arguments; no shell"),
	K("http", KEY_SECTION, .sub = &http_act, .help = "One request"),
	K("timeout", KEY_DURATION, .def = "30s", .help = "It is stopped then"),
	K("idempotent", KEY_BOOL, .def = "true", .help = "May run again when a crash left it in doubt"));
SECTION(http_check, NULL,
	K("url", KEY_URL, .required = true, .help = "Asked with GET"),
	K("value", KEY_POINTER, .def = "", .help = "JSON pointer of the percentage in the answer"));
SECTION(check, "prometheus command http",
	K("prometheus", KEY_TEXT, .help = "Query: every sample must be the wanted percentage"),
	K("instances", KEY_TEXT, .help = "Query: so many samples there must be"),
	K("command", KEY_ARGV, .help = "Prints the percentage"),
	K("http", KEY_SECTION, .sub = &http_check, .help = "Answers with the percentage"),
	K("timeout", KEY_DURATION, .def = "3s", .help = "Longest wait; without an answer the check is unknown"));
SECTION(verify, NULL,
	K("delay", KEY_DURATION, .def = "5s", .help = "Before the first round"),
	K("every", KEY_DURATION, .def = "5s", .help = "Between rounds"),
	K("passes", KEY_NUMBER, .def = "2", .least = 1, .most = 100, .help = "Rounds in a row in which all checks agree"),
	K("timeout", KEY_DURATION, .def = "5m", .help = "After that the rollback has failed; looking goes on"),
	K("checks", KEY_LIST, .sub = &check, .required = true, .help = "What the world says"));
SECTION(query, NULL,
	K("name", KEY_NAME, .required = true, .help = "For people"),
	K("unit", KEY_TEXT, .def = "", .help = "ratio, seconds, bytes …"),
	K("query", KEY_TEXT, .required = true, .help = "PromQL"));
SECTION(snapshot, NULL,
	K("window", KEY_DURATION, .def = "30m", .help = "How far back before the incident"),
	K("queries", KEY_LIST, .sub = &query, .required = true, .help = "What is preserved"));
SECTION(stage, NULL,
	K("number", KEY_NUMBER, .required = true, .least = 0, .most = 1000, .help = "Order of the stages"),
	K("name", KEY_TEXT, .required = true, .help = "For people"),
	K("percentage", KEY_PERCENTAGE, .required = true, .help = "Traffic of this stage"),
	K("environment", KEY_TEXT, .help = "Default: global.environment"),
	K("duration", KEY_DURATION, .def = "0s", .help = "How long it lasts; 0: for good"));
SECTION(rollout, NULL,
	K("name", KEY_NAME, .required = true, .help = "Value of the alerts' label rollout"),
	K("alerts", KEY_MATCHERS, .help = "Which alerts concern it; default: rollout=\"NAME\""),
	K("title", KEY_TEXT, .help = "For people; default: the name"),
	K("dashboard_url", KEY_URL, .def = "", .help = "Stands in messages"),
	K("flags", KEY_SECTION, .sub = &flags, .help = "The environment file with the percentage"),
	K("apply", KEY_LIST, .sub = &apply, .help = "After the file is written, in order; a failure does not stop the next"),
	K("verify", KEY_SECTION, .sub = &verify, .required = true, .help = "How to find out that it worked"),
	K("snapshot", KEY_SECTION, .sub = &snapshot, .help = "Metrics preserved with an incident"),
	K("stages", KEY_LIST, .sub = &stage, .help = "The rollout plan"));
SECTION(rollback, NULL,
	K("to", KEY_TARGET, .required = true, .help = "A percentage, or previous_stage"),
	K("after", KEY_DURATION, .def = "0s", .help = "Wait so long; called off when every alert resolves first"));
SECTION(playbook, "rollback hold",
	K("name", KEY_NAME, .required = true, .help = "For people"),
	K("match", KEY_MATCHERS, .required = true, .help = "Matchers; the first playbook that matches wins"),
	K("severity", KEY_TEXT, .def = "", .help = "Default: the alert's label severity"),
	K("rollback", KEY_SECTION, .sub = &rollback, .help = "What to do"),
	K("hold", KEY_BOOL, .help = "No rollback: tells people"));
SECTION(sla, NULL,
	K("detection", KEY_DURATION, .def = "2m", .help = "Onset to webhook"),
	K("decision", KEY_DURATION, .def = "1m", .help = "Webhook to first act"),
	K("execution", KEY_DURATION, .def = "2m", .help = "First act to last"),
	K("verification", KEY_DURATION, .def = "5m", .help = "Last act to verified"),
	K("total", KEY_DURATION, .def = "10m", .help = "Onset to verified"),
	K("manual_decision", KEY_DURATION, .def = "15m", .help = "By hand"),
	K("manual_total", KEY_DURATION, .def = "25m", .help = "By hand"));
SECTION(limits, NULL,
	K("cooldown", KEY_DURATION, .def = "10m", .help = "After a rollback nothing is raised for so long"),
	K("rollbacks_per_day", KEY_NUMBER, .def = "3", .least = 0, .most = 1000, .help = "More of them lock raising"),
	K("quiet", KEY_DURATION, .def = "30m", .help = "All alerts resolved for so long ends an incident"));
SECTION(slack, "url url_file",
	K("url", KEY_URL, .help = "Incoming webhook"),
	K("url_file", KEY_PATH, .help = "File that holds it"));
SECTION(webhook, "url url_file",
	K("url", KEY_URL, .help = "Where messages are posted"),
	K("url_file", KEY_PATH, .help = "File that holds it"),
	K("secret", KEY_TEXT, .help = "Key of the HMAC-SHA256 signature"),
	K("secret_file", KEY_PATH, .help = "File that holds it"));
SECTION(channel, "slack webhook",
	K("name", KEY_NAME, .required = true, .help = "For people"),
	K("slack", KEY_SECTION, .sub = &slack, .help = "Slack, or what speaks its incoming webhooks"),
	K("webhook", KEY_SECTION, .sub = &webhook, .help = "Any receiver of signed JSON"),
	K("events", KEY_WORDS, .words = "incident page rollout report all", .required = true, .help = "What it hears"),
	K("program", KEY_TEXT, .help = "jq program of the body; default: the shipped one"));
SECTION(user, NULL,
	K("name", KEY_NAME, .required = true, .help = "As authenticated"),
	K("roles", KEY_TEXTS, .required = true, .help = "webhook, viewer, operator, or a role that approves"));
static const struct key root_keys[] = {
	K("global", KEY_SECTION, .sub = &global, .help = "What everything shares"),
	K("heartbeat", KEY_SECTION, .sub = &heartbeat, .help = "The alert that proves the alert path"),
	K("rollouts", KEY_LIST, .sub = &rollout, .help = "What can be rolled back"),
	K("playbooks", KEY_LIST, .sub = &playbook, .help = "What an alert makes happen; the built-in last one is auto-rollback"),
	K("sla", KEY_SECTION, .sub = &sla, .help = "Budgets"),
	K("limits", KEY_SECTION, .sub = &limits, .help = "Per rollout"),
	K("channels", KEY_LIST, .sub = &channel, .help = "Who is told"),
	K("users", KEY_LIST, .sub = &user, .help = "Who may do what"),
};
const struct section config_root = {root_keys, ARRAY_LEN(root_keys), NULL};

const char *key_type_text(enum key_type t)
{
	static const char *const texts[] = {
		[KEY_TEXT] = "text", [KEY_NAME] = "a name of letters, digits, . _ -", [KEY_URL] = "a URL like http://127.0.0.1:9090",
		[KEY_PATH] = "an absolute path", [KEY_DURATION] = "a duration like 30s, 5m or 1h30m",
		[KEY_PERCENTAGE] = "a percentage from 0 to 100 with at most two decimals",
		[KEY_TARGET] = "a percentage from 0 to 100, or previous_stage", [KEY_NUMBER] = "a whole number",
		[KEY_BOOL] = "true or false", [KEY_WORD] = "one of some words", [KEY_WORDS] = "a list of words",
		[KEY_TEXTS] = "a list of texts", [KEY_MATCHERS] = "a list of matchers like ['action=\"auto_rollback\"']",
		[KEY_ARGV] = "a list: a program with its absolute path, then its arguments",
		[KEY_POINTER] = "a JSON pointer like /rollout_percentage", [KEY_SECTION] = "a section", [KEY_LIST] = "a list of sections",
	};

	return texts[t];
}
