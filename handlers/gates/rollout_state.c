#include "handlers/gates/rollout_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "server/core/clock.h"
#include "server/core/text.h"

static int load_rows(struct db_conn *c, const char *name, struct rollout_state *st)
{
	int r = rollout_load(c, name, &st->row);

	if (r == -ENOENT) {
		st->row = (struct rollout_row) {.stage = -1, .pct_wanted = -1, .pct_seen = -1};
		r = 0;
	}
	if (r == 0)
		r = progress_load(c, name, &st->p);
	if (r == -ENOENT) {
		st->p = (struct progress) {.restart_at = -1};
		r = 0;
	}
	return r;
}

static int load_open(struct db_conn *c, const char *name, struct rollout_state *st)
{
	struct incident open = {0};
	int r = incident_open_of(c, name, &open);

	if (r == 1) {
		st->open = open.id;
		st->open_state = open.state;
		st->kind = kind_of(&open);
	}
	incident_free(&open);
	return r < 0 ? r : 0;
}

/* What people did for it, and what counts of its incidents. */
static int load_plan(struct db_conn *c, const char *name, int64_t now_us, struct rollout_state *st)
{
	int r = approval_of_run(c, name, st->p.run, &st->approvals);

	if (r == 0)
		r = checkmark_of_run(c, name, st->p.run, &st->checkmarks);
	if (r == 0)
		r = baseline_of(c, name, &st->baselines);
	if (r == 0)
		r = settled_of(c, name, &st->settled);
	if (r == 0)
		r = incident_rollbacks_since(c, name, now_us - ROLLBACKS_SPAN_US, &st->rollbacks_us, &st->n_rollbacks);
	if (r == 0)
		r = incident_unreviewed(c, name, &st->unreviewed);
	return r == 0 ? incident_last_rollback(c, name, &st->last_rollback_us) : r;
}

int rollout_state_place(struct db_conn *c, const struct rollout *r, const struct flags_look *look,
                        struct rollout_state *ret)
{
	assert(c && r && r->name && ret);
	struct rollout_state st = {0};
	int err = load_rows(c, r->name, &st);

	if (err == 0)
		err = load_open(c, r->name, &st);
	if (err == 0)
		err = meta_get(c, "heartbeat_at", &st.heartbeat_us);
	if (err < 0 && err != -ENOENT) {
		rollout_state_free(&st);
		return err;
	}
	st.there = percentage_by(c, r, look, st.there_why, sizeof(st.there_why));
	*ret = st;
	return 0;
}

int rollout_state_load(struct db_conn *c, const struct rollout *r, int64_t now_us, const struct flags_look *look,
                       struct rollout_state *ret)
{
	struct rollout_state st;
	int err = rollout_state_place(c, r, look, &st);

	if (err < 0)
		return err;
	err = load_plan(c, r->name, now_us, &st);
	if (err < 0)
		rollout_state_free(&st);
	else
		*ret = st;
	return err;
}

void rollout_state_free(struct rollout_state *st)
{
	assert(st);
	free(TAKE(st->rollbacks_us));
	rollout_row_free(&st->row);
	progress_free(&st->p);
	approval_list_free(&st->approvals);
	checkmark_list_free(&st->checkmarks);
	baseline_list_free(&st->baselines);
	settled_list_free(&st->settled);
}

const struct stage *rollout_state_stage(const struct rollout_state *st, const struct rollout *r)
{
	assert(st && r);
	return rollout_stage(r, st->row.stage);
}

bool stage_is_elsewhere(const struct settings *s, const struct stage *st)
{
	assert(s && s->environment && st && st->environment);
	return strcmp(st->environment, s->environment) != 0;
}

int64_t rollout_state_entered_us(struct db_conn *c, const struct rollout *r, int32_t stage)
{
	assert(c && r);
	CLEANUP(cleanup_free) char *key = text_format("entered:%s:%d", r->name, stage);
	int64_t entered = 0;

	return key && meta_get(c, key, &entered) == 0 ? entered : 0;
}

int64_t rollout_state_milestone_us(struct db_conn *c, const struct rollout *r, const struct rollout_state *st,
                                   const struct milestone *m)
{
	assert(c && r && st && m);
	bool stands = st->p.entered_us && st->row.stage >= m->after_stage;
	int64_t entered = stands ? rollout_state_entered_us(c, r, m->after_stage) : 0;

	return entered ? entered + m->in_us : 0;
}

/* Two values: a time, which moves with the clock, and a number, which is too small to be one. */
int plan_began_load(struct db_conn *c, const char *rollout, struct plan_began *ret)
{
	assert(c && rollout && ret);
	CLEANUP(cleanup_free)
	char *at = text_format("began:%s", rollout), *which = text_format("began at stage:%s", rollout);
	int64_t at_us = 0, stage = 0;
	int r = at && which ? meta_get(c, at, &at_us) : -ENOMEM;

	if (r == 0)
		r = meta_get(c, which, &stage);
	*ret = (struct plan_began) {r == 0 ? at_us : 0, (int32_t)stage};
	return r == -ENOENT ? 0 : r;
}

int plan_began_save(struct db_tx *tx, const char *rollout, const struct plan_began *began)
{
	assert(tx && rollout && began);
	CLEANUP(cleanup_free)
	char *at = text_format("began:%s", rollout), *which = text_format("began at stage:%s", rollout);
	int r = at && which ? meta_set(tx, at, began->at_us) : -ENOMEM;

	return r < 0 ? r : meta_set(tx, which, began->stage);
}

int64_t rollout_state_day_lock_us(const struct rollout_state *st, const struct limits *l)
{
	assert(st && l && l->rollbacks_per_day >= 0);
	size_t most = (size_t)l->rollbacks_per_day;

	return most && st->n_rollbacks >= most ? st->rollbacks_us[most - 1] + ROLLBACKS_SPAN_US : 0;
}

bool rollout_state_above_zero(const struct rollout_state *st)
{
	assert(st);
	return st->there > 0 || st->row.pct_wanted > 0 || st->row.pct_seen > 0;
}

int32_t rollout_state_guarded_stage(const struct settings *s, const struct rollout *r, const struct rollout_state *st)
{
	assert(s && r && st);
	const struct stage *stage = rollout_state_stage(st, r);
	bool quiet = st->there == 0 && !rollout_state_above_zero(st);

	return stage && stage_is_elsewhere(s, stage) && !quiet ? -1 : st->row.stage;
}
