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

enum plan_move {
	MOVE_APPROVE,
	MOVE_CHECK,
	MOVE_HOLD,
	MOVE_RESUME,
	MOVE_FREEZE,
	MOVE_SET,
	MOVE_PUBLISH,
	MOVE_CERTIFY,  /* the stage was stable */
	MOVE_EVIDENCE, /* a program ticks what names it */
	MOVE_DONE,     /* a milestone, what blocked the rollout, the review of the plan */
	MOVE_ADVANCE,  /* the next stage is entered */
	MOVE_FLAG,     /* one of the other flags is about to be set */
	MOVE_N
};
int plan_move_find(const char *word); /* the word in the URL; -EINVAL, also of a move that has none */
/* Is it judged by a fresh evaluation. */
bool plan_move_is_judged(enum plan_move move);

struct plan_request {
	enum plan_move move;
	const char *rollout; /* all borrowed */
	struct person who;
	const char *note;        /* may be NULL; HOLD, FREEZE, and what is forced: the reason */
	const char *role;        /* APPROVE */
	const char *milestone;   /* APPROVE: which; NULL: leaving the stage */
	const char *list, *item; /* CHECK: list may be NULL: the stage's. DONE: item alone */
	int64_t for_us;          /* FREEZE: how long; 0 ends it */
	int32_t stage;           /* SET, PUBLISH; -1 not given */
	bool force;              /* SET: past stages that were not left by their gates; ADVANCE: past its gate */
	const char *name, *verdict, *link, *sha; /* EVIDENCE; the last two may be NULL. FLAG: name */
	const char *value;                       /* FLAG */
	int64_t expires_us;                      /* EVIDENCE: wall; 0: as the item says */
	struct json_object *comparison;          /* CHECK, DONE: what prefill stands on; NULL: nothing was compared */
};

struct plan_outcome {
	int64_t incident;            /* ADVANCE: the row for the engine; 0: none */
	struct json_object *missing; /* the caller's; with -EPERM all that is missing: [{what, text}]; NULL: nothing */
	char waits[600];             /* with 0: nothing was done yet, a second person has to say the same; else "" */
};

/* ev: just made, where the move is judged; else NULL. out: all zero. */
int plan_act(struct db_tx *tx, const struct settings *s, const struct plan_request *rq, const struct evaluation *ev,
             struct plan_outcome *out, char *why, size_t why_size);

#endif
