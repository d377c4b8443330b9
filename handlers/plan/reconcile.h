/*
 * What follows from one pass over a rollout: its clock, pinned baselines, who must be told what. Writer thread.
 */
#ifndef HANDLERS_PLAN_RECONCILE_H
#define HANDLERS_PLAN_RECONCILE_H

#include "db/progress.h"
#include "handlers/incident/announcements.h"
#include "handlers/gates/evaluation.h"
#include "handlers/settings/settings.h"
#include "handlers/steps/percentage.h"

struct reconcile;
/* What the rooms above this one do in a pass, last: 0 or -errno. */
typedef int reconcile_fn(void *arg, const struct reconcile *l);
struct reconcile_last {
	reconcile_fn *fn; /* NULL: nothing */
	void *arg;
};

/* Inside a job; everything it decides is committed together. *ret_incident: an incident that the engine has to look at,
 * left alone when there is none; so *ret_drill: a drill whose alert is to be sent after the commit. look: at the flags
 * file, taken just before; its told is set. last is done last. */
int reconcile_write(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct evaluation *ev,
                    struct flags_look *look, const struct reconcile_last *last, int64_t *ret_incident,
                    int64_t *ret_drill);

/* --- for its parts --- */

struct reconcile {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	const struct evaluation *ev;
	const struct rollout_state *st;
	const struct stage *stage; /* NULL: unstaged */
	int64_t now;
	int64_t *drill;
};
/* A plan that was changed (changed.c): 1: a new run began, load again. p is not saved. */
int reconcile_plan(const struct reconcile *l, struct progress *p);
/* Approvals that what was seen last speaks against. */
int reconcile_approvals(const struct reconcile *l);
/* What ticks itself (ticks.c); before what is overdue is told. */
int reconcile_tick(const struct reconcile *l);
/* What reminds: overdue items, milestones, an ETA that passed (reminders.c). */
int reconcile_remind(const struct reconcile *l);
/* Triggers that fire in Prometheus and do not come: told once an episode, and when it ends (hear.c). */
int reconcile_hear(const struct reconcile *l);
/* The value under "<what>:<rollout>[:<which>]" in the named values; 0: never set. */
int64_t reconcile_mark(const struct reconcile *l, const char *what, const char *which);
int reconcile_set_mark(const struct reconcile *l, const char *what, const char *which, int64_t value);
/* "[ROLLOUT] title Stage N: text" to classes, and onto the audit trail. */
int reconcile_announce(const struct reconcile *l, enum announcement_id id, const char *text);

#endif
