#include "handlers/plan/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/gates/approvals.h"
#include "handlers/gates/checklist.h"
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

static struct json_object *parsed(const char *text)
{
	return text ? json_tokener_parse(text) : NULL;
}

struct json_object *plan_approval_json(const char *role, const struct approval *a)
{
	assert(role);
	struct json_object *o = json_object_new_object();

	json_add_str(o, "role", role);
	json_add_str(o, "person", a ? a->person : NULL);
	json_add_time(o, "at", a ? a->at_us : 0);
	json_add_str(o, "note", a ? a->note : NULL);
	json_add_bool(o, "counts", a && !a->void_at_us);
	json_add_time(o, "void_at", a ? a->void_at_us : 0);
	json_add_str(o, "void_why", a ? a->void_why : NULL);
	json_add_str(o, "evidence_sha256", a ? a->evidence_sha : NULL);
	json_add(o, "evidence", a ? parsed(a->evidence) : NULL);
	return o;
}

struct json_object *plan_approvals_json(const struct rollout_state *st, const char *subject, const char **roles)
{
	assert(st && subject);
	struct json_object *arr = json_object_new_array();

	for (; roles && *roles; roles++)
		json_object_array_add(arr, plan_approval_json(*roles, approval_of(&st->approvals, subject, *roles)));
	return arr;
}

static const char *verdict_word(const struct checkmark *t)
{
	return !t || t->verdict == EVIDENCE_NONE ? NULL : t->verdict == EVIDENCE_PASS ? "pass" : "fail";
}

/* of: the checkmarks that count for this list. left: its stage was left, so that what was ticked stays ticked. */
static struct json_object *item_json(const struct checklist *list, const struct check_item *item,
                                     const struct checkmark_list *of, bool left, int64_t now_us)
{
	assert(list && item && of);
	struct json_object *o = json_object_new_object();
	const struct checkmark *t = NULL;
	enum checkmark_state s = item_state(list, item, of, now_us, &t);

	json_add_str(o, "text", item->text);
	json_add_str(o, "state", checkmark_state_name(left && t && s != CHECKMARK_FAILED ? CHECKMARK_DONE : s));
	json_add_str(o, "person", t ? t->person : NULL);
	json_add_time(o, "at", t ? t->at_us : 0);
	json_add_str(o, "note", t ? t->note : NULL);
	json_add_str(o, "by", item->by);
	json_add_str(o, "verdict", verdict_word(t));
	json_add_str(o, "link", t ? t->link : NULL);
	json_add_str(o, "sha", t ? t->sha : NULL);
	json_add_time(o, "expires", t ? t->expires_us : 0);
	json_add_str(o, "evidence", item->evidence);
	json_add(o, "every", item->every_us ? json_object_new_double(seconds(item->every_us)) : NULL);
	json_add(o, "valid", item->valid_us ? json_object_new_double(seconds(item->valid_us)) : NULL);
	return o;
}

static struct json_object *items_json(const struct checklist *list, const struct checkmark_list *of, bool left,
                                      int64_t now_us)
{
	struct json_object *items = json_object_new_array();

	for (size_t n = 0; n < list->n_items; n++)
		json_object_array_add(items, item_json(list, &list->items[n], of, left, now_us));
	return items;
}

/* Its stage was left: the checkmarks ended with their run, but that they were there remains. */
static bool is_left(const struct gate_view *v, const struct checklist *list)
{
	bool left = false;

	for (size_t i = 0; i < v->rollout->n_stages; i++) {
		const struct stage *s = &v->rollout->stages[i];

		if (!s->checklist || strcmp(s->checklist, list->name) != 0)
			continue;
		if (s->number >= v->st->row.stage)
			return false;
		left = true;
	}
	return left;
}

static int add_checklists(struct json_object *o, struct db_conn *c, const struct gate_view *v, const struct stage *st)
{
	struct json_object *arr = json_object_new_array();
	struct checkmark_list ever = {0};
	int r = checkmark_ever(c, v->rollout->name, &ever);

	for (size_t i = 0; i < v->rollout->n_checklists; i++) {
		const struct checklist *list = &v->rollout->checklists[i];
		struct json_object *one = json_object_new_object();
		bool left = is_left(v, list);

		json_add_str(one, "name", list->name);
		json_add_bool(one, "of_stage", st && st->checklist && !strcmp(st->checklist, list->name));
		json_add_bool(one, "left", left);
		json_add(one, "items", items_json(list, left ? &ever : &v->st->checkmarks, left, v->now_us));
		json_object_array_add(arr, one);
	}
	json_add(o, "checklists", arr);
	checkmark_list_free(&ever);
	return r;
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
	struct json_object *next = json_object_new_object();
	struct gate g = {0};
	int r = gate_judge(v, &g);

	json_add(next, "stage", g.next ? json_object_new_int(g.next->number) : NULL);
	json_add_str(next, "name", g.next ? g.next->name : NULL);
	json_add_pct(next, "percentage", g.next ? g.next->pct : -1);
	json_add_bool(next, "again", g.enters_again);
	json_add_bool(next, "ready", r == 0 && g.n == 0);
	json_add(next, "missing", plan_missing_json(&g, 0));
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
		if (v->st->baselines.item[i].samples > 0)
			json_add_double(b, "samples", v->st->baselines.item[i].samples);
		else
			json_add(b, "samples", NULL);
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
	json_add_str(d, "cron", v->rollout->drill.when.cron);
	json_add_bool(d, "suspended", v->rollout->drill.when.suspend);
	json_add_time(d, "passed_at", st.passed_us);
	json_add_time(d, "failed_at", st.failed_us);
	json_add(d, "passed", drill_standing_of(&st) < 0 ? NULL : json_object_new_boolean(drill_standing_of(&st)));
	json_add(o, "drills", d);
}

int plan_json_add(struct json_object *o, struct db_conn *c, const struct gate_view *v)
{
	assert(o && c && v && v->settings && v->rollout && v->st && v->ev);
	const struct stage *st = rollout_state_stage(v->st, v->rollout);

	add_clock(o, v, st);
	add_criteria(o, v, st);
	json_add(o, "approvals", plan_approvals_json(v->st, APPROVAL_LEAVE, st ? st->approvals : NULL));
	add_stops(o, v);
	add_watch(o, v);
	add_fallback(o, v);
	add_drills(o, c, v);
	int r = add_checklists(o, c, v, st);
	if (r == 0)
		r = plan_json_ahead(o, c, v);
	return r == 0 ? add_next(o, v) : r;
}

struct json_object *plan_evidence_json(const struct gate_view *v)
{
	assert(v && v->rollout && v->st && v->ev);
	const struct stage *st = rollout_state_stage(v->st, v->rollout);
	const struct checklist *list = st ? rollout_checklist(v->rollout, st->checklist) : NULL;
	struct json_object *o = json_object_new_object();

	json_add_int(o, "stage", st ? st->number : -1);
	add_clock(o, v, st);
	add_criteria(o, v, st);
	if (list)
		json_add(o, "checklist", items_json(list, &v->st->checkmarks, false, v->now_us));
	return o;
}
