#include "db/step.h"

#include <assert.h>
#include <errno.h>

#include "db/query.h"
#include "server/core/text.h"

static const char *const state_names[STEP_STATE_N] = {
	[STEP_TODO] = "todo",         [STEP_RUNNING] = "running", [STEP_DONE] = "done",       [STEP_FAILED] = "failed",
	[STEP_IN_DOUBT] = "in_doubt", [STEP_SKIPPED] = "skipped", [STEP_WAITING] = "waiting",
};
static const char *const kind_names[STEP_KIND_N] = {
	[STEP_FLAGS] = "flags",   [STEP_COMMAND] = "command",   [STEP_HTTP] = "http",
	[STEP_VERIFY] = "verify", [STEP_SNAPSHOT] = "snapshot",
};

TEXT_ENUM_NAME(step_state_name, enum step_state, state_names)

TEXT_ENUM_NAME(step_kind_name, enum step_kind, kind_names)

ROW_TYPE(step_row, struct step, STEP_ROW);
ROW_FREE(step_free, struct step, step_row)
ROW_LIST(step_list, step_row)

int step_insert(struct db_tx *tx, struct step *s)
{
	assert(s && s->incident_id > 0 && s->ord >= 0 && s->name && s->spec);
	assert(s->state > 0 && s->state < STEP_STATE_N && s->kind > 0 && s->kind < STEP_KIND_N);
	return query_insert(tx, STEP_ADD, &s->id, V(row_value(&step_row, s)));
}

int step_save(struct db_tx *tx, const struct step *s)
{
	assert(s && s->id > 0 && s->state > 0 && s->state < STEP_STATE_N);
	int r = query_run(tx, STEP_SAVE, V(s->id, s->state, s->attempts, s->started_at_us, s->ended_at_us, s->output));

	return r < 0 ? r : r == 1 ? 0 : -ENOENT;
}

int step_load(struct db_conn *c, int64_t id, struct step *ret)
{
	return query_found(query_one(c, STEP_LOAD, &step_row, ret, V(id)));
}

int step_of_incident(struct db_conn *c, int64_t incident_id, struct step_list *ret)
{
	assert(incident_id > 0);
	return query_list(c, STEP_OF_INCIDENT, &step_row, &ret->item, &ret->n, V(incident_id));
}

int step_followups_open(struct db_conn *c, int64_t incident_id, struct step_list *ret)
{
	assert(incident_id > 0);
	return query_list(c, STEP_FOLLOWUPS_OPEN, &step_row, &ret->item, &ret->n, V(incident_id));
}

int step_running_in(struct db_conn *c, int64_t **ret, size_t *ret_n)
{
	return query_list(c, STEP_RUNNING_IN, &number_row, ret, ret_n, V());
}

int step_running_elsewhere(struct db_conn *c, const char *rollout, int64_t incident_id, int64_t *ret)
{
	assert(rollout && incident_id > 0);
	return query_done(query_number(c, STEP_RUNNING_ELSEWHERE, ret, V(rollout, incident_id)));
}
