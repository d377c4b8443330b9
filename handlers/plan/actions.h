/*
 * What people do to a rollout's plan. Each runs inside a writer job and answers with a sentence when it refuses.
 *
 * Results: 0 done; -ENOENT no such rollout; -EPERM (409) not now; -EACCES (403) not by this person; -EINVAL bad input;
 * other -errno. why (>= 600 bytes) says what stands in the way.
 */
#ifndef HANDLERS_PLAN_ACTIONS_H
#define HANDLERS_PLAN_ACTIONS_H

#include "handlers/gates/gate.h"

struct person {
	const char *name; /* borrowed */
	bool known;       /* authenticated: a password, or the peer of the unix socket */
};
/* Does the config give this user that role. */
bool person_has_role(const struct settings *s, const struct person *who, const char *role);

enum plan_move { MOVE_APPROVE, MOVE_CHECK, MOVE_HOLD, MOVE_RESUME, MOVE_FREEZE, MOVE_SET, MOVE_PUBLISH, MOVE_N };
int plan_move_find(const char *word); /* the word in the URL; -EINVAL */

struct plan_request {
	enum plan_move move;
	const char *rollout; /* all borrowed */
	struct person who;
	const char *note;        /* may be NULL; HOLD, FREEZE: the reason */
	const char *role;        /* APPROVE */
	const char *list, *item; /* CHECK: list may be NULL: the stage's */
	int64_t for_us;          /* FREEZE: how long; 0 ends it */
	int32_t stage;           /* SET, PUBLISH; -1 not given */
	bool force;              /* SET: past stages that were not left by their gates; needs a note */
};
int plan_act(struct db_tx *tx, const struct settings *s, const struct plan_request *rq, char *why, size_t why_size);

struct advance_request {
	const char *rollout; /* borrowed */
	struct person who;
	bool force;
	const char *reason; /* required with force */
};
/* Enters the next stage, judged by ev, which must be fresh: *ret_incident is the row for the engine. -EPERM:
 * *ret_missing (a JSON array of {what, text}) lists all that is missing. */
int plan_advance(struct db_tx *tx, const struct settings *s, const struct advance_request *rq,
                 const struct evaluation *ev, int64_t *ret_incident, struct json_object **ret_missing, char *why,
                 size_t why_size);

#endif
