/*
 * What people read of a comparison.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "handlers/compare/compare.h"
#include "server/ctl/show/show_private.h"

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
	struct json_object *bounds = json_arr_of(metric, "interval");

	for (size_t i = 0; bounds && i < 2; i++) {
		struct json_object *v = json_item(bounds, i);
		char text[64] = "?";

		if (v)
			compare_number(json_object_get_double(v), json_str_or(metric, "unit", ""), true, text,
			               sizeof(text));
		buf_printf(&b, "%s%s", i ? " to " : "", text);
	}
	json_add_str(row, "interval", buf_text(&b));
}

/* "12034 / 108221"; NULL: they are not counted. */
static struct json_object *requests_cell(struct json_object *metric)
{
	struct json_object *n = json_obj_of(metric, "requests");
	char text[64];

	if (!n)
		return NULL;
	snprintf(text, sizeof(text), "%lld / %lld", (long long)json_int_or(n, "candidate", 0),
	         (long long)json_int_or(n, "baseline", 0));
	return json_object_new_string(text);
}

static struct json_object *compare_row(struct json_object *metric)
{
	struct json_object *row = json_object_new_object();

	json_add_str(row, "name", json_str_or(metric, "name", "?"));
	json_add_str(row, "verdict", json_str_or(metric, "verdict", "?"));
	json_add_int(row, "n", json_int_or(metric, "n", 0));
	json_add(row, "requests", requests_cell(metric));
	add_number(row, "candidate", metric, false);
	add_number(row, "baseline", metric, false);
	add_number(row, "difference", metric, true);
	add_interval(row, metric);
	return row;
}

static const struct column metric_columns[] = {
	{.title = "METRIC", .key = "name"},           {.title = "CANDIDATE", .key = "candidate"},
	{.title = "BASELINE", .key = "baseline"},     {.title = "DIFFERENCE", .key = "difference"},
	{.title = "95% INTERVAL", .key = "interval"}, {.title = "STEPS", .key = "n"},
	{.title = "REQUESTS", .key = "requests"},     {.title = "VERDICT", .key = "verdict"}};
static const struct column reason_columns[] = {{.title = "METRIC", .key = "name"},
                                               {.title = "WHY", .key = "why", .folds = true}};
static const struct column gap_columns[] = {{.title = "FROM", .key = "from"},
                                            {.title = "TO", .key = "to"},
                                            {.title = "METRIC", .key = "metric"},
                                            {.title = "REASON", .key = "reason", .folds = true}};

static struct json_object *rows_of(struct json_object *o)
{
	struct json_object *rows = json_object_new_array(), *metrics = json_arr_of(o, "metrics");

	for (size_t i = 0; i < json_len(metrics); i++)
		json_object_array_add(rows, compare_row(json_item(metrics, i)));
	return rows;
}

static void show_head(struct json_object *o)
{
	CLEANUP(cleanup_free) char *from = show_cell(o, "from"), *to = show_cell(o, "to");
	char text[64];

	compare_number(json_double_or(o, "observed_share", NAN) / 100, "ratio", false, text, sizeof(text));
	printf("%s from %s to %s; the candidate's share of the traffic: %s\n\n", json_str_or(o, "rollout", "?"), from,
	       to, text);
}

void show_compare(struct json_object *o)
{
	CLEANUP(json_cleanup) struct json_object *rows = rows_of(o);

	show_head(o);
	show_table(rows, metric_columns, ARRAY_LEN(metric_columns));
	show_list(o, "metrics", "Why", reason_columns, ARRAY_LEN(reason_columns));
	show_list(o, "left_out", "Left out", gap_columns, ARRAY_LEN(gap_columns));
	printf("\nVerdict: %s (%s)\n", json_str_or(o, "verdict", "?"), json_str_or(o, "why", ""));
}

/* --- Markdown --- */

static void md_cell(struct json_object *row, const char *key)
{
	CLEANUP(cleanup_free) char *text = show_cell(row, key);

	for (const char *c = text; *c; c++)
		printf(strchr("\\`*_{}[]<>#|~", *c) ? "\\%c" : "%c", *c);
}

static void md_table(struct json_object *rows, const struct column *cols, size_t n)
{
	for (size_t k = 0; k < n; k++)
		printf("%s%s", k ? " | " : "| ", cols[k].title);
	fputs(" |\n", stdout);
	for (size_t k = 0; k < n; k++)
		fputs("|---", stdout);
	fputs("|\n", stdout);
	for (size_t i = 0; i < json_len(rows); i++) {
		for (size_t k = 0; k < n; k++) {
			fputs(k ? " | " : "| ", stdout);
			md_cell(json_item(rows, i), cols[k].key);
		}
		fputs(" |\n", stdout);
	}
}

void show_compare_md(struct json_object *o)
{
	CLEANUP(json_cleanup) struct json_object *rows = rows_of(o);
	struct json_object *gaps = json_arr_of(o, "left_out");

	printf("# Comparison: %s\n\n**%s**: %s\n\n", json_str_or(o, "rollout", "?"), json_str_or(o, "verdict", "?"),
	       json_str_or(o, "why", ""));
	show_head(o);
	md_table(rows, metric_columns, ARRAY_LEN(metric_columns));
	fputs("\n## Why\n\n", stdout);
	md_table(json_arr_of(o, "metrics"), reason_columns, ARRAY_LEN(reason_columns));
	if (json_len(gaps)) {
		fputs("\n## Left out\n\n", stdout);
		md_table(gaps, gap_columns, ARRAY_LEN(gap_columns));
	}
}

/* --- CSV (RFC 4180): numbers as they are, nothing where there is none --- */

static void csv_cell(struct json_object *v)
{
	const char *text = v ? json_object_get_string(v) : "";

	/* Words stand in quotes; a sheet takes what begins like a formula for one. */
	if (!json_object_is_type(v, json_type_string)) {
		fputs(text, stdout);
		return;
	}
	fputs(strchr("=+-@", text[0]) && text[0] ? "\"'" : "\"", stdout);
	for (const char *c = text; *c; c++)
		printf(*c == '"' ? "\"\"" : "%c", *c);
	fputc('"', stdout);
}

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

static void csv_row(struct json_object *m)
{
	struct json_object *interval = member(m, "interval"), *requests = member(m, "requests");
	struct json_object *const cells[] = {member(m, "name"),
	                                     member(m, "unit"),
	                                     member(m, "candidate"),
	                                     member(m, "baseline"),
	                                     member(m, "difference"),
	                                     json_item(interval, 0),
	                                     json_item(interval, 1),
	                                     member(m, "n"),
	                                     member(requests, "candidate"),
	                                     member(requests, "baseline"),
	                                     member(m, "verdict"),
	                                     member(m, "why")};

	for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
		fputs(i ? "," : "", stdout);
		csv_cell(cells[i]);
	}
	fputs("\r\n", stdout);
}

void show_compare_csv(struct json_object *o)
{
	struct json_object *metrics = json_arr_of(o, "metrics");

	fputs("metric,unit,candidate,baseline,difference,low,high,steps,candidate_requests,baseline_requests,verdict,"
	      "why\r\n",
	      stdout);
	for (size_t i = 0; i < json_len(metrics); i++)
		csv_row(json_item(metrics, i));
}
