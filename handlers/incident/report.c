#include "handlers/incident/report.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "alertmanager/promql.h"
#include "handlers/incident/json.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/text.h"
#include "handlers/settings/snapshot.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define CELL_MAX  300
#define VALUE_MAX (1024 * 1024)

/* Text from outside inside one line or cell: nothing in it is Markdown. */
static void cell(struct buf *b, const char *text)
{
	struct buf line = BUF(CELL_MAX * 4);

	text_one_line(&line, text ? text : "", text ? strlen(text) : 0, CELL_MAX);
	for (const char *c = buf_text(&line); *c; c++) {
		if (strchr("\\`*_{}[]<>#|~!", *c))
			buf_char(b, '\\');
		buf_char(b, *c);
	}
	buf_free(&line);
}

static void value(struct buf *b, struct json_object *v)
{
	CLEANUP(buf_free) struct buf words = BUF(VALUE_MAX);

	json_words(&words, v);
	cell(b, buf_text(&words));
}

static void member(struct buf *b, const char *label, struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(o, key, &v) || !v)
		return;
	if (json_object_is_type(v, json_type_string) && !json_object_get_string_len(v))
		return;
	buf_printf(b, "- %s: ", label);
	value(b, v);
	buf_char(b, '\n');
}

static bool is_drill(struct json_object *o)
{
	return !strcmp(json_str_or(o, "kind", ""), "drill");
}

/* As everywhere else. */
static void over(struct buf *b, struct json_object *o)
{
	struct json_object *answer = NULL, *next = NULL;

	if (json_get_obj(o, "over", &answer) != 1 || json_get_arr(o, "next", &next) != 1)
		return;
	buf_printf(b, "- Over: %s, because ", json_str_or(answer, "answer", "unknown"));
	cell(b, json_str_or(answer, "because", ""));
	for (size_t i = 0; i < json_object_array_length(next); i++)
		buf_printf(b, "%s`%s`",
		           i ? ", or " : "\n- Next: ", json_object_get_string(json_object_array_get_idx(next, i)));
	buf_char(b, '\n');
}

static void percentage(struct buf *b, int32_t pct, const char *what)
{
	char text[16];

	text_pct(pct, text, sizeof(text));
	buf_printf(b, "%s%s %s", text, pct < 0 ? "" : "%", what);
}

static void traffic(struct buf *b, const struct incident *inc)
{
	if (inc->stage >= 0)
		buf_printf(b, "- Stage: %d\n", inc->stage);
	buf_str(b, "- Traffic: ");
	percentage(b, inc->pct_before, "before, ");
	if (inc->pct_wanted >= 0)
		percentage(b, inc->pct_wanted, "wanted, ");
	percentage(b, inc->pct_seen, "seen\n");
}

static void head(struct buf *b, struct json_object *o, const struct incident *inc)
{
	buf_printf(b, "# %sIncident %lld: ", is_drill(o) ? "[DRILL] " : "", (long long)json_int_or(o, "id", 0));
	cell(b, json_str_or(o, "summary", ""));
	buf_str(b, "\n\n");
	over(b, o);
	static const struct {
		const char *label, *key;
	} lines[] = {
		{"Rollout", "rollout"},
		{"State", "state"},
		{"Kind", "kind"},
		{"Severity", "severity"},
		{"Playbook", "playbook"},
		{"Measured", "measured"},
		{"Action", "action"},
		{"Began", "onset_at"},
		{"Opened", "opened_at"},
		{"Opened by", "opened_by"},
		{"Decided by the trigger of", "decided_at"},
		{"Reason", "reason"},
		{"Failed", "failed_at"},
		{"Rolled back", "rolled_back_at"},
		{"Resolved", "resolved_at"},
		{"Acknowledged by", "acknowledged_by"},
		{"ETA", "eta"},
		{"Review", "review"},
		{"Reviewed by", "reviewed_by"},
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		member(b,
		       strcmp(lines[i].key, "rolled_back_at") != 0 ? lines[i].label
		       : kind_of(inc)->enters                      ? "Entered"
		       : kind_of(inc)->once                        ? "Seen"
		                                                   : lines[i].label,
		       o, lines[i].key);
	traffic(b, inc);
}

static void budgets(struct buf *b, struct json_object *o)
{
	struct json_object *sla = NULL;
	char took[40], limit[40];

	if (json_get_obj(o, "sla", &sla) != 1 || !json_object_object_length(sla))
		return;
	buf_str(b, "\n## Time\n\n| phase | took | limit | |\n|---|---|---|---|\n");
	json_object_object_foreach(sla, phase, one)
	{
		double seconds = 0, most = 0;
		bool met = false;

		json_get_double(one, "seconds", &seconds);
		json_get_double(one, "limit", &most);
		json_get_bool(one, "met", &met);
		text_duration_words((int64_t)(seconds * (double)US_PER_S), took, sizeof(took));
		text_duration_words((int64_t)(most * (double)US_PER_S), limit, sizeof(limit));
		/* How long the alert was pending before it fired is not known: a miss is one, but nothing is met for
		 * sure. */
		bool since_fired = !strcmp(json_str_or(one, "from", ""), "startsAt");
		buf_printf(b, "| %s%s | %s | %s | %s |\n", phase, since_fired ? " (since it fired)" : "", took, limit,
		           !met          ? "MISSED"
		           : since_fired ? "unknown"
		                         : "met");
	}
}

static void conditions(struct buf *b, struct json_object *o)
{
	struct json_object *all = NULL;

	if (json_get_obj(o, "verification", &all) != 1)
		return;
	buf_str(b, "\n## Verification\n\n| | | |\n|---|---|---|\n");
	json_object_object_foreach(all, condition, one)
	{
		bool asked = true;

		json_get_bool(one, "asked", &asked);
		if (!asked)
			continue;
		buf_printf(b, "| %s | %s | ", condition, json_str_or(one, "state", "unknown"));
		cell(b, json_str_or(one, "note", ""));
		buf_str(b, " |\n");
	}
}

/* One table of a list's members. */
static void table(struct buf *b, struct json_object *o, const char *list, const char *title, const char *const keys[],
                  size_t n)
{
	assert(list && title && n > 0);
	struct json_object *arr = NULL;

	if (json_get_arr(o, list, &arr) != 1 || !json_object_array_length(arr))
		return;
	buf_printf(b, "\n## %s\n\n|", title);
	for (size_t k = 0; k < n; k++)
		buf_printf(b, " %s |", keys[k]);
	buf_str(b, "\n|");
	for (size_t k = 0; k < n; k++)
		buf_str(b, "---|");
	buf_char(b, '\n');
	for (size_t i = 0; i < json_object_array_length(arr); i++) {
		struct json_object *row = json_object_array_get_idx(arr, i), *v = NULL;

		buf_char(b, '|');
		for (size_t k = 0; k < n; k++) {
			buf_char(b, ' ');
			json_object_object_get_ex(row, keys[k], &v);
			value(b, v);
			buf_str(b, " |");
		}
		buf_char(b, '\n');
	}
}

/* Of a series, in unix seconds: the mean of the points from one moment to another, and the last one before a moment.
 * NaN: none. */
static double mean(struct json_object *points, double from, double to)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(points); i++) {
		struct json_object *p = json_object_array_get_idx(points, i), *v = json_object_array_get_idx(p, 1);

		double at = v ? json_object_get_double(json_object_array_get_idx(p, 0)) : NAN;

		if (!(at >= from && at < to))
			continue;
		sum += json_object_get_double(v);
		n++;
	}
	return n ? sum / (double)n : NAN;
}

static double last(struct json_object *points, double from, double to)
{
	double value = NAN;

	for (size_t i = 0; i < json_object_array_length(points); i++) {
		struct json_object *p = json_object_array_get_idx(points, i), *v = json_object_array_get_idx(p, 1);
		double at = v ? json_object_get_double(json_object_array_get_idx(p, 0)) : NAN;

		if (at >= from && at <= to)
			value = json_object_get_double(v);
	}
	return value;
}

/* So long after a moment the values of a query still stand on what was before it, in seconds. */
static double back_of(const struct rollout *r, const char *series)
{
	size_t len = strcspn(series, "{");
	double back = 0;

	for (size_t i = 0; i < r->n_queries; i++) {
		struct promql p = {0};

		if (strncmp(r->queries[i].name, series, len) != 0 || r->queries[i].name[len])
			continue;
		if (promql_scan(r->queries[i].query, &p) == 0)
			back = (double)promql_back(&p) / (double)US_PER_S;
		promql_free(&p);
	}
	return back;
}

/* One of several series of a query is called by the query's name and its labels. */
static const char *unit_of(struct json_object *units, const char *series)
{
	CLEANUP(cleanup_free) char *name = text_format("%.*s", (int)strcspn(series, "{"), series);

	return name && units ? json_str_or(units, name, "") : "";
}

static void value_cell(struct buf *b, double value, const char *unit)
{
	char text[100] = "no data";

	if (!isnan(value))
		text_number(value, unit, text, sizeof(text));
	buf_str(b, " | ");
	cell(b, text);
}

/* What is said of each series: a mean, or the last value, between two moments (unix seconds). after: only what stands
 * on nothing of before any more. */
struct span {
	const char *title;
	double from, until;
	bool last, after;
};

static double value_of(struct json_object *points, const struct span *s, double back)
{
	return s->last ? last(points, s->from, s->until) : mean(points, s->from + (s->after ? back : 0), s->until);
}

static void values(struct buf *b, struct json_object *set, const char *title, const struct rollout *r,
                   const struct span *spans, size_t n)
{
	struct json_object *series = NULL, *units = NULL;

	if (json_get_obj(set, "series", &series) != 1 || !json_object_object_length(series))
		return;
	json_get_obj(set, "units", &units);
	buf_printf(b, "\n## %s\n\n| series |", title);
	for (size_t i = 0; i < n; i++)
		buf_printf(b, " %s |", spans[i].title);
	buf_str(b, "\n|---|");
	for (size_t i = 0; i < n; i++)
		buf_str(b, "---|");
	buf_char(b, '\n');
	json_object_object_foreach(series, name, points)
	{
		double back = back_of(r, name);

		buf_str(b, "| ");
		cell(b, name);
		for (size_t i = 0; i < n; i++)
			value_cell(b, value_of(points, &spans[i], back), unit_of(units, name));
		buf_str(b, " |\n");
	}
}

static double unix_s(int64_t us)
{
	return (double)us / (double)US_PER_S;
}

static void metrics(struct buf *b, struct json_object *o, const struct incident *inc, const struct rollout *r)
{
	struct json_object *snap = NULL, *earlier = NULL;
	double began = unix_s(inc->onset_at_us ? inc->onset_at_us : incident_decided_us(inc)),
	       over = inc->rolled_back_at_us ? unix_s(inc->rolled_back_at_us) : INFINITY,
	       lowered = inc->applied_at_us ? unix_s(inc->applied_at_us) : over;
	const struct span spans[] = {{"before it began, mean", 0, began, .last = false},
	                             {"when it was lowered", began, lowered, .last = true},
	                             {"after, mean", over, INFINITY, .after = true}};
	const struct span before = {"before it came, mean", 0, INFINITY, .last = false};

	if (json_get_obj(o, "snapshot", &snap) != 1)
		return;
	values(b, snap, "Metrics", r, spans, ARRAY_LEN(spans));
	json_get_arr(snap, "earlier", &earlier);
	for (size_t i = 0; earlier && i < json_object_array_length(earlier); i++) {
		struct json_object *one = json_object_array_get_idx(earlier, i);
		CLEANUP(cleanup_free)
		char *title = text_format("Metrics before the trigger of %s", json_str_or(one, "at", ""));

		values(b, one, title ? title : "Metrics before", r, &before, 1);
	}
}

static const char review[] = "\n## Review\n\n- [ ] What was the cause?\n- [ ] Why did no test or stage before find "
			     "it?\n- [ ] Was it noticed, decided and undone in time?\n"
			     "- [ ] Did every message reach whom it should?\n- [ ] What is changed so that it does not "
			     "come again, by whom, until when?\n"
			     "- [ ] From which stage does the rollout start again?\n";

int incident_report(struct db_conn *c, const struct incident *inc, struct buf *b)
{
	assert(c && inc && b);
	static const char *const alerts[] = {"fingerprint", "status", "starts_at", "labels"};
	static const char *const steps[] = {"name", "state", "attempts", "started_at", "ended_at", "output"};
	static const char *const timeline[] = {"at", "who", "what", "note"};
	static const char *const told[] = {"channel", "event", "what", "state", "attempts", "sent_at"};
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	CLEANUP(plan_cleanup) struct plan *plan = NULL;
	static const struct rollout unknown = {0};
	int r = incident_json(c, inc, PART_ALL, &o);

	if (r < 0)
		return r;
	bool known = plan_get(c, inc->config, &plan) == 0;
	head(b, o, inc);
	budgets(b, o);
	conditions(b, o);
	table(b, o, "timeline", "Timeline", timeline, ARRAY_LEN(timeline));
	table(b, o, "alerts", "Alerts", alerts, ARRAY_LEN(alerts));
	table(b, o, "steps", "Steps", steps, ARRAY_LEN(steps));
	metrics(b, o, inc, known ? &plan->rollout : &unknown);
	table(b, o, "notifications", "Who was told", told, ARRAY_LEN(told));
	if (!is_drill(o))
		buf_str(b, review);
	return 0;
}
