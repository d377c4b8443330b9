/*
 * rollbackctl sla: how long each rollback took against its budgets, and all of them together.
 */
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"
#include "server/ctl/show/show_private.h"

/* One row a rollback: what each phase took; a miss is marked. */
static struct json_object *row_of(struct json_object *rollback)
{
	struct json_object *row = json_object_new_object(), *phases = json_obj_of(rollback, "sla"), *met = NULL;
	bool said = json_object_object_get_ex(rollback, "met", &met) && met;

	json_add_int(row, "id", json_int_or(rollback, "id", 0));
	json_add_str(row, "opened_at", json_str_or(rollback, "opened_at", NULL));
	json_add_str(row, "by", json_true(rollback, "by_hand") ? "hand" : "alert");
	json_object_object_foreach(phases, name, phase)
	{
		char took[40];
		double seconds = 0;

		json_get_double(phase, "seconds", &seconds);
		text_duration_words((int64_t)(seconds * 1e6), took, sizeof(took));
		CLEANUP(cleanup_free)
		char *cell = text_format("%s%s", took, json_true(phase, "met") ? "" : " MISSED");
		json_add_str(row, name, cell);
	}
	json_add_str(row, "within", !said ? "not over" : json_true(rollback, "met") ? "yes" : "MISSED");
	return row;
}

static void show_tally(struct json_object *o, const char *whose)
{
	static const struct column cols[] = {{.title = "PHASE", .key = "phase"}, {.title = "P50", .key = "p50"},
	                                     {.title = "P95", .key = "p95"},     {.title = "WORST", .key = "worst"},
	                                     {.title = "LIMIT", .key = "limit"}, {.title = "MET", .key = "met"}};
	CLEANUP(json_cleanup) struct json_object *rows = json_object_new_array();
	struct json_object *phases = json_obj_of(o, "phases");
	long long all = (long long)json_int_or(o, "rollbacks", 0);

	if (!all)
		return;
	printf("\n%s: %lld of %lld within the total", whose, (long long)json_int_or(o, "met", 0), all);
	printf(json_int_or(o, "never_seen_done", 0) ? ", never seen done %lld\n" : "\n",
	       (long long)json_int_or(o, "never_seen_done", 0));
	json_object_object_foreach(phases, name, phase)
	{
		static const char *const spans[] = {"p50", "p95", "worst", "limit"};
		struct json_object *row = json_object_new_object();
		CLEANUP(cleanup_free)
		char *met = text_format("%lld of %lld", (long long)json_int_or(phase, "met", 0),
		                        (long long)json_int_or(phase, "rollbacks", 0));

		json_add_str(row, "phase", name);
		for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
			char words[40];
			double seconds = 0;

			json_get_double(phase, spans[i], &seconds);
			text_duration_words((int64_t)(seconds * 1e6), words, sizeof(words));
			json_add_str(row, spans[i], words);
		}
		json_add_str(row, "met", met);
		json_object_array_add(rows, row);
	}
	show_table(rows, cols, ARRAY_LEN(cols));
}

static void show_sla_of(struct json_object *o)
{
	static const struct column cols[] = {{.title = "ID", .key = "id"},
	                                     {.title = "OPENED", .key = "opened_at", .brief = true},
	                                     {.title = "BY", .key = "by"},
	                                     {.title = "DETECTED", .key = "detection"},
	                                     {.title = "DECIDED", .key = "decision"},
	                                     {.title = "APPLIED", .key = "execution"},
	                                     {.title = "VERIFIED", .key = "verification"},
	                                     {.title = "TOTAL", .key = "total"},
	                                     {.title = "IN TIME", .key = "within"}};
	CLEANUP(json_cleanup) struct json_object *rows = json_object_new_array();
	struct json_object *all = json_arr_of(o, "rollbacks");
	CLEANUP(cleanup_free) char *since = show_cell(o, "since");

	for (size_t i = 0; i < json_len(all); i++)
		json_object_array_add(rows, row_of(json_item(all, i)));
	printf("%s since %s: %zu %s\n", json_str_or(o, "rollout", "?"), since, json_len(all),
	       text_many((int64_t)json_len(all), "rollback", "rollbacks"));
	if (json_len(all))
		show_table(rows, cols, ARRAY_LEN(cols));
	show_tally(json_obj_of(o, "automatic"), "By alerts");
	show_tally(json_obj_of(o, "by_hand"), "By hand");
}

static bool all_met(struct json_object *o)
{
	struct json_object *all = json_arr_of(o, "rollbacks"), *met = NULL;

	for (size_t i = 0; i < json_len(all); i++)
		if (json_object_object_get_ex(json_item(all, i), "met", &met) && met && !json_object_get_boolean(met))
			return false;
	return true;
}

int cmd_sla(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	CLEANUP(buf_free) struct buf query = BUF(300);
	const char *since = ctl_value(c, "since");
	int code = 0;
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, words[0], &code);

	(void)n;
	if (!rollout)
		return code;
	buf_str(&query, since ? "/sla?" : "/sla");
	if (since)
		ctl_param(&query, "since", since);
	int r = ctl_ask(c, "GET", "rollouts", rollout, buf_text(&query), NULL, &data);
	if (r)
		return r;
	ctl_print(c, data, show_sla_of);
	return all_met(data) ? CTL_YES : CTL_NO;
}
