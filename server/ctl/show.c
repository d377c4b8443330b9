/*
 * What people read: tables and an incident in full. Text from alerts is made harmless for a terminal.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/compare/compare.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define CELL_MAX    200
#define COLUMNS_MAX 10

void ctl_print(const struct ctl *c, struct json_object *data, void (*show)(struct json_object *))
{
	if (c->json)
		puts(json_object_to_json_string_ext(data, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		show(data);
}

/* A member as one harmless line: "-" when absent or null. The caller's to free. */
static char *cell(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;
	struct buf b = BUF(CELL_MAX * 4);
	const char *text = "-";

	if (json_object_object_get_ex(o, key, &v) && v)
		text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : json_text(v);
	text_one_line(&b, text, strlen(text), CELL_MAX);
	char *line = buf_take(&b);
	if (!line)
		abort(); /* out of memory */
	return line;
}

/* Characters, not bytes. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

static void pad(const char *s, int to, bool last)
{
	fputs(s, stdout);
	for (int i = width(s); !last && i < to + 2; i++)
		putchar(' ');
}

struct column {
	const char *title, *key;
};

static void table(struct json_object *arr, const struct column *cols, size_t n)
{
	size_t rows = json_object_array_length(arr);
	int w[COLUMNS_MAX];

	for (size_t c = 0; c < n; c++)
		w[c] = width(cols[c].title);
	for (size_t i = 0; i < rows; i++)
		for (size_t c = 0; c < n; c++) {
			CLEANUP(cleanup_free) char *text = cell(json_object_array_get_idx(arr, i), cols[c].key);

			if (text && width(text) > w[c])
				w[c] = width(text);
		}
	for (size_t c = 0; c < n; c++)
		pad(cols[c].title, w[c], c + 1 == n);
	putchar('\n');
	for (size_t i = 0; i < rows; i++) {
		for (size_t c = 0; c < n; c++) {
			CLEANUP(cleanup_free) char *text = cell(json_object_array_get_idx(arr, i), cols[c].key);

			pad(text ? text : "", w[c], c + 1 == n);
		}
		putchar('\n');
	}
}

static void print_field(const char *title, struct json_object *o, const char *key)
{
	CLEANUP(cleanup_free) char *text = cell(o, key);

	if (text && strcmp(text, "-") != 0 && text[0])
		printf("  %-14s%s\n", title, text);
}

static void say_incident(struct json_object *rollout)
{
	struct json_object *inc = NULL;

	int64_t drill = json_int_or(rollout, "drill", 0);

	if (drill)
		printf("  Drill         %lld: rollbackctl incident %lld\n", (long long)drill, (long long)drill);
	if (json_get_obj(rollout, "incident", &inc) != 1) {
		puts("  Incident      none");
		return;
	}
	CLEANUP(cleanup_free) char *action = cell(inc, "action"), *summary = cell(inc, "summary");
	printf("  Incident      %lld, %s: %s\n", (long long)json_int_or(inc, "id", 0), json_str_or(inc, "state", "?"),
	       action);
	printf("                %s\n                rollbackctl incident %lld\n", summary,
	       (long long)json_int_or(inc, "id", 0));
}

static void say_clock(struct json_object *o)
{
	struct json_object *clock = NULL;
	double clean = 0, required = 0;
	char a[40], b[40];

	if (json_get_obj(o, "clock", &clock) != 1)
		return;
	json_get_double(clock, "clean", &clean);
	text_duration_words((int64_t)(clean * 1e6), a, sizeof(a));
	printf("  Clean         %s", a);
	if (json_get_double(clock, "required", &required) == 1) {
		text_duration_words((int64_t)(required * 1e6), b, sizeof(b));
		printf(" of %s", b);
	}
	putchar('\n');
	print_field("Stands still", clock, "why");
}

/* What stops it, and what is missing: one line each, none when there is nothing to say. */
static void say_plan(struct json_object *o)
{
	struct json_object *hold = NULL, *watch = NULL, *next = NULL, *missing = NULL;
	int64_t stage = 0;
	size_t n = 0;

	if (json_get_obj(o, "hold", &hold) == 1)
		print_field("Held by", hold, "by");
	print_field("Freeze", o, "freeze");
	print_field("Entering", o, "entering");
	if (json_get_obj(o, "watch", &watch) == 1)
		print_field("NOT WATCHED", watch, "blind");
	if (json_get_obj(o, "next", &next) != 1 || json_get_int(next, "stage", &stage) != 1)
		return;
	if (json_get_arr(next, "missing", &missing) == 1)
		n = json_object_array_length(missing);
	printf("  Next          stage %lld %s: ", (long long)stage, json_str_or(next, "name", ""));
	printf(n ? "%zu missing, rollbackctl stage %s\n" : "nothing is missing\n", n, json_str_or(o, "name", ""));
}

void show_rollouts(struct json_object *arr)
{
	for (size_t i = 0; i < json_object_array_length(arr); i++) {
		struct json_object *o = json_object_array_get_idx(arr, i);
		CLEANUP(cleanup_free)
		char *name = cell(o, "name"), *title = cell(o, "title"), *stage = cell(o, "stage");
		CLEANUP(cleanup_free) char *stage_name = cell(o, "stage_name"), *wanted = cell(o, "percentage_wanted");
		CLEANUP(cleanup_free) char *seen = cell(o, "percentage_seen"), *seen_at = cell(o, "seen_at");

		printf("%s (%s)\n", name, title);
		if (strcmp(stage, "-") != 0)
			printf("  Stage         %s %s\n", stage,
			       stage_name[0] != '-' ? stage_name : "(not in the config any more)");
		else
			puts("  Stage         unstaged");
		if (strcmp(stage, "-") != 0)
			say_clock(o);
		printf("  Percentage    %s%% wanted, ", wanted);
		if (strcmp(seen, "-") != 0)
			printf("%s%% last seen at %s\n", seen, seen_at);
		else
			puts("never seen by a verification");
		print_field("Doubt", o, "doubt");
		say_incident(o);
		say_plan(o);
	}
	if (!json_object_array_length(arr))
		puts("no rollouts in the config");
}

void show_incidents(struct json_object *arr)
{
	static const struct column cols[] = {
		{"ID", "id"},       {"OPENED", "opened_at"}, {"ROLLOUT", "rollout"},
		{"STATE", "state"}, {"ACTION", "action"},    {"SUMMARY", "summary"},
	};

	if (json_object_array_length(arr))
		table(arr, cols, ARRAY_LEN(cols));
	else
		puts("no incidents");
}

static void show_list(struct json_object *o, const char *key, const char *title, const struct column *cols, size_t n)
{
	struct json_object *arr = NULL;

	if (json_get_arr(o, key, &arr) != 1 || json_object_array_length(arr) == 0)
		return;
	printf("\n%s\n", title);
	table(arr, cols, n);
}

static void show_outputs(struct json_object *o)
{
	struct json_object *arr = NULL;

	for (size_t i = 0; json_get_arr(o, "steps", &arr) == 1 && i < json_object_array_length(arr); i++) {
		struct json_object *s = json_object_array_get_idx(arr, i);
		const char *out = json_str_or(s, "output", "");

		if (out[0])
			printf("\nOutput of %s\n%s%s", json_str_or(s, "name", "?"), out,
			       out[strlen(out) - 1] == '\n' ? "" : "\n");
	}
}

static void show_verification(struct json_object *o)
{
	struct json_object *conditions = NULL;

	if (json_get_obj(o, "verification", &conditions) != 1)
		return;
	puts("\nVerification");
	json_object_object_foreach(conditions, name, condition)
	{
		CLEANUP(cleanup_free) char *note = cell(condition, "note");
		bool said = note[0] && strcmp(note, "-") != 0;

		printf("  %-14s%s%s%s\n", name, json_str_or(condition, "state", "unknown"), said ? ": " : "",
		       said ? note : "");
	}
}

static void show_sla(struct json_object *o)
{
	struct json_object *sla = NULL;
	char took[40], limit[40];

	if (json_get_obj(o, "sla", &sla) != 1 || !json_object_object_length(sla))
		return;
	puts("\nTime against the SLA");
	json_object_object_foreach(sla, phase, one)
	{
		double seconds = 0, most = 0;
		bool met = true;

		json_get_double(one, "seconds", &seconds);
		json_get_double(one, "limit", &most);
		json_get_bool(one, "met", &met);
		text_duration_words((int64_t)(seconds * 1e6), took, sizeof(took));
		text_duration_words((int64_t)(most * 1e6), limit, sizeof(limit));
		printf("  %-14s%s of %s%s%s\n", phase, took, limit, met ? "" : ": MISSED",
		       strcmp(json_str_or(one, "from", ""), "startsAt") ? "" : " (since it fired)");
	}
}

void show_incident(struct json_object *o)
{
	static const struct column alerts[] = {
		{"STATUS", "status"}, {"SINCE", "starts_at"}, {"TIMES", "times"}, {"LABELS", "labels"}};
	static const struct column steps[] = {{"STEP", "name"},
	                                      {"STATE", "state"},
	                                      {"ATTEMPTS", "attempts"},
	                                      {"STARTED", "started_at"},
	                                      {"ENDED", "ended_at"}};
	static const struct column line[] = {{"AT", "at"}, {"WHO", "who"}, {"WHAT", "what"}, {"NOTE", "note"}};
	static const struct column told[] = {{"CHANNEL", "channel"},   {"WHAT", "what"},    {"STATE", "state"},
	                                     {"ATTEMPTS", "attempts"}, {"SENT", "sent_at"}, {"ERROR", "error"}};

	printf("%sIncident %lld: %s\n", !strcmp(json_str_or(o, "kind", ""), "drill") ? "[DRILL] " : "",
	       (long long)json_int_or(o, "id", 0), json_str_or(o, "state", "?"));
	static const struct column head[] = {
		{"Action", "action"},
		{"Summary", "summary"},
		{"Rollout", "rollout"},
		{"Stage", "stage"},
		{"Playbook", "playbook"},
		{"Severity", "severity"},
		{"Kind", "kind"},
		{"Opened", "opened_at"},
		{"Opened by", "opened_by"},
		{"Due", "due_at"},
		{"Failed", "failed_at"},
		{"Rolled back", "rolled_back_at"},
		{"Resolved", "resolved_at"},
		{"Acknowledged", "acknowledged_by"},
		{"ETA", "eta"},
		{"Dashboard", "dashboard_url"},
	};
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		print_field(head[i].title, o, head[i].key);
	show_verification(o);
	show_sla(o);
	show_list(o, "alerts", "Alerts", alerts, ARRAY_LEN(alerts));
	show_list(o, "steps", "Steps", steps, ARRAY_LEN(steps));
	show_list(o, "timeline", "Timeline", line, ARRAY_LEN(line));
	show_list(o, "notifications", "Messages", told, ARRAY_LEN(told));
	show_outputs(o);
}

size_t show_news(struct json_object *incident, size_t seen)
{
	struct json_object *arr = NULL;

	if (json_get_arr(incident, "timeline", &arr) != 1)
		return seen;
	for (; seen < json_object_array_length(arr); seen++) {
		struct json_object *e = json_object_array_get_idx(arr, seen);
		CLEANUP(cleanup_free) char *at = cell(e, "at"), *what = cell(e, "what"), *note = cell(e, "note");

		printf("%s  %s%s%s\n", at, what, note[0] && note[0] != '-' ? ": " : "", note[0] != '-' ? note : "");
	}
	fflush(stdout);
	return seen;
}

/* --- a comparison --- */

static void add_number(struct json_object *row, const char *key, struct json_object *metric, bool is_difference)
{
	char text[64] = "-";
	double v = 0;

	if (json_get_double(metric, key, &v) == 1)
		compare_number(v, json_str_or(metric, "unit", ""), is_difference, text, sizeof(text));
	json_add_str(row, key, text);
}

static void add_interval(struct json_object *row, struct json_object *metric)
{
	CLEANUP(buf_free) struct buf b = BUF(200);
	struct json_object *bounds = NULL;

	for (size_t i = 0; json_get_arr(metric, "interval", &bounds) == 1 && i < 2; i++) {
		struct json_object *v = json_object_array_get_idx(bounds, i);
		char text[64] = "?";

		if (v)
			compare_number(json_object_get_double(v), json_str_or(metric, "unit", ""), true, text,
			               sizeof(text));
		buf_printf(&b, "%s%s", i ? " to " : "", text);
	}
	json_add_str(row, "interval", buf_text(&b));
}

static struct json_object *compare_row(struct json_object *metric)
{
	struct json_object *row = json_object_new_object();

	json_add_str(row, "name", json_str_or(metric, "name", "?"));
	json_add_str(row, "verdict", json_str_or(metric, "verdict", "?"));
	json_add_int(row, "n", json_int_or(metric, "n", 0));
	add_number(row, "candidate", metric, false);
	add_number(row, "baseline", metric, false);
	add_number(row, "difference", metric, true);
	add_interval(row, metric);
	return row;
}

void show_compare(struct json_object *o)
{
	static const struct column cols[] = {{"METRIC", "name"},           {"CANDIDATE", "candidate"},
	                                     {"BASELINE", "baseline"},     {"DIFFERENCE", "difference"},
	                                     {"95% INTERVAL", "interval"}, {"STEPS", "n"},
	                                     {"VERDICT", "verdict"}};
	static const struct column reasons[] = {{"METRIC", "name"}, {"WHY", "why"}};
	static const struct column gaps[] = {
		{"FROM", "from"}, {"TO", "to"}, {"METRIC", "metric"}, {"REASON", "reason"}};
	CLEANUP(json_cleanup) struct json_object *rows = json_object_new_array();
	struct json_object *metrics = NULL;

	for (size_t i = 0; json_get_arr(o, "metrics", &metrics) == 1 && i < json_object_array_length(metrics); i++)
		json_object_array_add(rows, compare_row(json_object_array_get_idx(metrics, i)));
	CLEANUP(cleanup_free) char *from = cell(o, "from"), *to = cell(o, "to");
	double share = NAN;
	char text[64];

	json_get_double(o, "observed_share", &share);
	compare_number(share / 100, "ratio", false, text, sizeof(text));
	printf("%s from %s to %s; the candidate's share of the traffic: %s\n\n", json_str_or(o, "rollout", "?"), from,
	       to, text);
	table(rows, cols, ARRAY_LEN(cols));
	show_list(o, "metrics", "Why", reasons, ARRAY_LEN(reasons));
	show_list(o, "left_out", "Left out", gaps, ARRAY_LEN(gaps));
	printf("\nVerdict: %s (%s)\n", json_str_or(o, "verdict", "?"), json_str_or(o, "why", ""));
}
