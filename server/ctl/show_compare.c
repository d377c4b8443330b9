/*
 * What people read of a comparison.
 */
#include <math.h>
#include <stdio.h>

#include "handlers/compare/compare.h"
#include "server/ctl/show_private.h"

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
	struct json_object *metrics = json_arr_of(o, "metrics");

	for (size_t i = 0; i < json_len(metrics); i++)
		json_object_array_add(rows, compare_row(json_item(metrics, i)));
	CLEANUP(cleanup_free) char *from = show_cell(o, "from"), *to = show_cell(o, "to");
	char text[64];

	compare_number(json_double_or(o, "observed_share", NAN) / 100, "ratio", false, text, sizeof(text));
	printf("%s from %s to %s; the candidate's share of the traffic: %s\n\n", json_str_or(o, "rollout", "?"), from,
	       to, text);
	show_table(rows, cols, ARRAY_LEN(cols));
	show_list(o, "metrics", "Why", reasons, ARRAY_LEN(reasons));
	show_list(o, "left_out", "Left out", gaps, ARRAY_LEN(gaps));
	printf("\nVerdict: %s (%s)\n", json_str_or(o, "verdict", "?"), json_str_or(o, "why", ""));
}
