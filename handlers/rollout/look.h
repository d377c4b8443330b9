/*
 * What follows from one look at a rollout: its clock, pinned baselines, who must be told what. Writer thread.
 */
#ifndef HANDLERS_ROLLOUT_LOOK_H
#define HANDLERS_ROLLOUT_LOOK_H

#include "handlers/rollout/evaluation.h"
#include "handlers/rollback/options.h"

/* Inside a job; everything it decides is committed together. *ret_incident: an incident that the engine has to look at, left
 * alone when there is none. */
int look_write(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct evaluation *ev,
               int64_t *ret_incident);

/* --- for its parts --- */

struct look {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	const struct evaluation *ev;
	const struct standing *st;
	const struct stage *stage;      /* NULL: unstaged */
	int64_t now;
};
/* What reminds: overdue items, milestones, reports (remind.c). */
int look_remind(const struct look *l);
/* The value under "<what>:<rollout>[:<which>]" in the named values; 0: never set. */
int64_t look_mark(const struct look *l, const char *what, const char *which);
int look_set_mark(const struct look *l, const char *what, const char *which, int64_t value);
/* "[ROLLOUT] title Stage N: text" to classes, and onto the audit trail. */
int look_tell(const struct look *l, unsigned classes, const char *what, const char *text);

#endif
