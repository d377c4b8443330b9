#include "handlers/gates/success.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/text.h"

const char *verdict_name(enum metric_verdict v)
{
	assert(v <= VERDICT_MISSED);
	static const char *const names[] = {"unknown", "met", "missed"};

	return names[v];
}

const struct stage *success_stage(const struct settings *s, const struct rollout *r)
{
	assert(s && r);
	const struct stage *last = NULL;

	for (size_t i = 0; i < r->n_stages; i++) {
		const struct stage *st = &r->stages[i];

		if (st->n_criteria && !stage_is_elsewhere(s, st) && (!last || st->number > last->number))
			last = st;
	}
	return last;
}

bool success_is_fresh(const struct evaluation *ev, const struct rollout_state *st)
{
	assert(ev && st);
	return ev->at_us && st->p.entered_us && ev->stage == st->row.stage && ev->run == st->p.run;
}

/* --- what is known --- */

static bool is_judged(const struct criterion_result *r)
{
	return !isnan(r->value) && (r->state == CRITERION_HOLDS || r->state == CRITERION_FAILS);
}

static void take_worst(struct success_record *s, const struct criterion *c, double value, int64_t at_us)
{
	if (!isnan(s->worst) && (c->is_min ? s->worst <= value : s->worst >= value))
		return;
	s->worst = value;
	s->worst_us = at_us;
}

void success_add(struct success_record *s, const struct criterion *c, const struct criterion_result *r, int64_t at_us)
{
	assert(s && c && r);
	s->last = *r;
	if (!is_judged(r))
		return;
	s->judged++;
	s->held += r->state == CRITERION_HOLDS;
	take_worst(s, c, r->value, at_us);
}

void success_add_earlier(struct success_record *s, const struct criterion *c, const struct success_record *earlier)
{
	assert(s && c && earlier);
	if (!s->last.why[0])
		s->last = earlier->last;
	s->judged += earlier->judged;
	s->held += earlier->held;
	if (!isnan(earlier->worst))
		take_worst(s, c, earlier->worst, earlier->worst_us);
}

/* --- what is kept --- */

static struct json_object *record_json(const struct success_record *s)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "state", s->last.state);
	json_add_double(o, "value", s->last.value);
	json_add_str(o, "why", s->last.why);
	json_add_double(o, "worst", s->worst);
	json_add_int(o, "worst_at", s->worst_us);
	json_add_int(o, "judged", s->judged);
	json_add_int(o, "held", s->held);
	return o;
}

/* What was kept, with one more answer to each criterion of the stage. */
static struct json_object *results_json(const char *kept, const struct stage *stage, const struct evaluation *ev)
{
	struct json_object *all = kept ? json_tokener_parse(kept) : NULL;

	if (!json_object_is_type(all, json_type_object)) {
		json_object_put(all);
		all = json_object_new_object();
	}
	for (size_t i = 0; i < stage->n_criteria && i < ev->n; i++) {
		const struct criterion *c = &stage->criteria[i];
		struct success_record s;

		if (!kept || success_kept(kept, c->name, &s) < 0)
			s = SUCCESS_NOTHING;
		success_add(&s, c, &ev->results[i], ev->at_us);
		json_add(all, c->name, record_json(&s));
	}
	return all;
}

int success_run_left(struct db_conn *c, const struct rollout_state *st, int64_t now_us, struct stage_run *ret)
{
	assert(c && st && ret);
	struct stage_run run = {0};
	bool rolled_back = st->p.rollout && !st->p.entered_us && st->open && st->kind->lowers;
	int r = rolled_back ? stage_run_last(c, st->p.rollout, &run) : 0;

	if (r != 1)
		return r;
	if (run.until_us <= now_us && now_us - run.until_us <= SUCCESS_AFTER_US) {
		*ret = run;
		return 1;
	}
	free(run.results);
	return 0;
}

static int keep_left(struct db_tx *tx, const struct stage *all, const char *rollout, const struct rollout_state *st,
                     const struct evaluation *ev)
{
	struct stage_run run = {0};
	int r = success_run_left(db_tx_conn(tx), st, db_tx_now(tx), &run);

	if (r != 1)
		return r;
	CLEANUP(cleanup_free) char *kept = run.results;
	if (run.run != ev->left_run || ev->at_us < run.until_us)
		return 0;
	CLEANUP(json_cleanup) struct json_object *results = results_json(kept, all, ev);
	run.results = (char *)json_text(results);
	return stage_run_save(tx, rollout, &run);
}

int success_keep(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct rollout_state *st,
                 const struct evaluation *ev)
{
	assert(tx && s && r && st && ev);
	const struct stage *stage = rollout_state_stage(st, r), *all = success_stage(s, r);
	struct stage_run last = {0};

	if (ev->left_run && all)
		return keep_left(tx, all, r->name, st, ev);
	if (!stage || !success_is_fresh(ev, st))
		return 0;
	int e = stage_run_last(db_tx_conn(tx), r->name, &last);
	CLEANUP(cleanup_free) char *kept = e == 1 ? last.results : NULL;
	if (e < 0)
		return e;
	CLEANUP(json_cleanup)
	struct json_object *results = results_json(e == 1 && last.run == st->p.run ? kept : NULL, stage, ev);
	struct stage_run run = {.run = st->p.run,
	                        .stage = stage->number,
	                        .entered_us = st->p.entered_us,
	                        .clean_us = st->p.clean_us,
	                        .until_us = db_tx_now(tx),
	                        .results = (char *)json_text(results)};
	return stage_run_save(tx, r->name, &run);
}

/* Of an older release: only its last answer was kept. */
static void only_last(struct success_record *s)
{
	s->judged = is_judged(&s->last);
	s->held = s->judged && s->last.state == CRITERION_HOLDS;
	s->worst = s->judged ? s->last.value : NAN;
}

int success_kept(const char *results, const char *name, struct success_record *ret)
{
	assert(results && name && ret);
	CLEANUP(json_cleanup) struct json_object *all = json_tokener_parse(results);
	struct json_object *one = NULL;
	int64_t state = -1;

	if (!all || json_get_obj(all, name, &one) != 1 || json_get_int(one, "state", &state) != 1 || state < 0 ||
	    state > CRITERION_NOT_YET)
		return -ENOENT;
	struct success_record s = SUCCESS_NOTHING;
	s.last.state = (enum criterion_state)state;
	json_get_double(one, "value", &s.last.value);
	snprintf(s.last.why, sizeof(s.last.why), "%s", json_str_or(one, "why", ""));
	if (json_get_int(one, "judged", &s.judged) == 1) {
		json_get_int(one, "held", &s.held);
		json_get_int(one, "worst_at", &s.worst_us);
		json_get_double(one, "worst", &s.worst);
	} else {
		only_last(&s);
	}
	*ret = s;
	return 0;
}

/* --- what it means --- */

enum metric_verdict success_judge(const struct criterion *c, const struct success_record *s, bool now)
{
	assert(c);
	if (!s || !s->judged || isnan(s->worst))
		return VERDICT_UNKNOWN;
	if (c->is_min ? s->worst < c->bound : s->worst > c->bound)
		return VERDICT_MISSED;
	return now && !is_judged(&s->last) ? VERDICT_UNKNOWN : VERDICT_MET;
}

static void add_share(struct buf *b, const struct success_record *s)
{
	if (s->held < s->judged) /* never rounded up to all */
		buf_printf(b, ", held %.4g%% of the time", floor(1000.0 * (double)s->held / (double)s->judged) / 10);
}

void success_words(struct buf *b, const struct criterion *c, const struct success_record *s, bool now)
{
	assert(b && c);
	static const char unknown[] = "unknown: ";
	enum metric_verdict v = success_judge(c, s, now);
	const char *why = s && s->last.why[0] ? s->last.why : "not evaluated yet",
		   *than = c->is_min ? "at least" : "at most";
	char value[100], bound[100];

	buf_printf(b, "%s: ", verdict_name(v));
	if (v == VERDICT_UNKNOWN) { /* its sentence names the bound only when there is a number */
		text_number(c->bound, c->unit, bound, sizeof(bound));
		buf_printf(b, "%s; %s %s", strncmp(why, unknown, sizeof(unknown) - 1) ? why : why + sizeof(unknown) - 1,
		           than, bound);
		return;
	}
	text_against(s->worst, c->bound, c->unit, value, bound, sizeof(value));
	buf_printf(b, "%s at worst, %s %s", value, than, bound);
	add_share(b, s);
}
