#include "server/config/keys.h"

#include <assert.h>

#include "server/core/scope.h"

#define SECTION(var, rule, ...)                                                                                        \
	static const struct key var##_keys[] = {__VA_ARGS__};                                                          \
	static const struct section var = {.keys = var##_keys, .n = ARRAY_LEN(var##_keys), rule}
#define NO_RULE                          .one_of = NULL
#define ONE_OF(words)                    .one_of = (words)
#define ONE_OF_BUT_NOT_BOTH(words, both) .one_of = (words), .not_both = (both)
#define K(n, t, ...)                     {.name = n, .type = t, __VA_ARGS__}

/* Shortest waits, in ms: below them a typing error would be a busy loop, or a time limit that nothing can keep. */
#define WAIT   .least = 10
#define WINDOW .least = 1000

SECTION(prometheus, NO_RULE, K("url", KEY_BASE, .required = true, .help = "Base URL of Prometheus"),
        K("timeout", KEY_DURATION, .def = "3s", WAIT, .help = "Longest wait for one query"));
SECTION(alertmanager, NO_RULE, K("url", KEY_BASE, .required = true, .help = "Base URL of Alertmanager"));
SECTION(global, NO_RULE,
        K("external_url", KEY_BASE, .def = "", .help = "How people reach rollbackd; stands in messages"),
        K("environment", KEY_LINE, .def = "production",
          .help = "Stages of another environment are shown, never applied"),
        K("timezone", KEY_ZONE, .def = "UTC", .help = "For schedules and messages"),
        K("evaluation_interval", KEY_DURATION, .def = "15s", .least = 100,
          .help = "How often criteria are evaluated and the rollouts looked after"),
        K("prometheus", KEY_SECTION, .sub = &prometheus, .help = "Asked by checks, snapshots and for an alert's onset"),
        K("alertmanager", KEY_SECTION, .sub = &alertmanager, .help = "Optional"),
        K("retention", KEY_DURATION, .def = "400d", .least = 86400000L, .help = "How long incidents are kept"));
SECTION(heartbeat, NO_RULE, K("match", KEY_MATCHERS, .required = true, .help = "Matchers of the always-firing alert"),
        K("timeout", KEY_DURATION, .def = "5m", WINDOW, .help = "Missing for so long: the alert path is broken"));

SECTION(flag_value, NO_RULE, K("name", KEY_VARIABLE, .required = true, .help = "Key in the flags file"),
        K("type", KEY_WORD, .words = "bool int string", .def = "string", .help = "How it is shown"));
SECTION(flags, NO_RULE,
        K("file", KEY_PATH, .required = true,
          .help = "Environment file, replaced atomically where that keeps all it has, else written in place"),
        K("percentage", KEY_VARIABLE, .required = true, .help = "Key that carries the percentage"),
        K("salt", KEY_LINE, .help = "Of the sampling rule (deploy/sampling.md); default: the rollout's name"),
        K("values", KEY_LIST, .sub = &flag_value, .help = "The other flags, shown typed"));
SECTION(http_act, NO_RULE,
        K("method", KEY_WORD, .words = "POST PUT PATCH DELETE GET", .def = "POST", .help = "HTTP method"),
        K("url", KEY_URL, .required = true, .help = "Where"),
        K("body", KEY_TEXT, .def = "", .help = "${percentage} is replaced"));
SECTION(apply, ONE_OF("command http"), K("name", KEY_LINE, .help = "For people; default: the command or the request"),
        K("command", KEY_ARGV,
          .help = "Program and arguments, no shell; ${percentage} in an argument is replaced; ROLLBACKD_PERCENTAGE and "
                  "others: README"),
        K("http", KEY_SECTION, .sub = &http_act, .help = "One request"),
        K("timeout", KEY_DURATION, .def = "30s", WAIT, .help = "It is stopped then"),
        K("idempotent", KEY_BOOL, .def = "true", .help = "May run again when a crash left it in doubt"));
SECTION(fallback, ONE_OF("command http"),
        K("name", KEY_LINE, .help = "For people; default: the command or the request"),
        K("after", KEY_DURATION, .required = true, .help = "So long after the apply, when it is not acknowledged"),
        K("command", KEY_ARGV,
          .help = "Program and arguments, no shell; ${percentage} in an argument is replaced; ROLLBACKD_PERCENTAGE and "
                  "others: README"),
        K("http", KEY_SECTION, .sub = &http_act, .help = "One request"),
        K("timeout", KEY_DURATION, .def = "30s", WAIT, .help = "It is stopped then"),
        K("idempotent", KEY_BOOL, .def = "true", .help = "May run again when a crash left it in doubt"));
SECTION(then, ONE_OF("command http"), K("name", KEY_LINE, .help = "For people; default: the command or the request"),
        K("command", KEY_ARGV,
          .help = "Program and arguments, no shell; ${percentage} in an argument is replaced; ROLLBACKD_PERCENTAGE and "
                  "others: README"),
        K("http", KEY_SECTION, .sub = &http_act, .help = "One request"),
        K("timeout", KEY_DURATION, .def = "30s", WAIT, .help = "It is stopped then"),
        K("idempotent", KEY_BOOL, .def = "false", .help = "May run again when a crash left it in doubt"),
        K("needs", KEY_WORD, .words = "approval", .help = "Waits for a person: rollbackctl incident approve"));
SECTION(effective, NO_RULE,
        K("prometheus", KEY_PROMQL, .required = true,
          .help = "Query: what still takes the new way, judged when 0 is wanted"),
        K("max", KEY_FRACTION, .required = true, .help = "At most this"));
SECTION(cured, NO_RULE, K("prometheus", KEY_PROMQL, .required = true, .help = "Query: the symptom"),
        K("max", KEY_FRACTION, .required = true, .help = "Cured at or below this"),
        K("timeout", KEY_DURATION, .def = "5m", WAIT,
          .help = "Not cured by then: the canary is probably not the cause"));
SECTION(http_check, NO_RULE, K("url", KEY_URL, .required = true, .help = "Asked with GET"),
        K("value", KEY_POINTER, .def = "",
          .help = "JSON pointer of the percentage in the answer; default: the whole answer"));
SECTION(check, ONE_OF("prometheus command http"),
        K("prometheus", KEY_PROMQL, .help = "Query: every sample must be the wanted percentage"),
        K("instances", KEY_PROMQL, .help = "Query: so many samples there must be; only beside prometheus"),
        K("command", KEY_ARGV, .help = "Prints the percentage"),
        K("http", KEY_SECTION, .sub = &http_check, .help = "Answers with the percentage"),
        K("timeout", KEY_DURATION, WAIT,
          .help = "Without an answer by then the check is unknown; default: 3s, a command 10s"));
SECTION(verify, NO_RULE, K("delay", KEY_DURATION, .def = "5s", .help = "Before the first round"),
        K("every", KEY_DURATION, .def = "5s", WAIT, .help = "Between rounds"),
        K("passes", KEY_NUMBER, .def = "2", .least = 1, .most = 100,
          .help = "Rounds in a row in which all checks agree"),
        K("timeout", KEY_DURATION, .def = "5m", WAIT, .help = "After that the rollback has failed; looking goes on"),
        K("effective", KEY_SECTION, .sub = &effective, .help = "Is there no traffic any more"),
        K("cured", KEY_SECTION, .sub = &cured, .help = "Did it help; reported, not waited for"),
        K("checks", KEY_LIST, .sub = &check, .required = true,
          .help = "What the world says; without a check \"rolled back\" could never be said"));
SECTION(query, NO_RULE, K("name", KEY_NAME, .required = true, .help = "For people"),
        K("unit", KEY_LINE, .def = "", .help = "ratio, seconds, bytes …"),
        K("query", KEY_PROMQL, .required = true, .help = "PromQL"));
SECTION(snapshot, NO_RULE, K("window", KEY_DURATION, .def = "30m", WINDOW, .help = "How far back before the incident"),
        K("queries", KEY_LIST, .sub = &query, .required = true, .help = "What is preserved"));
SECTION(criterion, ONE_OF("max min"), K("name", KEY_LINE, .required = true, .help = "For people"),
        K("query", KEY_PROMQL, .required = true,
          .help = "PromQL; one number. No data, NaN or an error is unknown and never passes"),
        K("max", KEY_FRACTION, .help = "Holds at or below this"),
        K("min", KEY_FRACTION, .help = "Holds at or above this"),
        K("unit", KEY_LINE, .def = "", .help = "For people: ratio, seconds, bytes"),
        K("over", KEY_DURATION, .def = "0s", .help = "The worst value over so long, but not before the stage began"),
        K("after", KEY_DURATION, .def = "0s", .help = "Not judged in the stage's first so long"),
        K("samples", KEY_PROMQL, .help = "PromQL: how many samples stand behind the value"),
        K("min_samples", KEY_NUMBER, .def = "0", .least = 0, .most = 1000000000L, .help = "Fewer: unknown"));
SECTION(stage_flag, NO_RULE, K("name", KEY_VARIABLE, .required = true, .help = "One of flags.values"),
        K("value", KEY_LINE, .required = true, .help = "Written with the percentage when the stage is entered"));
SECTION(item, NO_RULE, K("text", KEY_LINE, .required = true, .help = "What somebody does and ticks"),
        K("valid", KEY_DURATION, .def = "0s", .help = "A tick holds so long; 0s: as long as the stage runs"),
        K("every", KEY_DURATION, .def = "0s", .help = "To be ticked again and again; overdue is told"));
SECTION(checklist, NO_RULE, K("name", KEY_NAME, .required = true, .help = "As named by stages"),
        K("items", KEY_LIST, .sub = &item, .required = true, .help = "In order"));
SECTION(freeze, NO_RULE, K("cron", KEY_CRON, .required = true, .help = "When it begins, in global.timezone"),
        K("duration", KEY_DURATION, .required = true, WINDOW, .help = "How long it lasts"),
        K("reason", KEY_LINE, .required = true, .help = "For people"));
SECTION(milestone, NO_RULE,
        K("after_stage", KEY_NUMBER, .required = true, .least = 0, .most = 1000,
          .help = "Counted from entering this stage"),
        K("in", KEY_DURATION, .required = true, .help = "Due so long after"),
        K("text", KEY_LINE, .required = true, .help = "What is due"),
        K("owner", KEY_LINE, .def = "", .help = "Who does it"));
SECTION(named_query, NO_RULE, K("name", KEY_LINE, .required = true, .help = "For people"),
        K("query", KEY_PROMQL, .required = true, .help = "PromQL"));
SECTION(watch, NO_RULE,
        K("data", KEY_LIST, .sub = &named_query,
          .help = "Queries that must return data while the rollout is above 0 %"),
        K("share", KEY_PROMQL, .help = "PromQL: the share of traffic that takes the new way, 0 to 1"),
        K("tolerance", KEY_PERCENTAGE, .def = "5", .help = "Points by which the share may differ from the percentage"),
        K("after", KEY_DURATION, .def = "10m", .help = "Not judged so long after a change of the percentage"),
        K("patience", KEY_DURATION, .def = "2m", WAIT, .help = "Blind for so long before anybody is paged"));
SECTION(baseline, NO_RULE, K("metric", KEY_NAME, .required = true, .help = "Label metric of rollbackd_baseline"),
        K("query", KEY_PROMQL, .required = true, .help = "PromQL: the old way's value"),
        K("samples", KEY_PROMQL, .help = "PromQL: how many samples stand behind it"),
        K("min_samples", KEY_NUMBER, .def = "0", .least = 0, .most = 1000000000L,
          .help = "Fewer: the pinned value stays"));
SECTION(compare_counts, NO_RULE,
        K("events", KEY_PROMQL, .required = true, .help = "PromQL: how many events there were in a step"),
        K("bad", KEY_PROMQL, .required = true,
          .help = "PromQL: how many of them were bad; 0, not nothing, when none was"));
SECTION(compare_errors, NO_RULE,
        K("candidate", KEY_SECTION, .sub = &compare_counts, .required = true, .help = "The new way"),
        K("baseline", KEY_SECTION, .sub = &compare_counts, .required = true, .help = "The old way"),
        K("absolute", KEY_FRACTION, .def = "0.001",
          .help = "A difference of the two ratios that is accepted in any case: 0.001 is 0.1 points"));
SECTION(compare_histogram, NO_RULE,
        K("candidate", KEY_PROMQL, .required = true,
          .help = "PromQL: cumulative buckets of a step: sum by (le) (increase(…_bucket[1h]))"),
        K("baseline", KEY_PROMQL, .required = true, .help = "The same of the old way"),
        K("quantiles", KEY_WORDS, .words = "0.5 0.9 0.95 0.99 0.999",
          .help = "Which are compared; default: 0.5, 0.95 and 0.99"));
SECTION(compare_value, NO_RULE, K("candidate", KEY_PROMQL, .required = true, .help = "PromQL: one number for a step"),
        K("baseline", KEY_PROMQL, .required = true, .help = "The same of the old way"),
        K("worse", KEY_WORD, .words = "higher lower", .def = "higher", .help = "Which is worse"));
SECTION(compare_metric, ONE_OF("errors histogram value"), K("name", KEY_NAME, .required = true, .help = "For people"),
        K("unit", KEY_LINE, .def = "", .help = "For people: seconds, bytes"),
        K("errors", KEY_SECTION, .sub = &compare_errors, .help = "Bad events of all events, as counts"),
        K("histogram", KEY_SECTION, .sub = &compare_histogram, .help = "Quantiles of a histogram; lower is better"),
        K("value", KEY_SECTION, .sub = &compare_value, .help = "A gauge, a ratio or a rate"));
SECTION(compare, NO_RULE,
        K("step", KEY_DURATION, .def = "1h", WINDOW,
          .help = "Both sides are compared step by step; the range in the queries must be the same"),
        K("share", KEY_PROMQL, .help = "PromQL: the share of traffic that took the new way in a step, 0 to 1"),
        K("metrics", KEY_LIST, .sub = &compare_metric, .required = true, .help = "What is compared"));
SECTION(stage, NO_RULE,
        K("number", KEY_NUMBER, .required = true, .least = 0, .most = 1000, .help = "Order of the stages"),
        K("name", KEY_LINE, .required = true, .help = "For people"),
        K("percentage", KEY_PERCENTAGE, .required = true, .help = "Traffic of this stage"),
        K("environment", KEY_LINE, .help = "Default: global.environment"),
        K("duration", KEY_DURATION, .def = "0s", .help = "Clean time it takes; 0s: for good"),
        K("approvals", KEY_NAMES, .help = "Roles that must approve leaving it, each by another person"),
        K("checklist", KEY_NAME, .help = "Name of the checklist to be ticked before it is left"),
        K("criteria", KEY_LIST, .sub = &criterion,
          .help = "Must hold to leave it; while one does not, its clock stands still"),
        K("set", KEY_LIST, .sub = &stage_flag, .help = "Other flags that entering it writes"),
        K("release_notes", KEY_TEXT, .def = "", .help = "Text for users, published by a person"));
SECTION(rollout, NO_RULE, K("name", KEY_NAME, .required = true, .help = "Value of the alerts' label rollout"),
        K("alerts", KEY_MATCHERS, .help = "Which alerts concern it; default: rollout=\"NAME\""),
        K("title", KEY_LINE, .help = "For people; default: the name"),
        K("dashboard_url", KEY_URL, .def = "", .help = "Stands in messages"),
        K("flags", KEY_SECTION, .sub = &flags, .help = "The environment file with the percentage"),
        K("apply", KEY_LIST, .sub = &apply,
          .help = "After the file is written, in order; a failure does not stop the next"),
        K("fallback", KEY_LIST, .sub = &fallback, .help = "Other ways to get there, in order, each tried once"),
        K("verify", KEY_SECTION, .sub = &verify, .required = true, .help = "How to find out that it worked"),
        K("snapshot", KEY_SECTION, .sub = &snapshot, .help = "Metrics preserved with an incident"),
        K("stages", KEY_LIST, .sub = &stage, .help = "The rollout plan"),
        K("checklists", KEY_LIST, .sub = &checklist, .help = "What people tick"),
        K("freeze", KEY_LIST, .sub = &freeze, .help = "When nothing is raised; a rollback is never stopped"),
        K("milestones", KEY_LIST, .sub = &milestone, .help = "What is due some time after a stage was entered"),
        K("watch", KEY_SECTION, .sub = &watch, .help = "How to tell that the canary is being watched"),
        K("baselines", KEY_LIST, .sub = &baseline, .help = "Values of the old way, pinned before it has no traffic"),
        K("compare", KEY_SECTION, .sub = &compare, .help = "New way against old way: rollbackctl compare"),
        K("owner", KEY_LINE, .def = "", .help = "Who owns the rollout"));
SECTION(rollback, NO_RULE, K("to", KEY_TARGET, .required = true, .help = "A percentage, or previous_stage"),
        K("after", KEY_DURATION, .def = "0s",
          .help = "Wait so long; called off when every alert resolves first, and Prometheus agrees"));
SECTION(playbook, ONE_OF("rollback hold"), K("name", KEY_NAME, .required = true, .help = "For people"),
        K("match", KEY_MATCHERS, .required = true, .help = "Matchers; the first playbook that matches wins"),
        K("severity", KEY_LINE, .def = "", .help = "Default: the alert's label severity"),
        K("rollback", KEY_SECTION, .sub = &rollback, .help = "What to do"),
        K("hold", KEY_BOOL, .help = "No rollback: tells people"),
        K("then", KEY_LIST, .sub = &then, .help = "What follows the rollback, in order"),
        K("review", KEY_WORD, .words = "required", .help = "Nothing is raised before the incident is reviewed"),
        K("restart_at", KEY_NUMBER, .least = 0, .most = 1000, .help = "And then only from this stage"));
SECTION(sla, NO_RULE, K("detection", KEY_DURATION, .def = "2m", WAIT, .help = "Onset to webhook"),
        K("decision", KEY_DURATION, .def = "1m", WAIT, .help = "Webhook to first act"),
        K("execution", KEY_DURATION, .def = "2m", WAIT, .help = "First act to last"),
        K("verification", KEY_DURATION, .def = "5m", WAIT, .help = "Last act to verified"),
        K("total", KEY_DURATION, .def = "10m", WAIT, .help = "Onset to verified"),
        K("manual_decision", KEY_DURATION, .def = "15m", WAIT, .help = "By hand"),
        K("manual_total", KEY_DURATION, .def = "25m", WAIT, .help = "By hand"));
SECTION(limits, NO_RULE,
        K("cooldown", KEY_DURATION, .def = "10m", .help = "After a rollback nothing is raised for so long"),
        K("rollbacks_per_day", KEY_NUMBER, .def = "3", .least = 0, .most = 1000, .help = "More of them lock raising"),
        K("quiet", KEY_DURATION, .def = "30m", .help = "All alerts resolved for so long ends an incident"),
        K("stale", KEY_DURATION, .def = "1m",
          .help = "An alert that keeps coming for so long after it was reported resolved lives"));
SECTION(slack, ONE_OF("url url_file"), K("url", KEY_URL, .secret = true, .help = "Incoming webhook"),
        K("url_file", KEY_PATH, .help = "File whose first line it is"));
SECTION(webhook, ONE_OF_BUT_NOT_BOTH("url url_file", "secret secret_file"),
        K("url", KEY_URL, .secret = true, .help = "Where messages are posted"),
        K("url_file", KEY_PATH, .help = "File whose first line it is"),
        K("secret", KEY_LINE, .secret = true, .help = "Key of the HMAC-SHA256 signature"),
        K("secret_file", KEY_PATH, .help = "File whose first line it is"));
SECTION(channel, ONE_OF("slack webhook"), K("name", KEY_NAME, .required = true, .help = "For people"),
        K("slack", KEY_SECTION, .sub = &slack, .help = "Slack, or what speaks its incoming webhooks"),
        K("webhook", KEY_SECTION, .sub = &webhook, .help = "Any receiver of signed JSON"),
        K("events", KEY_WORDS,
          .words = "incident page stage plan rollout report report.daily report.weekly report.final all",
          .required = true, .help = "What it hears"),
        K("program", KEY_TEXT, .help = "jq program of the body; default: the shipped one"));
SECTION(report, NO_RULE, K("name", KEY_WORD, .words = "daily weekly final", .required = true, .help = "Which"),
        K("cron", KEY_CRON, .required = true, .help = "When, in global.timezone"));
SECTION(user, NO_RULE, K("name", KEY_NAME, .required = true, .help = "As authenticated"),
        K("roles", KEY_NAMES, .required = true, .help = "webhook, viewer, operator, or a role that approves"));
static const struct key root_keys[] = {
	K("global", KEY_SECTION, .sub = &global, .help = "What everything shares"),
	K("heartbeat", KEY_SECTION, .sub = &heartbeat, .help = "The alert that proves the alert path"),
	K("rollouts", KEY_LIST, .sub = &rollout, .required = true, .help = "What can be rolled back"),
	K("playbooks", KEY_LIST, .sub = &playbook,
          .help = "What an alert makes happen; the built-in last one is auto-rollback"),
	K("sla", KEY_SECTION, .sub = &sla, .help = "Budgets"),
	K("limits", KEY_SECTION, .sub = &limits, .help = "Per rollout"),
	K("channels", KEY_LIST, .sub = &channel, .help = "Who is told"),
	K("reports", KEY_LIST, .sub = &report, .help = "Reports to the channels that hear them"),
	K("users", KEY_LIST, .sub = &user, .help = "Who may do what"),
};
const struct section config_root = {.keys = root_keys, .n = ARRAY_LEN(root_keys), NO_RULE};

const char *key_type_text(enum key_type t)
{
	assert(t <= KEY_LIST);
	static const char *const texts[] = {
		[KEY_TEXT] = "a text that is not empty",
		[KEY_PROMQL] = "a PromQL expression whose brackets and quotes are closed",
		[KEY_LINE] = "a text of one line that is not empty",
		[KEY_NAME] = "a name of letters, digits, . _ - (at most 128)",
		[KEY_VARIABLE] = "a variable's name of letters, digits and _",
		[KEY_URL] = "a URL like http://127.0.0.1:9090/path",
		[KEY_BASE] = "a URL like http://127.0.0.1:9090, without ? and #",
		[KEY_PATH] = "an absolute path",
		[KEY_ZONE] = "a time zone like UTC or Europe/Berlin",
		[KEY_DURATION] = "a duration like 30s, 5m or 1h30m",
		[KEY_PERCENTAGE] = "a percentage: 0 to 100 with at most two decimals, without a % sign",
		[KEY_TARGET] = "a percentage from 0 to 100, or previous_stage",
		[KEY_NUMBER] = "a whole number",
		[KEY_FRACTION] = "a number",
		[KEY_CRON] = "five fields of cron (minute hour day month weekday), like 0 9 * * MON-FRI, or @daily",
		[KEY_BOOL] = "true or false",
		[KEY_WORD] = "one word",
		[KEY_POINTER] = "a JSON pointer like /rollout_percentage",
		[KEY_WORDS] = "a list of words",
		[KEY_NAMES] = "a list of names",
		[KEY_MATCHERS] = "a list of matchers like ['action=\"auto_rollback\"']",
		[KEY_ARGV] = "a list: a program with its absolute path, then its arguments",
		[KEY_SECTION] = "a section of keys",
		[KEY_LIST] = "a list of sections",
	};

	return texts[t];
}

bool key_is_texts(enum key_type t)
{
	return t == KEY_WORDS || t == KEY_NAMES || t == KEY_MATCHERS || t == KEY_ARGV;
}
