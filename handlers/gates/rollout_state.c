#include "handlers/gates/rollout_state.h"

#include <assert.h>
#include <errno.h>
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
		r = incident_count_since(c, name, now_us - 86400 * US_PER_S, &st->rollbacks_today);
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
	rollout_row_free(&st->row);
	progress_free(&st->p);
	approval_list_free(&st->approvals);
	checkmark_list_free(&st->checkmarks);
	baseline_list_free(&st->baselines);
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

int64_t rollout_state_milestone_us(struct db_conn *c, const struct rollout *r, const struct rollout_state *st,
                                   const struct milestone *m)
{
	assert(c && r && st && m);
	CLEANUP(cleanup_free) char *key = text_format("entered:%s:%d", r->name, m->after_stage);
	int64_t entered = 0;

	if (!st->p.entered_us || st->row.stage < m->after_stage || !key || meta_get(c, key, &entered) < 0 || !entered)
		return 0;
	return entered + m->in_us;
}

bool rollout_state_above_zero(const struct rollout_state *st)
{
	assert(st);
	return st->there > 0 || st->row.pct_wanted > 0 || st->row.pct_seen > 0;
}
