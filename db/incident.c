#include "db/incident.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "db/rows.h"
#include "db/stmt.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define COUNT_MAX 1000
/* A place is no further behind the millisecond of opening than so many others were opened in between. */
#define PLACES_BETWEEN 60000

static const char *const state_names[INC_STATE_N] = {
	[INC_PENDING] = "pending",     [INC_ROLLING_BACK] = "rolling_back",
	[INC_VERIFYING] = "verifying", [INC_ROLLED_BACK] = "rolled_back",
	[INC_FAILED] = "failed",       [INC_HELD] = "held",
	[INC_CANCELLED] = "cancelled", [INC_RESOLVED] = "resolved",
};
static const char *const kind_names[KIND_N] = {
	[KIND_AUTO] = "auto", [KIND_MANUAL] = "manual", [KIND_DRILL] = "drill", [KIND_ADVANCE] = "advance"};
static const char *const condition_names[CONDITION_N] = {"written", "acknowledged", "effective", "cured"};
static const char *const condition_status[] = {"unknown", "yes", "no"};

const char *incident_state_name(enum incident_state s)
{
	assert(s > 0 && s < INC_STATE_N);
	return state_names[s];
}

int incident_state_find(const char *name)
{
	assert(name);
	return text_enum_find(state_names, INC_STATE_N, name);
}

const char *incident_kind_name(enum incident_kind k)
{
	assert(k > 0 && k < KIND_N);
	return kind_names[k];
}

int incident_kind_find(const char *name)
{
	assert(name);
	return text_enum_find(kind_names, KIND_N, name);
}

const char *condition_name(enum condition_type r)
{
	assert(r < CONDITION_N);
	return condition_names[r];
}

const char *condition_status_name(enum condition_status s)
{
	assert(s <= STATUS_NO);
	return condition_status[s];
}

bool incident_is_live(enum incident_state s)
{
	assert(s > 0 && s < INC_STATE_N);
	return s != INC_CANCELLED && s != INC_RESOLVED;
}

void incident_free(struct incident *inc)
{
	char *owned[] = {inc->rollout,         inc->playbook, inc->severity,   inc->summary,
	                 inc->config,          inc->reason,   inc->opened_by,  inc->onset_from,
	                 inc->acknowledged_by, inc->eta,      inc->reviewed_by};

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(owned[i]);
	for (int i = 0; i < CONDITION_N; i++)
		free(inc->condition[i].note);
	*inc = (struct incident) {0};
}

/* Numbers as in INCIDENT_COLUMNS, from 3 (id and seq are the caller's). */
static void bind(struct stmt *st, const struct incident *i)
{
	assert(i->rollout && i->state > 0 && i->state < INC_STATE_N && i->kind > 0 && i->kind < KIND_N);
	int at = 3;

	stmt_text(st, at++, i->rollout);
	stmt_text(st, at++, i->playbook);
	stmt_text(st, at++, i->severity);
	stmt_text(st, at++, i->summary);
	const int64_t before_config[] = {i->kind, i->state};
	for (size_t n = 0; n < ARRAY_LEN(before_config); n++)
		stmt_i64(st, at++, before_config[n]);
	stmt_text(st, at++, i->config);
	stmt_text(st, at++, i->reason);
	stmt_text(st, at++, i->opened_by);
	const int64_t numbers[] = {i->stage,         i->pct_before,   i->pct_wanted, i->pct_seen,
	                           i->already_there, i->opened_at_us, i->onset_at_us};
	for (size_t n = 0; n < ARRAY_LEN(numbers); n++)
		stmt_i64(st, at++, numbers[n]);
	stmt_text(st, at++, i->onset_from);
	const int64_t times[] = {i->due_at_us,         i->started_at_us, i->applied_at_us,  i->verify_until_us,
	                         i->next_probe_us,     i->verify_rounds, i->verify_passes,  i->late,
	                         i->rolled_back_at_us, i->failed_at_us,  i->resolved_at_us, i->quiet_since_us};
	for (size_t n = 0; n < ARRAY_LEN(times); n++)
		stmt_i64(st, at++, times[n]);
	stmt_text(st, at++, i->acknowledged_by);
	stmt_i64(st, at++, i->acknowledged_at_us);
	stmt_text(st, at++, i->eta);
	for (int n = 0; n < CONDITION_N; n++) {
		stmt_i64(st, at++, i->condition[n].state);
		stmt_i64(st, at++, i->condition[n].at_us);
		stmt_text(st, at++, i->condition[n].note);
	}
	stmt_i64(st, at++, i->review);
	stmt_text(st, at++, i->reviewed_by);
	const int64_t last[] = {i->reviewed_at_us, i->seen_at_us, i->evidence_since_us, i->asking, i->unknown_rounds};
	for (size_t n = 0; n < ARRAY_LEN(last); n++)
		stmt_i64(st, at++, last[n]);
}

static void read_row(struct stmt *st, void *to)
{
	*(struct incident *)to = (struct incident) {
		.id = column_i64(st, 0),
		.seq = column_i64(st, 1),
		.rollout = column_text(st, 2),
		.playbook = column_text(st, 3),
		.severity = column_text(st, 4),
		.summary = column_text(st, 5),
		.kind = (enum incident_kind)column_i64(st, 6),
		.state = (enum incident_state)column_i64(st, 7),
		.config = column_text(st, 8),
		.reason = column_text_or_null(st, 9),
		.opened_by = column_text(st, 10),
		.stage = (int32_t)column_i64(st, 11),
		.pct_before = (int32_t)column_i64(st, 12),
		.pct_wanted = (int32_t)column_i64(st, 13),
		.pct_seen = (int32_t)column_i64(st, 14),
		.already_there = column_i64(st, 15) != 0,
		.opened_at_us = column_i64(st, 16),
		.onset_at_us = column_i64(st, 17),
		.onset_from = column_text_or_null(st, 18),
		.due_at_us = column_i64(st, 19),
		.started_at_us = column_i64(st, 20),
		.applied_at_us = column_i64(st, 21),
		.verify_until_us = column_i64(st, 22),
		.next_probe_us = column_i64(st, 23),
		.verify_rounds = column_i64(st, 24),
		.verify_passes = column_i64(st, 25),
		.late = column_i64(st, 26) != 0,
		.rolled_back_at_us = column_i64(st, 27),
		.failed_at_us = column_i64(st, 28),
		.resolved_at_us = column_i64(st, 29),
		.quiet_since_us = column_i64(st, 30),
		.acknowledged_by = column_text_or_null(st, 31),
		.acknowledged_at_us = column_i64(st, 32),
		.eta = column_text_or_null(st, 33),
		.review = (enum review)column_i64(st, 46),
		.reviewed_by = column_text_or_null(st, 47),
		.reviewed_at_us = column_i64(st, 48),
		.seen_at_us = column_i64(st, 49),
		.evidence_since_us = column_i64(st, 50),
		.asking = column_i64(st, 51) != 0,
		.unknown_rounds = column_i64(st, 52),
		.place = column_i64(st, 53),
	};
	for (int n = 0; n < CONDITION_N; n++)
		((struct incident *)to)->condition[n] =
			(struct condition) {(enum condition_status)column_i64(st, 34 + 3 * n),
		                            column_i64(st, 35 + 3 * n), column_text_or_null(st, 36 + 3 * n)};
}

static int find_place(struct db_conn *c, int64_t opened_at_us, int64_t *ret)
{
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_PLACE);
	int64_t ms = opened_at_us / US_PER_MS;

	stmt_i64(&st, 1, ms > 0 ? ms : 1);
	int r = stmt_step(&st);
	if (r == 1)
		*ret = column_i64(&st, 0);
	return r == 1 ? 0 : r < 0 ? r : -EIO;
}

int incident_insert(struct db_tx *tx, struct incident *inc)
{
	assert(tx && inc && inc->id == 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), INCIDENT_ADD);
	int r = find_place(db_tx_conn(tx), inc->opened_at_us, &inc->place);

	if (r < 0)
		return r;
	bind(&st, inc);
	stmt_i64(&st, 54, inc->place);
	r = stmt_insert(&st, &inc->id);
	if (r < 0)
		return r;
	inc->seq = 1;
	return 0;
}

int incident_save(struct db_tx *tx, struct incident *inc)
{
	assert(tx && inc && inc->id > 0 && inc->seq > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), INCIDENT_SAVE);

	stmt_i64(&st, 1, inc->id);
	stmt_i64(&st, 2, inc->seq);
	bind(&st, inc);
	int r = stmt_run(&st);
	if (r < 0)
		return r;
	if (r != 1)
		return -ESTALE;
	inc->seq++;
	return 0;
}

/* 1 and a row, 0 none, -errno; ret is untouched unless 1. */
static int read_one(struct stmt *st, struct incident *ret)
{
	struct incident inc;
	int r = stmt_step(st);

	if (r != 1)
		return r;
	read_row(st, &inc);
	if (st->error) {
		incident_free(&inc);
		return st->error;
	}
	*ret = inc;
	return 1;
}

int incident_load(struct db_conn *c, int64_t id, struct incident *ret)
{
	assert(c && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_LOAD);

	stmt_i64(&st, 1, id);
	int r = read_one(&st, ret);
	return r == 1 ? 0 : r == 0 ? -ENOENT : r;
}

int incident_live_of(struct db_conn *c, const char *rollout, struct incident *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_LIVE_OF);

	stmt_text(&st, 1, rollout);
	return read_one(&st, ret);
}

int incident_live_ids(struct db_conn *c, int64_t **ret, size_t *ret_n)
{
	assert(c && ret && ret_n);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_LIVE_IDS);
	struct rows rows = {0};
	int r = rows_read(&st, sizeof(int64_t), rows_number, &rows);

	if (r < 0) {
		free(rows.item);
		return r;
	}
	*ret = rows.item;
	*ret_n = rows.n;
	return 0;
}

static bool may_be_ended(const struct incident_filter *f)
{
	return !f->live_only && (!f->state || !incident_is_live((enum incident_state)f->state));
}

/* Live ones are few, whatever the filter; of the others each state and rollout has its index. */
static enum sql list_of(const struct incident_filter *f)
{
	static const enum sql ended[2][2] = {{INCIDENT_LIST, INCIDENT_LIST_OF},
	                                     {INCIDENT_LIST_ENDED, INCIDENT_LIST_ENDED_OF}};

	if (f->q)
		return INCIDENT_FIND;
	return may_be_ended(f) ? ended[f->state != 0][f->rollout != NULL] : INCIDENT_LIST_LIVE;
}

static void bind_filter(struct stmt *st, const struct incident_filter *f)
{
	assert(f->limit > 0 && f->since_us >= 0 && f->until_us >= 0);
	int64_t until = f->until_us ? f->until_us : INT64_MAX, last = until / US_PER_MS + PLACES_BETWEEN;

	stmt_text(st, 1, f->rollout);
	const int64_t numbers[] = {f->state,
	                           f->before && f->before < last ? f->before : last,
	                           f->since_us / US_PER_MS,
	                           f->since_us,
	                           until,
	                           (int64_t)f->limit};
	for (int i = 0; i < (int)ARRAY_LEN(numbers); i++)
		stmt_i64(st, 2 + i, numbers[i]);
	for (int kind = KIND_AUTO; kind <= KIND_DRILL; kind++)
		stmt_i64(st, 7 + kind, !f->kind ? kind : kind == KIND_AUTO ? f->kind : 0);
	if (!f->q)
		return;
	stmt_text(st, 11, f->q);
	stmt_i64(st, 12, f->live_only);
}

int incident_find(struct db_conn *c, const struct incident_filter *f, struct incident_list *ret)
{
	assert(c && f && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, list_of(f));
	struct rows rows = {0};

	bind_filter(&st, f);
	int r = rows_read(&st, sizeof(struct incident), read_row, &rows);
	struct incident_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		incident_list_free(&l);
	else
		*ret = l;
	return r;
}

void incident_list_free(struct incident_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++)
		incident_free(&l->item[i]);
	free(l->item);
	*l = (struct incident_list) {0};
}

int incident_count_since(struct db_conn *c, const char *rollout, int64_t since_us, int64_t *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_COUNT_SINCE);

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, since_us);
	stmt_i64(&st, 3, COUNT_MAX);
	int r = stmt_step(&st);
	if (r < 0)
		return r;
	*ret = column_i64(&st, 0);
	return 0;
}

int incident_unreviewed(struct db_conn *c, const char *rollout, int64_t *ret_id)
{
	assert(c && rollout && ret_id);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_UNREVIEWED);

	stmt_text(&st, 1, rollout);
	int r = stmt_step(&st);
	if (r == 1)
		*ret_id = column_i64(&st, 0);
	return r < 0 ? r : 0;
}

int incident_last_rollback(struct db_conn *c, const char *rollout, int64_t *ret_us)
{
	assert(c && rollout && ret_us);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_LAST_ROLLBACK);

	stmt_text(&st, 1, rollout);
	int r = stmt_step(&st);
	*ret_us = r == 1 ? column_i64(&st, 0) : 0;
	return r < 0 ? r : 0;
}

int incident_count_states(struct db_conn *c, int64_t counts[INC_STATE_N])
{
	assert(c && counts);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, INCIDENT_COUNT_STATES);
	int r;

	while ((r = stmt_step(&st)) == 1) {
		int64_t state = column_i64(&st, 0);

		if (state > 0 && state < INC_STATE_N)
			counts[state] = column_i64(&st, 1);
	}
	return r;
}

int snapshot_put(struct db_tx *tx, int64_t incident_id, const char *name, const char *unit, const char *series_json,
                 const char *error)
{
	assert(tx && incident_id > 0 && name && (series_json || error));
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), SNAPSHOT_PUT);

	stmt_i64(&st, 1, incident_id);
	stmt_text(&st, 2, name);
	stmt_text(&st, 3, unit ? unit : "");
	stmt_text(&st, 4, series_json);
	stmt_text(&st, 5, error);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_snapshot(struct stmt *st, void *to)
{
	*(struct snapshot_row *)to = (struct snapshot_row) {column_text(st, 0), column_text(st, 1),
	                                                    column_text_or_null(st, 2), column_text_or_null(st, 3)};
}

int snapshot_of(struct db_conn *c, int64_t incident_id, struct snapshot_list *ret)
{
	assert(c && incident_id > 0 && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, SNAPSHOT_OF);
	struct rows rows = {0};

	stmt_i64(&st, 1, incident_id);
	int r = rows_read(&st, sizeof(struct snapshot_row), read_snapshot, &rows);
	struct snapshot_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		snapshot_list_free(&l);
	else
		*ret = l;
	return r;
}

void snapshot_list_free(struct snapshot_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].name);
		free(l->item[i].unit);
		free(l->item[i].series);
		free(l->item[i].error);
	}
	free(l->item);
	*l = (struct snapshot_list) {0};
}
