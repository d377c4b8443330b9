/*
 * What the moves of people share (actions.h). Writer thread, inside a job.
 */
#ifndef HANDLERS_PLAN_ACTIONS_PRIVATE_H
#define HANDLERS_PLAN_ACTIONS_PRIVATE_H

#include "handlers/incident/announcements.h"
#include "handlers/incident/open.h"
#include "handlers/plan/actions.h"

struct plan_act {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	const struct plan_request *rq;
	const struct evaluation *ev; /* just made; NULL: the move needs none */
	struct rollout_state st;
	const struct stage *stage; /* NULL: unstaged */
	struct plan_outcome *out;
	char *why;
	size_t why_size;
};

/* The sentence of a refusal; its value is err. */
#define refuse(w, err, ...) say_why((w)->why, (w)->why_size, err, __VA_ARGS__)

/* On the audit trail alone. */
int plan_note(const struct plan_act *w, const char *what, const char *text);
/* On the audit trail and to those who follow the rollout: "[ROLLOUT] CST Pipeline Stage 2: held by alice: …". */
int plan_tell(const struct plan_act *w, enum announcement_id id, const char *text);
/* The reason or note that was given; NULL: none. */
const char *plan_reason(const struct plan_act *w);
/* What stands as the note of what says prefill, where nobody gave one; NULL: one was given, or nothing is known. The
 * caller's. */
char *plan_known(const struct plan_act *w, const char *prefill);
/* -EACCES with a sentence unless it is known who asks. */
int plan_needs_person(const struct plan_act *w, const char *for_what);
bool is_among(const char **list, const char *word);
struct gate_view plan_view(const struct plan_act *w);

/* The milestone that word means (checklist.h, text_meant); NULL: the sentence says so. */
const struct milestone *plan_milestone(struct plan_act *w, const char *word);
/* -EPERM with a sentence unless the milestone's stage was called stable, where that is asked for. */
int plan_needs_certificate(struct plan_act *w, const struct milestone *m);
/* A stage is to be forced: far up that takes two persons. 0 with out->waits set: this was the first, nothing may be
 * done yet; else *ret_with is the other one (NULL: none was needed). Borrowed from w. */
int plan_force(struct plan_act *w, const struct stage *to, const char **ret_with);

typedef int plan_move_fn(struct plan_act *w);
plan_move_fn plan_approve, plan_certify; /* approve.c */
plan_move_fn plan_check, plan_evidence;  /* check.c */
plan_move_fn plan_done;                  /* settle.c */
plan_move_fn plan_set;                   /* set.c */
plan_move_fn plan_advance;               /* advance.c */
plan_move_fn plan_flag;                  /* flags_values.c */

#endif
