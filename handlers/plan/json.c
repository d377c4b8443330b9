#include "handlers/plan/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/gates/forecast.h"
#include "handlers/readiness/drill_schedule.h"
#include "server/core/clock.h"
#include "server/core/text.h"

static double seconds(int64_t us)
{
	return (double)us / (double)US_PER_S;
}

static void add_clock(struct json_object *o, const struct gate_view *v, const struct stage *st)
{
	const struct progress *p = &v->st->p;
	struct json_object *c = json_object_new_object();
	int64_t needed = st ? st->duration_us : 0;
	char why[400];

	gate_clock_why(v, why, sizeof(why));
	json_add_int(c, "run", p->run);
	json_add_time(c, "run_since", p->run_since_us);
	json_add_time(c, "entered_at", p->entered_us);
	json_add_double(c, "clean", seconds(p->clean_us));
	json_add(c, "required", needed ? json_object_new_double(seconds(needed)) : NULL);
	json_add(c, "left",
	         needed ? json_object_new_double(needed > p->clean_us ? seconds(needed - p->clean_us) : 0) : NULL);
	json_add_bool(c, "runs", !why[0] && p->entered_us);
	json_add_str(c, "why", why[0] ? why : NULL);
	json_add_time(c, "stands_since", why[0] ? p->stopped_at_us : 0);
	json_add(o, "clock", c);
}

static struct json_object *criterion_json(const struct criterion *c, const struct criterion_result *r)
{
	assert(c);
	struct json_object *o = json_object_new_object();

	json_add_str(o, "name", c->name);
	json_add_str(o, "state", criterion_state_name(r ? r->state : CRITERION_UNKNOWN));
	json_add(o, "value", NULL);
	if (r)
		json_add_double(o, "value", r->value);
	json_add_double(o, c->is_min ? "min" : "max", c->bound);
	json_add_str(o, "unit", c->unit);
	json_add(o, "min_samples", c->min_samples ? json_object_new_int64(c->min_samples) : NULL);
	json_add(o, "samples", NULL);
	if (r)
		json_add_double(o, "samples", r->samples);
	json_add_str(o, "why", r ? r->why : "unknown: not evaluated yet");
	return o;
}

static void add_criteria(struct json_object *o, const struct gate_view *v, const struct stage *st)
{
	struct json_object *arr = json_object_new_array();
	bool known = st && v->ev->stage == st->number && v->ev->run == v->st->p.run;

	for (size_t i = 0; st && i < st->n_criteria; i++)
		json_object_array_add(
			arr, criterion_json(&st->criteria[i], known && i < v->ev->n ? &v->ev->results[i] : NULL));
	json_add(o, "criteria", arr);
	json_add_time(o, "evaluated_at", v->ev->at_us);
}

static const struct approval *approval_of(const struct rollout_state *st, const char *role)
{
	for (size_t i = 0; i < st->approvals.n; i++)
		if (!strcmp(st->approvals.item[i].role, role))
			return &st->approvals.item[i];
	return NULL;
}

static void add_approvals(struct json_object *o, const struct gate_view *v, const struct stage *st)
{
	struct json_object *arr = json_object_new_array();

	for (const char **role = st ? st->approvals : NULL; role && *role; role++) {
		const struct approval *a = approval_of(v->st, *role);
		struct json_object *one = json_object_new_object();

		json_add_str(one, "role", *role);
		json_add_str(one, "person", a ? a->person : NULL);
		json_add_time(one, "at", a ? a->at_us : 0);
		json_add_str(one, "note", a ? a->note : NULL);
		json_object_array_add(arr, one);
	}
	json_add(o, "approvals", arr);
}

static struct json_object *item_json(const struct checklist *list, const struct check_item *item,
                                     const struct gate_view *v)
{
	assert(list && item);
	struct json_object *o = json_object_new_object();
	const struct checkmark *t = NULL;

	json_add_str(o, "text", item->text);
	json_add_str(o, "state", checkmark_state_name(item_state(list, item, &v->st->checkmarks, v->now_us, &t)));
	json_add_str(o, "person", t ? t->person : NULL);
	json_add_time(o, "at", t ? t->at_us : 0);
	json_add_str(o, "note", t ? t->note : NULL);
	json_add_str(o, "by", item->by);
	json_add(o, "every", item->every_us ? json_object_new_double(seconds(item->every_us)) : NULL);
	json_add(o, "valid", item->valid_us ? json_object_new_double(seconds(item->valid_us)) : NULL);
	return o;
}

static void add_checklists(struct json_object *o, const struct gate_view *v, const struct stage *st)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < v->rollout->n_checklists; i++) {
		const struct checklist *list = &v->rollout->checklists[i];
		struct json_object *one = json_object_new_object(), *items = json_object_new_array();

		for (size_t n = 0; n < list->n_items; n++)
			json_object_array_add(items, item_json(list, &list->items[n], v));
		json_add_str(one, "name", list->name);
		json_add_bool(one, "of_stage", st && st->checklist && !strcmp(st->checklist, list->name));
		json_add(one, "items", items);
		json_object_array_add(arr, one);
	}
	json_add(o, "checklists", arr);
}

static void add_stops(struct json_object *o, const struct gate_view *v)
{
	const struct progress *p = &v->st->p;
	struct json_object *hold = NULL;
	char why[300];

	if (p->held_by) {
		hold = json_object_new_object();
		json_add_str(hold, "by", p->held_by);
		json_add_time(hold, "since", p->held_since_us);
		json_add_str(hold, "note", p->hold_note);
	}
	json_add(o, "hold", hold);
	json_add_str(o, "freeze", freeze_now(v->rollout, p, v->now_us, why, sizeof(why)) ? why : NULL);
	json_add(o, "restart_at", p->restart_at < 0 ? NULL : json_object_new_int(p->restart_at));
	json_add(o, "review_of", v->st->unreviewed ? json_object_new_int64(v->st->unreviewed) : NULL);
}

static int add_next(struct json_object *o, const struct gate_view *v)
{
	struct json_object *next = json_object_new_object(), *missing = json_object_new_array();
	struct gate g = {0};
	int r = gate_judge(v, &g);

	for (size_t i = 0; i < g.n; i++) {
		struct json_object *m = json_object_new_object();

		json_add_str(m, "what", g.missing[i].what);
		json_add_str(m, "text", g.missing[i].text);
		json_object_array_add(missing, m);
	}
	json_add(next, "stage", g.next ? json_object_new_int(g.next->number) : NULL);
	json_add_str(next, "name", g.next ? g.next->name : NULL);
	json_add_pct(next, "percentage", g.next ? g.next->pct : -1);
	json_add_bool(next, "again", g.enters_again);
	json_add_bool(next, "ready", r == 0 && g.n == 0);
	json_add(next, "missing", missing);
	json_add(o, "next", next);
	gate_free(&g);
	return r;
}

static void add_watch(struct json_object *o, const struct gate_view *v)
{
	struct json_object *w = json_object_new_object(), *baselines = json_object_new_array();

	json_add_str(w, "blind", v->ev->blind[0] ? v->ev->blind : NULL);
	json_add(w, "share", NULL);
	if (v->ev->at_us)
		json_add_double(w, "share", v->ev->share);
	json_add_str(w, "percentage", condition_status_name(v->ev->there));
	json_add_str(w, "percentage_note", v->ev->there_why);
	json_add_time(w, "heartbeat_at", v->st->heartbeat_us);
	json_add(w, "near_misses", v->ev->near_known ? json_object_new_int64((int64_t)v->ev->near_misses.n) : NULL);
	json_add(o, "watch", w);
	for (size_t i = 0; i < v->st->baselines.n; i++) {
		struct json_object *b = json_object_new_object();

		json_add_str(b, "metric", v->st->baselines.item[i].metric);
		json_add_double(b, "value", v->st->baselines.item[i].value);
		json_add_time(b, "at", v->st->baselines.item[i].at_us);
		json_object_array_add(baselines, b);
	}
	json_add(o, "baselines", baselines);
}

static void add_fallback(struct json_object *o, const struct gate_view *v)
{
	const struct rollout *r = v->rollout;
	struct json_object *f = r->n_probes ? json_object_new_object() : NULL, *checks = NULL;
	char why[400];

	json_add(o, "fallback_probe", f);
	if (!f)
		return;
	json_add_str(f, "state", condition_status_name(evaluation_fallback(v->ev, r, why, sizeof(why))));
	json_add_str(f, "why", why[0] ? why : NULL);
	json_add_time(f, "at", v->ev->at_us);
	json_add(f, "checks", checks = json_object_new_array());
	for (size_t i = 0; i < v->ev->n_fallback && i < r->n_probes; i++) {
		struct json_object *one = json_object_new_object();

		json_add_str(one, "name", r->probes[i].name);
		json_add_str(one, "state", condition_status_name(v->ev->fallback[i].state));
		json_add_double(one, "value", v->ev->fallback[i].value);
		json_add_str(one, "why", v->ev->fallback[i].why);
		json_object_array_add(checks, one);
	}
}

static void add_drills(struct json_object *o, struct db_conn *c, const struct gate_view *v)
{
	struct json_object *d = json_object_new_object();
	struct drill_standing st;

	drill_standing_load(c, v->rollout, &st);
	json_add_str(d, "cron", v->rollout->drill.cron);
	json_add_time(d, "passed_at", st.passed_us);
	json_add_time(d, "failed_at", st.failed_us);
	json_add(d, "passed", drill_standing_of(&st) < 0 ? NULL : json_object_new_boolean(drill_standing_of(&st)));
	json_add(o, "drills", d);
}

static void add_milestones(struct json_object *o, struct db_conn *c, const struct gate_view *v)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < v->rollout->n_milestones; i++) {
		const struct milestone *m = &v->rollout->milestones[i];
		struct json_object *one = json_object_new_object();
		int64_t due = rollout_state_milestone_us(c, v->rollout, v->st, m);
		char why[400];

		json_add_str(one, "text", m->text);
		json_add_str(one, "owner", m->owner);
		json_add_int(one, "after_stage", m->after_stage);
		json_add_time(one, "due_at", due);
		bool locked = milestone_is_locked(v->rollout, m, v->ev, why, sizeof(why));
		json_add_bool(one, "due", due && due <= v->now_us && !locked);
		json_add_str(one, "locked", locked ? why : NULL);
		json_object_array_add(arr, one);
	}
	json_add(o, "milestones", arr);
}

static void add_forecast(struct json_object *o, const struct gate_view *v)
{
	struct forecast f[FORECAST_MAX];
	struct json_object *arr = json_object_new_array();
	size_t n = forecast_stages(v, f, ARRAY_LEN(f));

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_new_object();

		json_add_int(one, "stage", f[i].stage->number);
		json_add_str(one, "name", f[i].stage->name);
		json_add_time(one, "earliest", f[i].at_us);
		json_object_array_add(arr, one);
	}
	json_add(o, "forecast", arr);
}

int plan_json_add(struct json_object *o, struct db_conn *c, const struct gate_view *v)
{
	assert(o && c && v && v->settings && v->rollout && v->st && v->ev);
	const struct stage *st = rollout_state_stage(v->st, v->rollout);

	add_clock(o, v, st);
	add_criteria(o, v, st);
	add_approvals(o, v, st);
	add_checklists(o, v, st);
	add_stops(o, v);
	add_watch(o, v);
	add_fallback(o, v);
	add_drills(o, c, v);
	add_milestones(o, c, v);
	add_forecast(o, v);
	return add_next(o, v);
}
