#include "db/progress.h"

#include <assert.h>
#include <math.h>
#include <errno.h>
#include <string.h>

#include "db/event.h"
#include "db/query.h"

ROW_TYPE(progress_row, struct progress, PROGRESS_ROW);
ROW_TYPE(approval_row, struct approval, APPROVAL_ROW);
ROW_TYPE(checkmark_row, struct checkmark, CHECKMARK_ROW);
ROW_TYPE(settled_row, struct settled, SETTLED_ROW);
ROW_TYPE(baseline_row, struct baseline, BASELINE_ROW);
ROW_TYPE(hold_span_row, struct hold_span, HOLD_ROW);
ROW_TYPE(stage_run_row, struct stage_run, STAGE_RUN_ROW);
ROW_FREE(progress_free, struct progress, progress_row)
ROW_LIST(approval_list, approval_row)
ROW_LIST(checkmark_list, checkmark_row)
ROW_LIST(settled_list, settled_row)
ROW_LIST(baseline_list, baseline_row)
ROW_LIST(hold_span_list, hold_span_row)
ROW_LIST(stage_run_list, stage_run_row)

int progress_load(struct db_conn *c, const char *rollout, struct progress *ret)
{
	assert(rollout);
	return query_found(query_one(c, PROGRESS_LOAD, &progress_row, ret, V(rollout)));
}

int progress_save(struct db_tx *tx, const struct progress *p)
{
	assert(p && p->rollout && p->run > 0);
	return query_done(query_run(tx, PROGRESS_SAVE, V(row_value(&progress_row, p))));
}

/* entered: when the stage was entered; NULL: as it was. */
static int begin_run(struct db_tx *tx, const char *rollout, const int64_t *entered_us, const char *who, const char *why)
{
	assert(tx && rollout && who && why);
	struct progress p = {.restart_at = -1};
	int r = progress_load(db_tx_conn(tx), rollout, &p);

	if (r == -ENOENT) {
		p.rollout = strdup(rollout);
		r = p.rollout ? 0 : -ENOMEM;
	}
	if (r == 0 && p.entered_us)
		r = query_done(query_run(tx, RUN_END, V(rollout, p.run, db_tx_now(tx))));
	p.run++;
	p.run_since_us = p.clean_at_us = db_tx_now(tx);
	p.entered_us = entered_us ? *entered_us : p.entered_us;
	p.clean_us = 0;
	free(TAKE(p.plan_sha));
	if (r == 0)
		r = progress_save(tx, &p);
	progress_free(&p);
	struct event e = {
		.rollout = (char *)rollout, .who = (char *)who, .what = (char *)"stage run begun", .note = (char *)why};
	return r < 0 ? r : event_add(tx, &e);
}

int progress_new_run(struct db_tx *tx, const char *rollout, int64_t entered_us, const char *who, const char *why)
{
	return begin_run(tx, rollout, &entered_us, who, why);
}

int progress_reset_clock(struct db_tx *tx, const char *rollout, const char *why)
{
	return begin_run(tx, rollout, NULL, "rollbackd", why);
}

int progress_restart_at(struct db_tx *tx, const char *rollout, int32_t stage)
{
	assert(rollout);
	return query_done(query_run(tx, PROGRESS_RESTART_AT, V(rollout, stage)));
}

int progress_restarted(struct db_tx *tx, const char *rollout)
{
	assert(rollout);
	return query_found(query_run(tx, PROGRESS_RESTARTED, V(rollout)));
}

/* --- approvals --- */

int approval_add(struct db_tx *tx, const char *rollout, int64_t run, const struct approval *a)
{
	assert(rollout && run > 0 && a && a->subject && a->role && a->person);
	struct approval row = *a;

	row.at_us = db_tx_now(tx);
	return query_done(query_run(tx, APPROVAL_ADD, V(rollout, run, row_value(&approval_row, &row))));
}

int approval_void(struct db_tx *tx, const char *rollout, int64_t run, const char *why)
{
	assert(rollout && why);
	return query_done(query_run(tx, APPROVAL_VOID, V(rollout, run, db_tx_now(tx), why)));
}

int approval_of_run(struct db_conn *c, const char *rollout, int64_t run, struct approval_list *ret)
{
	assert(rollout);
	return query_list(c, APPROVAL_OF_RUN, &approval_row, &ret->item, &ret->n, V(rollout, run));
}

/* --- checkmarks --- */

int checkmark_add(struct db_tx *tx, const char *rollout, int64_t run, const struct checkmark *t)
{
	assert(rollout && run > 0 && t && t->list && t->item && t->person);
	struct checkmark row = *t;

	row.at_us = t->at_us ? t->at_us : db_tx_now(tx);
	return query_done(query_run(tx, CHECKMARK_ADD, V(rollout, run, row_value(&checkmark_row, &row))));
}

int checkmark_of_run(struct db_conn *c, const char *rollout, int64_t run, struct checkmark_list *ret)
{
	assert(rollout);
	return query_list(c, CHECKMARK_OF_RUN, &checkmark_row, &ret->item, &ret->n, V(rollout, run));
}

int checkmark_ever(struct db_conn *c, const char *rollout, struct checkmark_list *ret)
{
	assert(rollout);
	return query_list(c, CHECKMARK_EVER, &checkmark_row, &ret->item, &ret->n, V(rollout));
}

/* --- what is done once --- */

int settled_add(struct db_tx *tx, const char *rollout, const struct settled *s)
{
	assert(rollout && s && s->kind && s->text && s->person);
	struct settled row = *s;

	row.at_us = db_tx_now(tx);
	return query_done(query_run(tx, SETTLED_ADD, V(rollout, row_value(&settled_row, &row))));
}

int settled_of(struct db_conn *c, const char *rollout, struct settled_list *ret)
{
	assert(rollout);
	return query_list(c, SETTLED_OF, &settled_row, &ret->item, &ret->n, V(rollout));
}

/* --- baselines --- */

int baseline_set(struct db_tx *tx, const char *rollout, const char *metric, double value, double samples)
{
	assert(rollout && metric && isfinite(value) && samples >= 0);
	const struct baseline row = {
		.metric = (char *)metric, .value = value, .samples = samples, .at_us = db_tx_now(tx)};

	return query_done(query_run(tx, BASELINE_SET, V(rollout, row_value(&baseline_row, &row))));
}

int baseline_of(struct db_conn *c, const char *rollout, struct baseline_list *ret)
{
	assert(rollout);
	return query_list(c, BASELINE_OF, &baseline_row, &ret->item, &ret->n, V(rollout));
}

/* --- spans without a clock --- */

int hold_span_add(struct db_tx *tx, const char *rollout, const struct hold_span *h)
{
	assert(rollout && h && h->why && h->since_us <= h->until_us);
	return query_done(query_run(tx, HOLD_ADD, V(rollout, row_value(&hold_span_row, h))));
}

int hold_span_of(struct db_conn *c, const char *rollout, int64_t from_us, int64_t to_us, struct hold_span_list *ret)
{
	assert(rollout);
	return query_list(c, HOLD_OF, &hold_span_row, &ret->item, &ret->n, V(rollout, from_us, to_us));
}

/* --- stays at a stage --- */

int stage_run_save(struct db_tx *tx, const char *rollout, const struct stage_run *run)
{
	assert(rollout && run && run->run > 0 && run->results);
	return query_done(query_run(tx, RUN_SAVE, V(rollout, row_value(&stage_run_row, run))));
}

int stage_run_last(struct db_conn *c, const char *rollout, struct stage_run *ret)
{
	assert(rollout && ret);
	struct stage_run_list l = {0};
	int r = query_list(c, RUN_LAST, &stage_run_row, &l.item, &l.n, V(rollout));

	if (r == 0 && l.n) {
		*ret = l.item[0];
		l.item[0].results = NULL;
		r = 1;
	}
	stage_run_list_free(&l);
	return r;
}

int stage_run_of(struct db_conn *c, const char *rollout, struct stage_run_list *ret)
{
	assert(rollout);
	return query_list(c, RUN_OF, &stage_run_row, &ret->item, &ret->n, V(rollout));
}
