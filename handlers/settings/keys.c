#include "handlers/settings/keys.h"

#include "handlers/settings/read.h"
#include "handlers/settings/settings.h"

/* What the member of a key of each type is: another one does not compile. */
#define IN_KEY_TEXT       const char *
#define IN_KEY_PROMQL     const char *
#define IN_KEY_LINE       const char *
#define IN_KEY_NAME       const char *
#define IN_KEY_VARIABLE   const char *
#define IN_KEY_URL        const char *
#define IN_KEY_BASE       const char *
#define IN_KEY_PATH       const char *
#define IN_KEY_ZONE       const char *
#define IN_KEY_POINTER    const char *
#define IN_KEY_WORD       const char *
#define IN_KEY_CRON       const char *
#define IN_KEY_DURATION   int64_t
#define IN_KEY_PERCENTAGE int32_t
#define IN_KEY_TARGET     int32_t
#define IN_KEY_NUMBER     int32_t
#define IN_KEY_FRACTION   double
#define IN_KEY_BOOL       bool
#define IN_KEY_WORDS      const char **
#define IN_KEY_NAMES      const char **
#define IN_KEY_ARGV       const char **
#define IN_KEY_DATES      const char **
#define IN_KEY_NETS       const char **
#define IN_KEY_MATCHERS   struct matchers

#define MEMBER(s, m) (((struct s *)0)->m)
#define IS_A(s, m, type)                                                                                               \
	(0 * sizeof(struct {                                                                                           \
		 _Static_assert(__builtin_types_compatible_p(__typeof__(MEMBER(s, m)), type), "another type");         \
		 char c;                                                                                               \
	 }))
/* A key that fills the member m of struct s; one whose being there is all that counts; a section of a struct of its
 * own; one of further members of the same struct; a list. */
#define K(n, t, s, m, ...)                                                                                             \
	{.name = (n),                                                                                                  \
	 .type = (t),                                                                                                  \
	 .at = offsetof(struct s, m) + IS_A(s, m, IN_##t),                                                             \
	 .size = sizeof(MEMBER(s, m)),                                                                                 \
	 __VA_ARGS__}
#define WORD(n, ...) {.name = (n), .type = KEY_WORD, __VA_ARGS__}
#define OWN(n, var, s, m, ...)                                                                                         \
	{.name = (n), .type = KEY_SECTION, .sub = &(var), .at = offsetof(struct s, m), __VA_ARGS__}
#define PART(n, var, ...) {.name = (n), .type = KEY_SECTION, .sub = &(var), __VA_ARGS__}
#define LIST(n, var, s, m, ...)                                                                                        \
	{.name = (n),                                                                                                  \
	 .type = KEY_LIST,                                                                                             \
	 .sub = &(var),                                                                                                \
	 .at = offsetof(struct s, m),                                                                                  \
	 .n_at = offsetof(struct s, n_##m) + IS_A(s, n_##m, size_t),                                                   \
	 __VA_ARGS__}
#define MARK(s, m, is) .mark_at = offsetof(struct s, m), .mark_size = sizeof(MEMBER(s, m)), .mark = (is)

/* The keys of a section that fills struct s, and its rules. */
#define SECTION(var, s, rules, ...)                                                                                    \
	static const struct key var##_keys[] = {__VA_ARGS__};                                                          \
	static const struct section var = {                                                                            \
		.keys = var##_keys, .n = ARRAY_LEN(var##_keys), .size = sizeof(struct s), rules}
#define RULES(...)    __VA_ARGS__
#define NO_RULE       .one_of = NULL
#define TEXT_AT(s, m) .text_at = offsetof(struct s, m) + 1 + IS_A(s, m, const char *)

/* Shortest waits, in ms: below them a typing error would be a busy loop, or a time limit that nothing can keep. */
#define WAIT   .least = 10
#define WINDOW .least = 1000

SECTION(prometheus, prometheus_options, RULES(TEXT_AT(prometheus_options, frozen)),
        K("url", KEY_BASE, prometheus_options, url, .required = true, .help = "Base URL of Prometheus"),
        K("timeout", KEY_DURATION, prometheus_options, timeout_us, .def = "3s", WAIT,
          .help = "Longest wait for one query"));
SECTION(alertmanager, settings, NO_RULE,
        K("url", KEY_BASE, settings, alertmanager_url, .required = true, .help = "Base URL of Alertmanager"));
SECTION(global, settings, NO_RULE,
        K("external_url", KEY_BASE, settings, external_url, .def = "",
          .help = "How people reach rollbackd; stands in messages"),
        K("environment", KEY_LINE, settings, environment, .def = "production",
          .help = "Stages of another environment are shown, never applied"),
        K("timezone", KEY_ZONE, settings, timezone, .def = "UTC", .help = "For schedules and messages"),
        K("evaluation_interval", KEY_DURATION, settings, evaluation_us, .def = "15s", .least = 100,
          .help = "How often criteria are evaluated and the rollouts looked after"),
        OWN("prometheus", prometheus, settings, prometheus,
            .help = "Asked by checks, snapshots and for an alert's onset"),
        K("rules_url", KEY_BASE, settings, rules_url, .def = "",
          .help = "Who evaluates the alert rules, if not Prometheus: base URL of vmalert; asked by doctor and drills"),
        PART("alertmanager", alertmanager, .help = "Optional"),
        K("retention", KEY_DURATION, settings, retention_us, .def = "400d", .least = 86400000L,
          .help = "How long incidents are kept"));
SECTION(heartbeat, settings, NO_RULE,
        K("match", KEY_MATCHERS, settings, heartbeat, .required = true, .help = "Matchers of the always-firing alert"),
        K("timeout", KEY_DURATION, settings, heartbeat_timeout_us, .def = "5m", WINDOW,
          .help = "Missing for so long: the alert path is broken"));
SECTION(flag_value, flag_value, NO_RULE,
        K("name", KEY_VARIABLE, flag_value, name, .required = true, .help = "Key in the flags file"),
        K("type", KEY_WORD, flag_value, type, .words = "bool int string", .def = "string", .help = "How it is shown"));
SECTION(flags, rollout, RULES(.complete = complete_flags),
        K("file", KEY_PATH, rollout, flags_file, .required = true,
          .help = "Environment file, replaced atomically where that keeps all it has, else written in place"),
        K("percentage", KEY_VARIABLE, rollout, flags_key, .required = true, .help = "Key that carries the percentage"),
        K("salt", KEY_LINE, rollout, salt,
          .help = "Of the sampling rule (deploy/sampling.md); default: the rollout's name"),
        LIST("values", flag_value, rollout, values, .unique = "name", .help = "The other flags, shown typed"));
SECTION(http_act, act, NO_RULE,
        K("method", KEY_WORD, act, method, .words = "POST PUT PATCH DELETE GET", .def = "POST", .help = "HTTP method"),
        K("url", KEY_URL, act, url, .required = true, .help = "Where"),
        K("body", KEY_TEXT, act, body, .def = "", .help = "${percentage} is replaced"));
/* An act is the first member of what is more than that. */
_Static_assert(offsetof(struct fallback, act) == 0 && offsetof(struct followup, act) == 0,
               "complete_act wants the act");
#define ACT_RULES .one_of = "command http", .complete = complete_act
#define ACT_KEYS(may_run_again)                                                                                        \
	K("name", KEY_LINE, act, name, .help = "For people; default: the command or the request"),                     \
		K("command", KEY_ARGV, act, argv, MARK(act, kind, ACT_COMMAND),                                        \
	          .help = "Program and arguments, no shell; ${percentage} in an argument is replaced; "                \
	                  "ROLLBACKD_PERCENTAGE and "                                                                  \
	                  "others: deploy/docs/config.md"),                                                            \
		PART("http", http_act, MARK(act, kind, ACT_HTTP), .help = "One request"),                              \
		K("timeout", KEY_DURATION, act, timeout_us, .def = "30s", WAIT, .help = "It is stopped then"),         \
		K("idempotent", KEY_BOOL, act, idempotent, .def = (may_run_again),                                     \
	          .help = "May run again when a crash left it in doubt")

SECTION(apply, act, ACT_RULES, ACT_KEYS("true"));
SECTION(fallback, fallback, ACT_RULES, ACT_KEYS("true"),
        K("after", KEY_DURATION, fallback, after_us, .required = true,
          .help = "So long after the apply, when it is not acknowledged"));
SECTION(followup, followup, ACT_RULES, ACT_KEYS("false"),
        WORD("needs", MARK(followup, needs_approval, true), .words = "approval",
             .help = "Waits for a person: rollbackctl incident approve"));
SECTION(effective, rollout, NO_RULE,
        K("prometheus", KEY_PROMQL, rollout, effective_query, .required = true,
          .help = "Query: what still takes the new way, judged when 0 is wanted"),
        K("max", KEY_FRACTION, rollout, effective_max, .required = true, .help = "At most this"));
SECTION(symptom, symptom, NO_RULE, K("name", KEY_LINE, symptom, name, .required = true, .help = "For people"),
        K("match", KEY_MATCHERS, symptom, match, .required = true, .help = "Matchers: the triggers that are about it"),
        K("prometheus", KEY_PROMQL, symptom, query, .required = true,
          .help = "Query: the symptom; ${onset} is replaced by the moment when the incident began, in Unix seconds"),
        K("max", KEY_FRACTION, symptom, max, .required = true, .help = "Cured at or below this"));
SECTION(cured, rollout, NO_RULE,
        K("prometheus", KEY_PROMQL, rollout, cured_query, .required = true,
          .help = "Query: the symptom; ${onset} is replaced by the moment when the incident began, in Unix seconds: "
                  "baseline @ ${onset} is what was normal then"),
        K("max", KEY_FRACTION, rollout, cured_max, .required = true, .help = "Cured at or below this"),
        LIST("symptoms", symptom, rollout, symptoms, .unique = "name", .most = 32,
             .help = "Of triggers that are about something else; all that fired are asked for"),
        K("timeout", KEY_DURATION, rollout, cured_timeout_us, .def = "5m", WAIT,
          .help = "Not cured by then: the canary is probably not the cause. It is looked at until it is"));
SECTION(http_check, check, NO_RULE, K("url", KEY_URL, check, url, .required = true, .help = "Asked with GET"),
        K("value", KEY_POINTER, check, pointer, .def = "",
          .help = "JSON pointer of the percentage in the answer; default: the whole answer"));
SECTION(check, check, RULES(.one_of = "prometheus command http", .complete = complete_check),
        K("prometheus", KEY_PROMQL, check, query, MARK(check, kind, CHECK_PROMETHEUS),
          .help = "Query: every sample must be the wanted percentage"),
        K("instances", KEY_PROMQL, check, instances,
          .help = "Query: so many samples there must be; only beside prometheus"),
        K("command", KEY_ARGV, check, argv, MARK(check, kind, CHECK_COMMAND), .help = "Prints the percentage"),
        PART("http", http_check, MARK(check, kind, CHECK_HTTP), .help = "Answers with the percentage"),
        K("timeout", KEY_DURATION, check, timeout_us, WAIT,
          .help = "Without an answer by then the check is unknown; default: 3s, a command 10s"));
SECTION(http_probe, check, NO_RULE,
        K("url", KEY_URL, check, url, .required = true, .help = "Asked with GET; a 2xx within timeout is a yes"),
        K("value", KEY_POINTER, check, pointer, .help = "JSON pointer of the number that min or max is about"));
_Static_assert(offsetof(struct fallback_check, check) == 0, "complete_fallback_check wants the check");
SECTION(fallback_check, fallback_check, RULES(.one_of = "prometheus command http", .complete = complete_fallback_check),
        K("name", KEY_LINE, fallback_check, name, .help = "For people: reachable, fast enough; default: what is asked"),
        K("prometheus", KEY_PROMQL, check, query, MARK(check, kind, CHECK_PROMETHEUS),
          .help = "Query: every sample must be within min or max"),
        K("command", KEY_ARGV, check, argv, MARK(check, kind, CHECK_COMMAND),
          .help = "Exit code 0 is a yes; with min or max it prints the number"),
        PART("http", http_probe, MARK(check, kind, CHECK_HTTP), .help = "A request through the old way"),
        K("min", KEY_FRACTION, fallback_check, min, MARK(fallback_check, has_min, true), .help = "At least this"),
        K("max", KEY_FRACTION, fallback_check, max, MARK(fallback_check, has_max, true), .help = "At most this"),
        K("timeout", KEY_DURATION, check, timeout_us, WAIT,
          .help = "Without an answer by then it is not ready; default: 3s, a command 10s"));
SECTION(verify, rollout, RULES(.complete = complete_verify),
        K("delay", KEY_DURATION, rollout, verify_delay_us, .def = "5s", .help = "Before the first round"),
        K("every", KEY_DURATION, rollout, verify_every_us, .def = "5s", WAIT, .help = "Between rounds"),
        K("passes", KEY_NUMBER, rollout, passes, .def = "2", .least = 1, .most = 100,
          .help = "Rounds in a row in which all checks agree"),
        K("timeout", KEY_DURATION, rollout, verify_timeout_us, .def = "5m", WAIT,
          .help = "After that the rollback has failed; looking goes on"),
        PART("effective", effective, .help = "Is there no traffic any more"),
        PART("cured", cured, .help = "Did it help; reported, not waited for"),
        LIST("checks", check, rollout, checks, .required = true,
             .help = "What the world says; without a check \"rolled back\" could never be said"));
SECTION(query, snapshot_query, NO_RULE,
        K("name", KEY_NAME, snapshot_query, name, .required = true, .help = "For people"),
        K("unit", KEY_LINE, snapshot_query, unit, .def = "", .help = "ratio (shown in per cent), seconds, bytes …"),
        K("query", KEY_PROMQL, snapshot_query, query, .required = true, .help = "PromQL"));
SECTION(snapshot, rollout, NO_RULE,
        K("window", KEY_DURATION, rollout, snapshot_window_us, .def = "30m", WINDOW,
          .help = "How far back before the incident"),
        LIST("queries", query, rollout, queries, .unique = "name", .required = true, .help = "What is preserved"));
SECTION(criterion, criterion, RULES(.one_of = "max min", .complete = complete_criterion),
        K("name", KEY_LINE, criterion, name, .required = true, .help = "For people"),
        K("query", KEY_PROMQL, criterion, query, .required = true,
          .help = "PromQL; one number. No data, NaN or an error is unknown and never passes"),
        K("max", KEY_FRACTION, criterion, bound, .help = "Holds at or below this"),
        K("min", KEY_FRACTION, criterion, bound, MARK(criterion, is_min, true), .help = "Holds at or above this"),
        K("unit", KEY_LINE, criterion, unit, .def = "",
          .help = "For people: ratio (shown in per cent), seconds, bytes"),
        K("over", KEY_DURATION, criterion, over_us, .def = "0s",
          .help = "The worst value over so long, but not before the stage began"),
        K("after", KEY_DURATION, criterion, after_us, .def = "0s", .help = "Not judged in the stage's first so long"),
        K("samples", KEY_PROMQL, criterion, samples, .help = "PromQL: how many samples stand behind the value"),
        K("min_samples", KEY_NUMBER, criterion, min_samples, .def = "0", .least = 0, .most = 1000000000L,
          .help = "Fewer: unknown"),
        K("left_out", KEY_PROMQL, criterion, left_out,
          .help = "PromQL: one sample for each group that query leaves out as too small; they are named beside the "
                  "value"));
SECTION(stage_flag, stage_flag, RULES(.complete = complete_stage_flag),
        K("name", KEY_VARIABLE, stage_flag, name, .required = true, .help = "One of flags.values"),
        K("value", KEY_LINE, stage_flag, value, .required = true,
          .help = "Written with the percentage when the stage is entered"));
#define PREFILL(s)                                                                                                     \
	K("prefill", KEY_WORD, s, prefill, .words = "comparison cost incidents",                                       \
	  .help = "What is known of it already stands beside it, and is its note when it is done without one: new "    \
	          "way "                                                                                               \
	          "against old way, of that what is marked cost, the incidents of the rollout")
SECTION(item, check_item, NO_RULE,
        K("text", KEY_LINE, check_item, text, .required = true, .help = "What somebody does and ticks"),
        K("valid", KEY_DURATION, check_item, valid_us, .def = "0s",
          .help = "A tick holds so long; 0s: as long as the stage runs"),
        K("every", KEY_DURATION, check_item, every_us, .def = "0s",
          .help = "To be ticked again and again; overdue is told"),
        K("by", KEY_WORD, check_item, by, .words = "drill doctor fallback flags metrics",
          .help = "Ticks itself: a drill that passed; rollbackctl doctor; fallback_probe; the flags file as seen; "
                  "criteria "
                  "all known"),
        PREFILL(check_item),
        K("evidence", KEY_NAME, check_item, evidence,
          .help = "Ticked by what a program posts under this name (role evidence); a person may, too, unless it "
                  "failed"));
SECTION(checklist, checklist, RULES(TEXT_AT(checklist, frozen)),
        K("name", KEY_NAME, checklist, name, .required = true, .help = "As named by stages"),
        LIST("items", item, checklist, items, .required = true, .help = "In order"));
/* When something recurs. */
#define CALENDAR_KEYS(s)                                                                                               \
	K("cron", KEY_CRON, s, when.cron, .required = true, .help = "When it begins, in global.timezone"),             \
		CALENDAR_STOPS(s)
#define CALENDAR_STOPS(s)                                                                                              \
	K("except", KEY_DATES, s, when.except, .help = "Dates, in global.timezone, on which it does not begin"),       \
		K("suspend", KEY_BOOL, s, when.suspend, .def = "false",                                                \
	          .help = "Does not begin until this is false again; what falls due meanwhile is left out")

SECTION(freeze, freeze, RULES(.complete = complete_freeze), CALENDAR_KEYS(freeze),
        K("duration", KEY_DURATION, freeze, duration_us, .required = true, WINDOW, .help = "How long it lasts"),
        K("reason", KEY_LINE, freeze, reason, .required = true, .help = "For people"));
SECTION(milestone, milestone, NO_RULE,
        K("after_stage", KEY_NUMBER, milestone, after_stage, .less = true, .required = true, .least = 0, .most = 1000,
          .help = "Counted from entering this stage"),
        K("in", KEY_DURATION, milestone, in_us, .required = true, .help = "Due so long after"),
        K("text", KEY_LINE, milestone, text, .required = true, .help = "What is due"),
        K("owner", KEY_LINE, milestone, owner, .def = "", .help = "Who does it"), PREFILL(milestone),
        WORD("removes", MARK(milestone, removes_fallback, true), .words = "fallback",
             .help = "It takes the old way down: not due while fallback_probe fails or is unknown"),
        K("approvals", KEY_NAMES, milestone, approvals,
          .help = "Roles that must approve before it is done, each by another person; where the stage is to be "
                  "certified, "
                  "after that"));
SECTION(blocker, blocker, NO_RULE,
        K("text", KEY_LINE, blocker, text, .required = true, .help = "What has to be over before anything is raised"),
        K("owner", KEY_LINE, blocker, owner, .def = "", .help = "Who does it"));
SECTION(named_query, named_query, NO_RULE,
        K("name", KEY_LINE, named_query, name, .required = true, .help = "For people"),
        K("query", KEY_PROMQL, named_query, query, .required = true, .help = "PromQL"));
SECTION(watch, watch, NO_RULE,
        LIST("data", named_query, watch, data, .help = "Queries that must return data while the rollout is above 0 %"),
        K("share", KEY_PROMQL, watch, share, .help = "PromQL: the share of traffic that takes the new way, 0 to 1"),
        K("tolerance", KEY_PERCENTAGE, watch, tolerance_pct, .def = "5",
          .help = "Points by which the share may differ from the percentage"),
        K("after", KEY_DURATION, watch, after_us, .def = "10m",
          .help = "Not judged so long after a change of the percentage"),
        K("patience", KEY_DURATION, watch, patience_us, .def = "2m", WAIT,
          .help = "Blind for so long before anybody is paged"));
SECTION(baseline, baseline_query, NO_RULE,
        K("metric", KEY_NAME, baseline_query, metric, .required = true, .help = "Label metric of rollbackd_baseline"),
        K("query", KEY_PROMQL, baseline_query, query, .required = true, .help = "PromQL: the old way's value"),
        K("samples", KEY_PROMQL, baseline_query, samples, .help = "PromQL: how many samples stand behind it"),
        K("min_samples", KEY_NUMBER, baseline_query, min_samples, .def = "0", .least = 0, .most = 1000000000L,
          .help = "Fewer: the pinned value stays"));
SECTION(compare_counts, compare_queries, NO_RULE,
        K("events", KEY_PROMQL, compare_queries, query, .required = true,
          .help = "PromQL: how many events there were in a step"),
        K("bad", KEY_PROMQL, compare_queries, bad, .required = true,
          .help = "PromQL: how many of them were bad; 0, not nothing, when none was"));
SECTION(compare_errors, compare_metric, NO_RULE,
        OWN("candidate", compare_counts, compare_metric, candidate, .required = true, .help = "The new way"),
        OWN("baseline", compare_counts, compare_metric, baseline, .required = true, .help = "The old way"),
        K("absolute", KEY_FRACTION, compare_metric, absolute, .def = "0.001",
          .help = "A difference of the two ratios that is accepted in any case: 0.001 is 0.1 points"));
SECTION(compare_histogram, compare_metric, NO_RULE,
        K("candidate", KEY_PROMQL, compare_metric, candidate.query, .required = true,
          .help = "PromQL: cumulative buckets of a step: sum by (le) (increase(…_bucket[1h]))"),
        K("baseline", KEY_PROMQL, compare_metric, baseline.query, .required = true, .help = "The same of the old way"),
        K("quantiles", KEY_WORDS, compare_metric, quantile_words, .words = "0.5 0.9 0.95 0.99 0.999",
          .help = "Which are compared; default: 0.5, 0.95 and 0.99"));
SECTION(compare_value, compare_metric, NO_RULE,
        K("candidate", KEY_PROMQL, compare_metric, candidate.query, .required = true,
          .help = "PromQL: one number for a step"),
        K("baseline", KEY_PROMQL, compare_metric, baseline.query, .required = true, .help = "The same of the old way"),
        K("worse", KEY_WORD, compare_metric, worse, .words = "higher lower", .def = "higher",
          .help = "Which is worse"));
SECTION(compare_metric, compare_metric, RULES(.one_of = "errors histogram value", .complete = complete_metric),
        K("name", KEY_NAME, compare_metric, name, .required = true, .help = "For people"),
        K("unit", KEY_LINE, compare_metric, unit, .def = "", .help = "For people: seconds, bytes"),
        K("cost", KEY_BOOL, compare_metric, cost, .def = "false", .help = "It is a cost: the weekly report shows it"),
        PART("errors", compare_errors, MARK(compare_metric, kind, COMPARE_ERRORS),
             .help = "Bad events of all events, as counts"),
        PART("histogram", compare_histogram, MARK(compare_metric, kind, COMPARE_HISTOGRAM),
             .help = "Quantiles of a histogram; lower is better"),
        PART("value", compare_value, MARK(compare_metric, kind, COMPARE_VALUE), .help = "A gauge, a ratio or a rate"));
SECTION(compare, compare_options, NO_RULE,
        K("step", KEY_DURATION, compare_options, step_us, .def = "1h", WINDOW,
          .help = "Both sides are compared step by step; the range in the queries must be the same"),
        K("share", KEY_PROMQL, compare_options, share,
          .help = "PromQL: the share of traffic that took the new way in a step, 0 to 1"),
        LIST("metrics", compare_metric, compare_options, metrics, .unique = "name", .required = true,
             .help = "What is compared"));
SECTION(stage, stage, RULES(TEXT_AT(stage, frozen), .complete = complete_stage),
        K("number", KEY_NUMBER, stage, number, .less = true, .required = true, .least = 0, .most = 1000,
          .help = "Order of the stages"),
        K("name", KEY_LINE, stage, name, .required = true, .help = "For people"),
        K("percentage", KEY_PERCENTAGE, stage, pct, .less = true, .required = true, .help = "Traffic of this stage"),
        K("environment", KEY_LINE, stage, environment, .help = "Default: global.environment"),
        K("duration", KEY_DURATION, stage, duration_us, .def = "0s", .help = "Clean time it takes; 0s: for good"),
        K("approvals", KEY_NAMES, stage, approvals,
          .help = "Roles that must approve leaving it, each by another person"),
        K("checklist", KEY_NAME, stage, checklist, .help = "Name of the checklist to be ticked before it is left"),
        LIST("criteria", criterion, stage, criteria, .asks = true,
             .help = "Must hold to leave it; while one does not, its clock stands still"),
        LIST("set", stage_flag, stage, set, .most = 32, .help = "Other flags that entering it writes"),
        K("certify", KEY_DURATION, stage, certify_us,
          .help = "Clean time after which somebody may call it stable: rollbackctl stage certify"),
        K("release_notes", KEY_TEXT, stage, release_notes, .def = "", .help = "Text for users, published by a person"));
SECTION(drill, drill_plan, RULES(.complete = complete_drill),
        K("cron", KEY_CRON, drill_plan, when.cron, .required = true,
          .help = "When, in global.timezone; put off by up to an hour, or left out, when something is going on"),
        CALENDAR_STOPS(drill_plan),
        K("through", KEY_WORD, drill_plan, through, .words = "alertmanager", .def = "alertmanager",
          .help = "The way its alert takes: global.alertmanager"));
SECTION(rollout, rollout, RULES(TEXT_AT(rollout, frozen), .complete = complete_rollout),
        K("name", KEY_NAME, rollout, name, .required = true, .help = "Value of the alerts' label rollout"),
        K("alerts", KEY_MATCHERS, rollout, alerts, .help = "Which alerts concern it; default: rollout=\"NAME\""),
        K("title", KEY_LINE, rollout, title, .help = "For people; default: the name"),
        K("dashboard_url", KEY_URL, rollout, dashboard_url, .def = "", .help = "Stands in messages"),
        PART("flags", flags, .help = "The environment file with the percentage"),
        LIST("apply", apply, rollout, apply,
             .help = "After the file is written, in order; a failure does not stop the next"),
        LIST("fallback", fallback, rollout, fallbacks, .help = "Other ways to get there, in order, each tried once"),
        LIST("fallback_probe", fallback_check, rollout, probes, .most = 16,
             .help = "Could the old way take the traffic? Asked every evaluation_interval; while not, nothing is "
                     "raised"),
        PART("verify", verify, .required = true, .help = "How to find out that it worked"),
        PART("snapshot", snapshot, .asks = true, .help = "Metrics preserved with an incident"),
        LIST("stages", stage, rollout, stages, .unique = "number", .help = "The rollout plan"),
        LIST("checklists", checklist, rollout, checklists, .unique = "name", .help = "What people tick"),
        LIST("freeze", freeze, rollout, freezes, .help = "When nothing is raised; a rollback is never stopped"),
        LIST("milestones", milestone, rollout, milestones, .help = "What is due some time after a stage was entered"),
        LIST("blocked_by", blocker, rollout, blocked_by, .unique = "text",
             .help = "What has to be over before anything is raised: rollbackctl milestones --done"),
        K("review_before", KEY_NUMBER, rollout, review_before, .def = "0", .least = 0, .most = 1000,
          .help = "Somebody reviews the plan before this stage is entered: rollbackctl milestones --done; 0: nobody"),
        OWN("watch", watch, rollout, watch, .asks = true, .help = "How to tell that the canary is being watched"),
        LIST("baselines", baseline, rollout, baselines, .unique = "metric", .most = 32, .asks = true,
             .help = "Values of the old way, pinned before it has no traffic"),
        OWN("compare", compare, rollout, compare, .asks = true, .help = "New way against old way: rollbackctl compare"),
        OWN("drill", drill, rollout, drill, .help = "Rehearses a rollback by itself; nothing is changed"),
        K("owner", KEY_LINE, rollout, owner, .def = "", .help = "Who owns the rollout"));
SECTION(rollback, playbook, NO_RULE,
        K("to", KEY_TARGET, playbook, to_pct, .required = true, .help = "A percentage, or previous_stage"),
        K("after", KEY_DURATION, playbook, after_us, .def = "0s",
          .help = "Wait so long; called off when every alert resolves first, and Prometheus agrees"));
SECTION(playbook, playbook, RULES(.one_of = "rollback hold", TEXT_AT(playbook, frozen), .complete = complete_playbook),
        K("name", KEY_NAME, playbook, name, .required = true, .help = "For people"),
        K("match", KEY_MATCHERS, playbook, match, .required = true,
          .help = "Matchers; the first playbook that matches wins"),
        K("severity", KEY_WORD, playbook, severity, .words = SEVERITIES, .def = "",
          .help = "Default: the alert's label severity"),
        PART("rollback", rollback, .help = "What to do"),
        K("hold", KEY_BOOL, playbook, hold, .help = "No rollback: tells people"),
        LIST("then", followup, playbook, followups, .help = "What follows the rollback, in order"),
        WORD("review", MARK(playbook, review, true), .words = "required",
             .help = "Nothing is raised before the incident is reviewed"),
        K("restart_at", KEY_NUMBER, playbook, restart_at, .less = true, .least = 0, .most = 1000,
          .help = "And then only from this stage"));
SECTION(sla, sla, RULES(TEXT_AT(sla, frozen)),
        K("detection", KEY_DURATION, sla, detection_us, .def = "2m", WAIT, .help = "Onset to webhook"),
        K("decision", KEY_DURATION, sla, decision_us, .def = "1m", WAIT, .help = "Webhook to first act"),
        K("execution", KEY_DURATION, sla, execution_us, .def = "2m", WAIT, .help = "First act to last"),
        K("verification", KEY_DURATION, sla, verification_us, .def = "5m", WAIT, .help = "Last act to verified"),
        K("total", KEY_DURATION, sla, total_us, .def = "10m", WAIT, .help = "Onset to verified"),
        K("manual_decision", KEY_DURATION, sla, manual_decision_us, .def = "15m", WAIT, .help = "By hand"),
        K("manual_total", KEY_DURATION, sla, manual_total_us, .def = "25m", WAIT, .help = "By hand"));
SECTION(limits, limits, RULES(TEXT_AT(limits, frozen)),
        K("cooldown", KEY_DURATION, limits, cooldown_us, .def = "10m",
          .help = "After a rollback nothing is raised for so long"),
        K("rollbacks_per_day", KEY_NUMBER, limits, rollbacks_per_day, .def = "3", .least = 0, .most = 1000,
          .help = "From so many in 24 hours on raising is locked, until the oldest is a day old; 0: never"),
        K("quiet", KEY_DURATION, limits, quiet_us, .def = "30m",
          .help = "All alerts resolved for so long ends an incident"),
        K("stale", KEY_DURATION, limits, stale_us, .def = "1m",
          .help = "An alert that keeps coming for so long after it was reported resolved lives"));
SECTION(slack, channel_options, RULES(.one_of = "url url_file"),
        K("url", KEY_URL, channel_options, url, .secret = true, .help = "Incoming webhook"),
        K("url_file", KEY_PATH, channel_options, url_file, .help = "File whose first line it is"));
SECTION(webhook, channel_options, RULES(.one_of = "url url_file", .not_both = "secret secret_file"),
        K("url", KEY_URL, channel_options, url, .secret = true, .help = "Where messages are posted"),
        K("url_file", KEY_PATH, channel_options, url_file, .help = "File whose first line it is"),
        K("secret", KEY_LINE, channel_options, secret, .secret = true, .help = "Key of the HMAC-SHA256 signature"),
        K("secret_file", KEY_PATH, channel_options, secret_file, .help = "File whose first line it is"));
SECTION(channel, channel_options, RULES(.one_of = "slack webhook", .complete = complete_channel),
        K("name", KEY_NAME, channel_options, name, .required = true, .help = "For people"),
        PART("slack", slack, MARK(channel_options, kind, CHANNEL_SLACK),
             .help = "Slack, or what speaks its incoming webhooks"),
        PART("webhook", webhook, MARK(channel_options, kind, CHANNEL_WEBHOOK), .help = "Any receiver of signed JSON"),
        K("events", KEY_WORDS, channel_options, event_words,
          .words = "incident page stage plan rollout report report.daily report.weekly report.final all",
          .required = true, .help = "What it hears"),
        K("program", KEY_TEXT, channel_options, program, .help = "jq program of the body; default: the shipped one"));
SECTION(report, report_plan, RULES(.complete = complete_report),
        K("name", KEY_WORD, report_plan, name, .words = "daily weekly final", .required = true, .help = "Which"),
        CALENDAR_KEYS(report_plan));
SECTION(user, user_options, NO_RULE,
        K("name", KEY_NAME, user_options, name, .required = true, .help = "As authenticated"),
        K("roles", KEY_NAMES, user_options, roles, .required = true,
          .help = "webhook, viewer, operator, evidence, or a role that approves"));
SECTION(proxy, settings, NO_RULE,
        K("header", KEY_NAME, settings, proxy_header, .required = true,
          .help = "The header in which it says who asks, as X-Remote-User; it must set it, whatever came"),
        K("from", KEY_NETS, settings, proxy_from, .required = true,
          .help = "The addresses or networks that it asks from; the header is worth nothing from elsewhere"));
static const struct key root_keys[] = {
	PART("global", global, .always = true, .help = "What everything shares"),
	PART("heartbeat", heartbeat, .help = "The alert that proves the alert path"),
	LIST("rollouts", rollout, settings, rollouts, .unique = "name", .required = true,
             .help = "What can be rolled back"),
	LIST("playbooks", playbook, settings, playbooks, .unique = "name",
             .help = "What an alert makes happen; the built-in last one is auto-rollback"),
	OWN("sla", sla, settings, sla, .always = true, .help = "Budgets"),
	OWN("limits", limits, settings, limits, .always = true, .help = "Per rollout"),
	LIST("channels", channel, settings, channels, .unique = "name", .help = "Who is told"),
	LIST("reports", report, settings, reports, .unique = "name", .help = "Reports to the channels that hear them"),
	PART("proxy", proxy, .help = "A proxy in front that knows who asks: single sign-on"),
	LIST("users", user, settings, users, .unique = "name", .help = "Who may do what"),
};
const struct section config_root = {
	.keys = root_keys, .n = ARRAY_LEN(root_keys), .size = sizeof(struct settings), .complete = complete_settings};

/* What an incident keeps. */
static const struct key plan_keys[] = {
	OWN("rollout", rollout, plan, rollout, .help = "As it was"),
	OWN("playbook", playbook, plan, playbook, .help = "As it was"),
	OWN("prometheus", prometheus, plan, prometheus, .help = "As it was"),
	OWN("sla", sla, plan, sla, .help = "As it was"),
	OWN("limits", limits, plan, limits, .help = "As it was"),
	K("external_url", KEY_BASE, plan, external_url, .def = "", .help = "As it was"),
};
const struct section config_plan = {.keys = plan_keys, .n = ARRAY_LEN(plan_keys), .size = sizeof(struct plan)};
