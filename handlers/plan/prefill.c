#include "handlers/plan/prefill.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db/incident.h"
#include "handlers/compare/compare.h"
#include "handlers/incident/kinds.h"
#include "server/core/text.h"

#define LOOKED_MAX 100 /* incidents */
#define TOLD_MAX   5
#define BUF_MAX    (8 * PREFILL_MAX)

/* --- new way against old way --- */

static bool is_cost(const struct rollout *r, const char *name)
{
	for (size_t i = 0; i < r->compare.n_metrics; i++)
		if (r->compare.metrics[i].cost && !strcmp(r->compare.metrics[i].name, name))
			return true;
	return false;
}

static void number(struct json_object *metric, const char *key, char *out, size_t size)
{
	double v = NAN;

	json_get_double(metric, key, &v);
	compare_number(v, json_str_or(metric, "unit", ""), false, out, size);
}

static void add_metric(struct buf *b, struct json_object *metric)
{
	char candidate[64], baseline[64];

	number(metric, "candidate", candidate, sizeof(candidate));
	number(metric, "baseline", baseline, sizeof(baseline));
	buf_printf(b, "; %s %s, %s against %s", json_str_or(metric, "name", "?"), json_str_or(metric, "verdict", "?"),
	           candidate, baseline);
}

static void add_moment(struct buf *b, struct json_object *comparison, const char *key)
{
	const char *text = json_str_or(comparison, key, "");
	char at[40] = "?";
	int64_t us = 0;

	if (text_time_parse(text, strlen(text), &us) == 0)
		text_time_words(us, at, sizeof(at));
	buf_str(b, at);
}

static void compared(struct buf *b, const struct rollout *r, struct json_object *comparison, bool cost)
{
	struct json_object *metrics = json_arr_of(comparison, "metrics");

	if (!comparison) {
		buf_str(b, "not compared yet");
		return;
	}
	add_moment(b, comparison, "from");
	buf_str(b, " to ");
	add_moment(b, comparison, "to");
	for (size_t i = 0; i < json_len(metrics); i++)
		if (!cost || is_cost(r, json_str_or(json_item(metrics, i), "name", "")))
			add_metric(b, json_item(metrics, i));
}

/* --- incidents --- */

static const char *what_became_of(const struct incident *i)
{
	return incident_is_open(i->state)                 ? "open"
	       : i->review == REVIEW_REQUIRED             ? "its review is open"
	       : i->review == REVIEW_DONE                 ? "reviewed"
	       : i->rolled_back_at_us || i->started_at_us ? "rolled back"
	                                                  : "nothing was rolled back";
}

static void add_incident(struct buf *b, const struct incident *i)
{
	char at[40];

	text_time_words(i->opened_at_us, at, sizeof(at));
	buf_printf(b, "; %lld, %s, ", (long long)i->id, at);
	text_one_line(b, i->summary, strlen(i->summary), 60);
	buf_printf(b, ": %s", what_became_of(i));
	if (i->review == REVIEW_DONE && i->reviewed_by)
		buf_printf(b, " by %s", i->reviewed_by);
}

static void incidents(struct buf *b, const struct incident_list *l)
{
	size_t n = 0, rollbacks = 0, p0 = 0, told = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!kind_of(&l->item[i])->acts)
			continue;
		n++;
		rollbacks += l->item[i].started_at_us != 0;
		p0 += !strcmp(l->item[i].severity, "P0");
	}
	buf_printf(b, "%s%zu %s, %zu %s, %zu P0", l->n == LOOKED_MAX ? "at least " : "", n,
	           text_many((int64_t)n, "incident", "incidents"), rollbacks,
	           text_many((int64_t)rollbacks, "rollback", "rollbacks"), p0);
	for (size_t i = 0; i < l->n && told < TOLD_MAX; i++)
		if (kind_of(&l->item[i])->acts) {
			add_incident(b, &l->item[i]);
			told++;
		}
	if (n > told)
		buf_printf(b, "; and %zu older", n - told);
}

static int of_incidents(struct buf *b, struct db_conn *c, const struct rollout *r)
{
	const struct incident_filter f = {.rollout = r->name, .limit = LOOKED_MAX};
	struct incident_list l = {0};
	int e = incident_find(c, &f, &l);

	if (e >= 0)
		incidents(b, &l);
	incident_list_free(&l);
	return e < 0 ? e : 0;
}

/* --- both --- */

bool prefill_compares(const char *what)
{
	assert(what);
	return strcmp(what, "incidents") != 0;
}

char *prefill_text(struct db_conn *c, const struct rollout *r, const char *what, struct json_object *comparison,
                   int *ret_err)
{
	assert(c && r);
	CLEANUP(buf_free) struct buf all = BUF(BUF_MAX);
	struct buf line = BUF(PREFILL_MAX);
	int e = 0;

	if (!what)
		return NULL;
	if (!prefill_compares(what))
		e = of_incidents(&all, c, r);
	else
		compared(&all, r, comparison, !strcmp(what, "cost"));
	if (ret_err)
		*ret_err = e;
	if (e < 0)
		return NULL;
	text_one_line(&line, buf_text(&all), all.len, PREFILL_MAX);
	return buf_take(&line);
}

static int add_known(struct json_object *one, bool open, struct db_conn *c, const struct rollout *r, const char *what,
                     struct json_object *comparison)
{
	int e = 0;
	CLEANUP(cleanup_free) char *text = open ? prefill_text(c, r, what, comparison, &e) : NULL;

	json_add_str(one, "known", text);
	return e;
}

static bool is_open(struct json_object *item)
{
	return strcmp(json_str_or(item, "state", "done"), "done") != 0;
}

static int add_to_items(struct json_object *list, struct db_conn *c, const struct rollout *r,
                        const struct checklist *checklist, struct json_object *comparison)
{
	struct json_object *items = json_arr_of(list, "items");
	bool now = json_true(list, "of_stage");
	int e = 0;

	for (size_t i = 0; e == 0 && i < json_len(items) && i < checklist->n_items; i++)
		e = add_known(json_item(items, i), now && is_open(json_item(items, i)), c, r,
		              checklist->items[i].prefill, comparison);
	return e;
}

int prefill_json_add(struct json_object *o, struct db_conn *c, const struct rollout *r, struct json_object *comparison)
{
	assert(o && c && r);
	struct json_object *lists = json_arr_of(o, "checklists"), *milestones = json_arr_of(o, "milestones");
	int e = 0;

	for (size_t i = 0; e == 0 && i < json_len(lists) && i < r->n_checklists; i++)
		e = add_to_items(json_item(lists, i), c, r, &r->checklists[i], comparison);
	for (size_t i = 0; e == 0 && i < json_len(milestones) && i < r->n_milestones; i++) {
		struct json_object *m = json_item(milestones, i);
		bool open = json_true(m, "due") && !json_str_or(m, "done_by", NULL);

		e = add_known(m, open, c, r, r->milestones[i].prefill, comparison);
	}
	return e;
}
