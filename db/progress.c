#include "db/progress.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "db/event.h"
#include "db/rows.h"
#include "db/stmt.h"

void progress_free(struct progress *p)
{
	assert(p);
	char *owned[] = {p->rollout, p->clean_why, p->held_by, p->hold_note, p->plan_sha, p->frozen_by, p->freeze_note};

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(owned[i]);
	*p = (struct progress) {0};
}

int progress_load(struct db_conn *c, const char *rollout, struct progress *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, PROGRESS_LOAD);

	stmt_text(&st, 1, rollout);
	int r = stmt_step(&st);
	if (r != 1)
		return r < 0 ? r : -ENOENT;
	struct progress p = {
		.rollout = column_text(&st, 0),
		.run = column_i64(&st, 1),
		.run_since_us = column_i64(&st, 2),
		.entered_us = column_i64(&st, 3),
		.clean_us = column_i64(&st, 4),
		.clean_at_us = column_i64(&st, 5),
		.clean_why = column_text_or_null(&st, 6),
		.stopped_at_us = column_i64(&st, 7),
		.held_by = column_text_or_null(&st, 8),
		.held_since_us = column_i64(&st, 9),
		.hold_note = column_text_or_null(&st, 10),
		.plan_sha = column_text_or_null(&st, 11),
		.restart_at = (int32_t)column_i64(&st, 12),
		.frozen_until_us = column_i64(&st, 13),
		.frozen_by = column_text_or_null(&st, 14),
		.freeze_note = column_text_or_null(&st, 15),
	};
	if (st.error) {
		progress_free(&p);
		return st.error;
	}
	*ret = p;
	return 0;
}

int progress_save(struct db_tx *tx, const struct progress *p)
{
	assert(tx && p && p->rollout && p->run > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), PROGRESS_SAVE);
	const int64_t clock[] = {p->run, p->run_since_us, p->entered_us, p->clean_us, p->clean_at_us};
	int at = 1;

	stmt_text(&st, at++, p->rollout);
	for (size_t i = 0; i < ARRAY_LEN(clock); i++)
		stmt_i64(&st, at++, clock[i]);
	stmt_text(&st, at++, p->clean_why);
	stmt_i64(&st, at++, p->stopped_at_us);
	stmt_text(&st, at++, p->held_by);
	stmt_i64(&st, at++, p->held_since_us);
	stmt_text(&st, at++, p->hold_note);
	stmt_text(&st, at++, p->plan_sha);
	stmt_i64(&st, at++, p->restart_at);
	stmt_i64(&st, at++, p->frozen_until_us);
	stmt_text(&st, at++, p->frozen_by);
	stmt_text(&st, at, p->freeze_note);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static int end_run(struct db_tx *tx, const char *rollout, int64_t run)
{
	assert(tx && rollout && run > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), RUN_END);

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, run);
	stmt_i64(&st, 3, db_tx_now(tx));
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int progress_new_run(struct db_tx *tx, const char *rollout, int64_t entered_us, const char *who, const char *why)
{
	assert(tx && rollout && who && why);
	struct progress p = {.restart_at = -1};
	int r = progress_load(db_tx_conn(tx), rollout, &p);

	if (r == -ENOENT) {
		p.rollout = strdup(rollout);
		r = p.rollout ? 0 : -ENOMEM;
	}
	if (r == 0 && p.entered_us)
		r = end_run(tx, rollout, p.run);
	p.run++;
	p.run_since_us = p.clean_at_us = db_tx_now(tx);
	p.entered_us = entered_us;
	p.clean_us = 0;
	free(p.plan_sha);
	p.plan_sha = NULL;
	if (r == 0)
		r = progress_save(tx, &p);
	progress_free(&p);
	struct event e = {
		.rollout = (char *)rollout, .who = (char *)who, .what = (char *)"stage run begun", .note = (char *)why};
	return r < 0 ? r : event_add(tx, &e);
}

int progress_reset_clock(struct db_tx *tx, const char *rollout, const char *why)
{
	assert(tx && rollout && why);
	struct progress p = {0};
	int r = progress_load(db_tx_conn(tx), rollout, &p);
	int64_t entered = r == 0 ? p.entered_us : 0;

	progress_free(&p);
	if (r < 0 && r != -ENOENT)
		return r;
	return progress_new_run(tx, rollout, entered, "rollbackd", why);
}

int progress_restart_at(struct db_tx *tx, const char *rollout, int32_t stage)
{
	assert(tx && rollout);
	struct progress p = {0};
	int r = progress_load(db_tx_conn(tx), rollout, &p);

	if (r == 0 && (p.restart_at < 0 || p.restart_at > stage)) {
		p.restart_at = stage;
		r = progress_save(tx, &p);
	}
	progress_free(&p);
	return r == -ENOENT ? 0 : r;
}

int progress_restarted(struct db_tx *tx, const char *rollout)
{
	assert(tx && rollout);
	struct progress p = {0};
	int r = progress_load(db_tx_conn(tx), rollout, &p);

	p.restart_at = -1;
	if (r == 0)
		r = progress_save(tx, &p);
	progress_free(&p);
	return r;
}

/* --- approvals --- */

int approval_add(struct db_tx *tx, const char *rollout, int64_t run, const struct approval *a)
{
	assert(tx && rollout && run > 0 && a && a->role && a->person);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), APPROVAL_ADD);

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, run);
	stmt_text(&st, 3, a->role);
	stmt_text(&st, 4, a->person);
	stmt_i64(&st, 5, db_tx_now(tx));
	stmt_text(&st, 6, a->note);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_approval(struct stmt *st, void *to)
{
	*(struct approval *)to = (struct approval) {.role = column_text(st, 0),
	                                            .person = column_text(st, 1),
	                                            .at_us = column_i64(st, 2),
	                                            .note = column_text_or_null(st, 3)};
}

int approval_of_run(struct db_conn *c, const char *rollout, int64_t run, struct approval_list *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, APPROVAL_OF_RUN);
	struct rows rows = {0};

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, run);
	int r = rows_read(&st, sizeof(struct approval), read_approval, &rows);
	struct approval_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		approval_list_free(&l);
	else
		*ret = l;
	return r;
}

void approval_list_free(struct approval_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].role);
		free(l->item[i].person);
		free(l->item[i].note);
	}
	free(l->item);
	*l = (struct approval_list) {0};
}

/* --- checkmarks --- */

int checkmark_add(struct db_tx *tx, const char *rollout, int64_t run, const struct checkmark *t)
{
	assert(tx && rollout && run > 0 && t && t->list && t->item && t->person);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), CHECKMARK_ADD);

	stmt_text(&st, 1, rollout);
	stmt_text(&st, 2, t->list);
	stmt_text(&st, 3, t->item);
	stmt_i64(&st, 4, run);
	stmt_text(&st, 5, t->person);
	stmt_i64(&st, 6, db_tx_now(tx));
	stmt_text(&st, 7, t->note);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_checkmark(struct stmt *st, void *to)
{
	*(struct checkmark *)to = (struct checkmark) {.list = column_text(st, 0),
	                                              .item = column_text(st, 1),
	                                              .person = column_text(st, 2),
	                                              .at_us = column_i64(st, 3),
	                                              .note = column_text_or_null(st, 4)};
}

int checkmark_of_run(struct db_conn *c, const char *rollout, int64_t run, struct checkmark_list *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, CHECKMARK_OF_RUN);
	struct rows rows = {0};

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, run);
	int r = rows_read(&st, sizeof(struct checkmark), read_checkmark, &rows);
	struct checkmark_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		checkmark_list_free(&l);
	else
		*ret = l;
	return r;
}

int checkmark_ever(struct db_conn *c, const char *rollout, struct checkmark_list *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, CHECKMARK_EVER);
	struct rows rows = {0};

	stmt_text(&st, 1, rollout);
	int r = rows_read(&st, sizeof(struct checkmark), read_checkmark, &rows);
	struct checkmark_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		checkmark_list_free(&l);
	else
		*ret = l;
	return r;
}

void checkmark_list_free(struct checkmark_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].list);
		free(l->item[i].item);
		free(l->item[i].person);
		free(l->item[i].note);
	}
	free(l->item);
	*l = (struct checkmark_list) {0};
}

/* --- baselines --- */

int baseline_set(struct db_tx *tx, const char *rollout, const char *metric, double value)
{
	assert(tx && rollout && metric);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), BASELINE_SET);

	stmt_text(&st, 1, rollout);
	stmt_text(&st, 2, metric);
	stmt_double(&st, 3, value);
	stmt_i64(&st, 4, db_tx_now(tx));
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_baseline(struct stmt *st, void *to)
{
	*(struct baseline *)to = (struct baseline) {
		.metric = column_text(st, 0), .value = column_double(st, 1), .at_us = column_i64(st, 2)};
}

int baseline_of(struct db_conn *c, const char *rollout, struct baseline_list *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, BASELINE_OF);
	struct rows rows = {0};

	stmt_text(&st, 1, rollout);
	int r = rows_read(&st, sizeof(struct baseline), read_baseline, &rows);
	struct baseline_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		baseline_list_free(&l);
	else
		*ret = l;
	return r;
}

void baseline_list_free(struct baseline_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i].metric);
	free(l->item);
	*l = (struct baseline_list) {0};
}

/* --- spans without a clock --- */

int hold_span_add(struct db_tx *tx, const char *rollout, const struct hold_span *h)
{
	assert(tx && rollout && h && h->why && h->since_us <= h->until_us);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), HOLD_ADD);

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, h->since_us);
	stmt_i64(&st, 3, h->until_us);
	stmt_text(&st, 4, h->why ? h->why : "unknown");
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_span(struct stmt *st, void *to)
{
	*(struct hold_span *)to = (struct hold_span) {
		.since_us = column_i64(st, 0), .until_us = column_i64(st, 1), .why = column_text(st, 2)};
}

int hold_span_of(struct db_conn *c, const char *rollout, int64_t from_us, int64_t to_us, struct hold_span_list *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, HOLD_OF);
	struct rows rows = {0};

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, from_us);
	stmt_i64(&st, 3, to_us);
	int r = rows_read(&st, sizeof(struct hold_span), read_span, &rows);
	struct hold_span_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		hold_span_list_free(&l);
	else
		*ret = l;
	return r;
}

void hold_span_list_free(struct hold_span_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i].why);
	free(l->item);
	*l = (struct hold_span_list) {0};
}
