/*
 * Steps of an incident: intent on disk before the act, outcome after it.
 */
#ifndef DB_STEP_H
#define DB_STEP_H

#include "db/db.h"

/* Stored: append, never renumber. */
enum step_state {
	STEP_TODO = 1,
	STEP_RUNNING,
	STEP_DONE,
	STEP_FAILED,
	STEP_IN_DOUBT,
	STEP_SKIPPED,
	STEP_WAITING, /* for a person's approval */
	STEP_STATE_N
};
enum step_kind { STEP_FLAGS = 1, STEP_COMMAND, STEP_HTTP, STEP_VERIFY, STEP_SNAPSHOT, STEP_KIND_N };
/* In which part of the incident's life it runs. Stored. */
enum step_phase { PHASE_APPLY = 1, PHASE_VERIFY, PHASE_SNAPSHOT, PHASE_FOLLOWUP, PHASE_FALLBACK };

const char *step_state_name(enum step_state s);
const char *step_kind_name(enum step_kind k);

struct step {
	int64_t id, incident_id;
	int32_t ord; /* order inside the incident, from 0 */
	enum step_phase phase;
	enum step_kind kind;
	char *name; /* owned: "set percentage" */
	char *spec; /* owned: JSON of what to do, as it stood when the incident was opened */
	enum step_state state;
	int32_t attempts;
	int64_t started_at_us, ended_at_us; /* of the last attempt (running: of the one before); 0 not yet */
	char *output;                       /* owned: text for people, bounded by the writer of the step; may be NULL */
};
DB_LIST(step_list, struct step);

void step_free(struct step *s);
int step_insert(struct db_tx *tx, struct step *s);              /* sets id */
int step_save(struct db_tx *tx, const struct step *s);          /* state, attempts, times, output */
int step_load(struct db_conn *c, int64_t id, struct step *ret); /* -ENOENT */
/* What follows the rollback and has failed, is in doubt or waits; by ord, without spec and output. */
int step_followups_open(struct db_conn *c, int64_t incident_id, struct step_list *ret);
/* Incidents, over or not, of which a step is under way. *ret is the caller's to free. */
int step_running_in(struct db_conn *c, int64_t **ret, size_t *ret_n);
/* How many steps of other incidents of that rollout are under way. */
int step_running_elsewhere(struct db_conn *c, const char *rollout, int64_t incident_id, int64_t *ret);
int step_of_incident(struct db_conn *c, int64_t incident_id, struct step_list *ret); /* by ord */

#endif
