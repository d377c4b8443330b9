#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/gates/approvals.h"
#include "handlers/gates/forecast.h"
#include "handlers/plan/json.h"
#include "server/core/clock.h"
#include "server/core/text.h"

/* --- what is done once --- */

static const struct settled *settled_find(const struct rollout_state *st, enum settled_kind kind, const char *text)
{
	for (size_t i = 0; i < st->settled.n; i++)
		if (st->settled.item[i].kind == kind && !strcmp(st->settled.item[i].text, text))
			return &st->settled.item[i];
	return NULL;
}

static struct json_object *settled_json(const struct rollout_state *st, enum settled_kind kind, const char *text,
                                        const char *owner)
{
	assert(st && text);
	const struct settled *s = settled_find(st, kind, text);
	struct json_object *o = json_object_new_object();

	json_add_str(o, "text", text);
	json_add_str(o, "owner", owner);
	json_add_str(o, "done_by", s ? s->person : NULL);
	json_add_time(o, "done_at", s ? s->at_us : 0);
	json_add_str(o, "note", s ? s->note : NULL);
	return o;
}

static void add_milestones(struct json_object *o, struct db_conn *c, const struct gate_view *v)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < v->rollout->n_milestones; i++) {
		const struct milestone *m = &v->rollout->milestones[i];
		struct json_object *one = settled_json(v->st, SETTLED_MILESTONE, m->text, m->owner);
		int64_t due = rollout_state_milestone_us(c, v->rollout, v->st, m);
		char why[400];
		CLEANUP(cleanup_free) char *subject = text_format(APPROVAL_OF_MILESTONE "%s", m->text);

		json_add_int(one, "after_stage", m->after_stage);
		json_add_time(one, "due_at", due);
		bool locked = milestone_is_locked(v->rollout, m, v->ev, why, sizeof(why));
		json_add_bool(one, "due", due && due <= v->now_us && !locked);
		json_add_str(one, "locked", locked ? why : NULL);
		json_add(one, "approvals", plan_approvals_json(v->st, subject ? subject : "", m->approvals));
		json_object_array_add(arr, one);
	}
	json_add(o, "milestones", arr);
}

static void add_before(struct json_object *o, const struct gate_view *v)
{
	struct json_object *arr = json_object_new_array();
	const struct rollout *r = v->rollout;

	for (size_t i = 0; i < r->n_blocked_by; i++)
		json_object_array_add(
			arr, settled_json(v->st, SETTLED_BLOCKER, r->blocked_by[i].text, r->blocked_by[i].owner));
	json_add(o, "blocked_by", arr);
	json_add(o, "plan_review", NULL);
	if (r->review_before <= 0)
		return;
	struct json_object *review = settled_json(v->st, SETTLED_REVIEW, PLAN_REVIEW, r->owner);
	json_add_int(review, "before_stage", r->review_before);
	json_add(o, "plan_review", review);
}

/* --- dates --- */

static void add_forecast(struct json_object *o, const struct forecast *f, size_t n)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_new_object();

		json_add_int(one, "stage", f[i].stage->number);
		json_add_str(one, "name", f[i].stage->name);
		json_add_time(one, "earliest", f[i].at_us);
		json_object_array_add(arr, one);
	}
	json_add(o, "forecast", arr);
}

/* Planned beside actual. */
static struct json_object *dates_json(const struct stage_dates *d)
{
	struct json_object *one = json_object_new_object();
	int64_t late = 0;

	json_add_int(one, "stage", d->stage->number);
	json_add_str(one, "name", d->stage->name);
	json_add_time(one, "planned", d->planned_us);
	json_add_time(one, "entered", d->entered_us);
	json_add_time(one, "earliest", d->earliest_us);
	json_add(one, "late", NULL);
	if (stage_dates_late(d, &late))
		json_add_double(one, "late", (double)late / (double)US_PER_S);
	return one;
}

static int add_dates(struct json_object *o, struct db_conn *c, const struct gate_view *v)
{
	struct forecast f[FORECAST_MAX];
	CLEANUP(cleanup_free) struct stage_dates *dates = calloc(v->rollout->n_stages + 1, sizeof(*dates));
	size_t n = 0, n_ahead = forecast_stages(v, f, ARRAY_LEN(f));
	struct json_object *arr = json_object_new_array();

	add_forecast(o, f, n_ahead);
	int r = dates ? stage_dates_load(c, v, dates, v->rollout->n_stages, &n) : -ENOMEM;
	for (size_t i = 0; i < n; i++)
		json_object_array_add(arr, dates_json(&dates[i]));
	json_add(o, "dates", arr);
	return r;
}

/* --- stable --- */

static int add_certify(struct json_object *o, const struct gate_view *v)
{
	struct json_object *one = NULL;
	struct gate g = {0};
	int r = gate_judge_certify(v, &g);

	if (r == 0) {
		const struct approval *a = approval_of(&v->st->approvals, APPROVAL_CERTIFY, "");

		one = plan_approval_json("", a);
		json_object_object_del(one, "role");
		json_add_bool(one, "ready", g.n == 0);
		json_add(one, "missing", plan_missing_json(&g, 0));
	}
	json_add(o, "certificate", one);
	gate_free(&g);
	return r == -ENOENT ? 0 : r;
}

int plan_json_ahead(struct json_object *o, struct db_conn *c, const struct gate_view *v)
{
	assert(o && c && v);
	add_before(o, v);
	add_milestones(o, c, v);
	int r = add_dates(o, c, v);
	return r == 0 ? add_certify(o, v) : r;
}
