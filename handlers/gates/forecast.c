#include "handlers/gates/forecast.h"

#include <assert.h>

#define FREEZES_IN_A_ROW 20 /* beyond that the plan is never free, and any date is as good */

/* Nothing is raised for a while after the last rollback, nor for longer after many of them. */
static int64_t cooled(const struct gate_view *v, int64_t at_us)
{
	const struct limits *l = &v->settings->limits;
	int64_t until = v->st->last_rollback_us ? v->st->last_rollback_us + l->cooldown_us : 0,
		lock = rollout_state_day_lock_us(v->st, l);

	until = until > lock ? until : lock;
	return until > at_us ? until : at_us;
}

static int64_t thawed(const struct gate_view *v, int64_t at_us)
{
	at_us = cooled(v, at_us);
	for (int i = 0; i < FREEZES_IN_A_ROW; i++) {
		struct freeze_span f = {0};

		if (!freeze_at(v->rollout, &v->st->p, at_us, &f))
			break;
		at_us = f.until_us;
	}
	return at_us;
}

/* Clean time that is left of the current stage; all of it when a rollback left the stage. None of one that is run
 * elsewhere: its clock is there, and what vouches for it here is its checklist. */
static int64_t left(const struct gate_view *v, const struct gate *g)
{
	assert(g->current);
	if (stage_is_elsewhere(v->settings, g->current))
		return 0;
	int64_t clean = g->enters_again ? 0 : v->st->p.clean_us;

	return g->current->duration_us > clean ? g->current->duration_us - clean : 0;
}

/* The stage that the last incident sends it back to; NULL: none, or it is not beyond it. */
static const struct stage *restart(const struct gate_view *v, const struct gate *g)
{
	int32_t number = v->st->p.restart_at;
	const struct stage *s = number >= 0 && g->current->number > number ? rollout_stage(v->rollout, number) : NULL;

	return s && stage_is_elsewhere(v->settings, s) ? stage_after(v, number) : s;
}

size_t forecast_stages(const struct gate_view *v, struct forecast *ret, size_t max)
{
	assert(v && v->settings && v->rollout && v->st && ret && max > 0);
	struct gate g = {0};
	int64_t at = thawed(v, v->now_us);
	size_t n = 0;

	gate_route(v, &g);
	if (!g.current)
		return 0;
	const struct stage *s = restart(v, &g);
	if (!s && g.enters_again && n < max)
		ret[n++] = (struct forecast) {g.current, at};
	if (!s) {
		at = (g.enters_again ? at : v->now_us) + left(v, &g);
		s = stage_after(v, g.current->number);
	}
	for (; s && n < max; s = stage_after(v, s->number)) {
		at = thawed(v, at);
		ret[n++] = (struct forecast) {s, at};
		at += s->duration_us;
	}
	return n;
}

int64_t forecast_planned_us(const struct rollout *r, const struct plan_began *began, int32_t stage)
{
	assert(r && began);
	int64_t at = began->at_us;

	if (!at || stage < began->stage)
		return 0;
	for (size_t i = 0; i < r->n_stages; i++)
		if (r->stages[i].number >= began->stage && r->stages[i].number < stage)
			at += r->stages[i].duration_us;
	return at;
}

int stage_dates_load(struct db_conn *c, const struct gate_view *v, struct stage_dates *ret, size_t max, size_t *ret_n)
{
	assert(c && v && ret && ret_n);
	struct forecast f[FORECAST_MAX];
	size_t n = forecast_stages(v, f, ARRAY_LEN(f)), all = v->rollout->n_stages;
	struct plan_began began = {0};
	int r = plan_began_load(c, v->rollout->name, &began);

	*ret_n = all < max ? all : max;
	for (size_t i = 0; i < *ret_n; i++) {
		const struct stage *s = &v->rollout->stages[i];
		int64_t entered = rollout_state_entered_us(c, v->rollout, s->number);

		ret[i] = (struct stage_dates) {
			.stage = s,
			.planned_us = forecast_planned_us(v->rollout, &began, s->number),
			.entered_us = entered || s->number != began.stage ? entered : began.at_us,
		};
		for (size_t k = 0; k < n; k++)
			if (f[k].stage == s)
				ret[i].earliest_us = f[k].at_us;
	}
	return r;
}

bool stage_dates_late(const struct stage_dates *d, int64_t *ret_us)
{
	assert(d && ret_us);
	int64_t is = d->earliest_us ? d->earliest_us : d->entered_us;

	if (!is || !d->planned_us)
		return false;
	*ret_us = is - d->planned_us;
	return true;
}
