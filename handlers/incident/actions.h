/*
 * What people do to incidents and rollouts. Each runs inside a writer job and answers with a sentence when it refuses.
 *
 * Results: 0 done; -ENOENT no such incident or rollout; -EPERM (409) wrong state; -EACCES (403) who it is must be
 * known; -EINVAL bad input; other -errno. why (>= 200 bytes) says what stands in the way. *ret_incident is what the
 * engine must look at and the answer names.
 */
#ifndef HANDLERS_INCIDENT_ACTIONS_H
#define HANDLERS_INCIDENT_ACTIONS_H

#include "db/db.h"
#include "handlers/settings/settings.h"

enum incident_action {
	ACTION_ACKNOWLEDGE,
	ACTION_NOTE,
	ACTION_ETA,
	ACTION_CANCEL,
	ACTION_RETRY,
	ACTION_RESOLVE,
	ACTION_APPROVE,
	ACTION_REVIEW,
	ACTION_EXTEND,
	ACTION_N
};
/* The word in the URL; -EINVAL for none. */
int action_find(const char *word);

struct action_request {
	enum incident_action action;
	int64_t incident_id;
	const char *who;  /* borrowed */
	bool known;       /* authenticated: approving needs a person */
	const char *note; /* borrowed; may be NULL. ETA: a duration ("2h") or a time; "" clears it */
	int64_t for_us;   /* EXTEND: so much longer it waits; 0: not said */
	const char *step; /* borrowed; approving: the name of the step that is meant; NULL: the one that waits */
};
int action_run(struct db_tx *tx, const struct settings *s, const struct action_request *rq, char *why, size_t why_size);

/* A person reports an incident: P0 rolls back to 0, anything else holds. */
struct manual_report {
	const char *rollout, *who, *severity, *summary;
};
int manual_report(struct db_tx *tx, const struct settings *s, const struct manual_report *rq, int64_t *ret_incident,
                  char *why, size_t why_size);

struct manual_rollback {
	const char *rollout, *who, *reason; /* reason may be NULL */
	int32_t stage;                      /* must be the current one */
	bool stage_given;
	int32_t to_pct; /* hundredths */
};
int manual_rollback(struct db_tx *tx, const struct settings *s, const struct manual_rollback *rq, int64_t *ret_incident,
                    char *why, size_t why_size);

#endif
