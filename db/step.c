#include "db/step.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "db/rows.h"
#include "db/stmt.h"

static const char *const state_names[STEP_STATE_N] = {
	[STEP_TODO] = "todo",         [STEP_RUNNING] = "running", [STEP_DONE] = "done",       [STEP_FAILED] = "failed",
	[STEP_IN_DOUBT] = "in_doubt", [STEP_SKIPPED] = "skipped", [STEP_WAITING] = "waiting",
};
static const char *const kind_names[STEP_KIND_N] = {
	[STEP_FLAGS] = "flags",   [STEP_COMMAND] = "command",   [STEP_HTTP] = "http",
	[STEP_VERIFY] = "verify", [STEP_SNAPSHOT] = "snapshot",
};

const char *step_state_name(enum step_state s)
{
	assert(s > 0 && s < STEP_STATE_N);
	return state_names[s];
}

const char *step_kind_name(enum step_kind k)
{
	assert(k > 0 && k < STEP_KIND_N);
	return kind_names[k];
}

void step_free(struct step *s)
{
	assert(s);
	free(s->name);
	free(s->spec);
	free(s->output);
	*s = (struct step) {0};
}

void step_list_free(struct step_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++)
		step_free(&l->item[i]);
	free(l->item);
	*l = (struct step_list) {0};
}

int step_insert(struct db_tx *tx, struct step *s)
{
	assert(tx && s && s->incident_id > 0 && s->ord >= 0 && s->name && s->spec);
	assert(s->state > 0 && s->state < STEP_STATE_N && s->kind > 0 && s->kind < STEP_KIND_N);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), STEP_ADD);

	stmt_i64(&st, 2, s->incident_id);
	stmt_i64(&st, 3, s->ord);
	stmt_i64(&st, 4, s->phase);
	stmt_i64(&st, 5, s->kind);
	stmt_text(&st, 6, s->name);
	stmt_text(&st, 7, s->spec);
	stmt_i64(&st, 8, s->state);
	stmt_i64(&st, 9, s->attempts);
	stmt_i64(&st, 10, s->started_at_us);
	stmt_i64(&st, 11, s->ended_at_us);
	stmt_text(&st, 12, s->output);
	int r = stmt_run(&st);
	if (r < 0)
		return r;
	s->id = stmt_last_id(&st);
	return 0;
}

int step_save(struct db_tx *tx, const struct step *s)
{
	assert(tx && s && s->id > 0 && s->state > 0 && s->state < STEP_STATE_N);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), STEP_SAVE);

	stmt_i64(&st, 1, s->id);
	stmt_i64(&st, 2, s->state);
	stmt_i64(&st, 3, s->attempts);
	stmt_i64(&st, 4, s->started_at_us);
	stmt_i64(&st, 5, s->ended_at_us);
	stmt_text(&st, 6, s->output);
	int r = stmt_run(&st);
	return r < 0 ? r : r == 1 ? 0 : -ENOENT;
}

static void read_row(struct stmt *st, void *to)
{
	*(struct step *)to = (struct step) {
		.id = column_i64(st, 0),
		.incident_id = column_i64(st, 1),
		.ord = (int32_t)column_i64(st, 2),
		.phase = (enum step_phase)column_i64(st, 3),
		.kind = (enum step_kind)column_i64(st, 4),
		.name = column_text(st, 5),
		.spec = column_text(st, 6),
		.state = (enum step_state)column_i64(st, 7),
		.attempts = (int32_t)column_i64(st, 8),
		.started_at_us = column_i64(st, 9),
		.ended_at_us = column_i64(st, 10),
		.output = column_text_or_null(st, 11),
	};
}

int step_load(struct db_conn *c, int64_t id, struct step *ret)
{
	assert(c && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, STEP_LOAD);
	struct step s;

	stmt_i64(&st, 1, id);
	int r = stmt_step(&st);
	if (r != 1)
		return r < 0 ? r : -ENOENT;
	read_row(&st, &s);
	if (st.error) {
		step_free(&s);
		return st.error;
	}
	*ret = s;
	return 0;
}

static int read_list(struct db_conn *c, enum sql which, int64_t incident_id, struct step_list *ret)
{
	assert(c && incident_id > 0 && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, which);
	struct rows rows = {0};

	stmt_i64(&st, 1, incident_id);
	int r = rows_read(&st, sizeof(struct step), read_row, &rows);
	struct step_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		step_list_free(&l);
	else
		*ret = l;
	return r;
}

int step_of_incident(struct db_conn *c, int64_t incident_id, struct step_list *ret)
{
	return read_list(c, STEP_OF_INCIDENT, incident_id, ret);
}

int step_followups_open(struct db_conn *c, int64_t incident_id, struct step_list *ret)
{
	return read_list(c, STEP_FOLLOWUPS_OPEN, incident_id, ret);
}

int step_running_in(struct db_conn *c, int64_t **ret, size_t *ret_n)
{
	assert(c && ret && ret_n);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, STEP_RUNNING_IN);
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

int step_running_elsewhere(struct db_conn *c, const char *rollout, int64_t incident_id, int64_t *ret)
{
	assert(c && rollout && incident_id > 0 && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, STEP_RUNNING_ELSEWHERE);

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, incident_id);
	int r = stmt_step(&st);
	if (r < 0)
		return r;
	*ret = column_i64(&st, 0);
	return 0;
}
