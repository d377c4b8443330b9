/*
 * The other flags of a rollout, as they were last known: a change by hand is noticed, told, and moves the generation;
 * one through rollbackd goes by an intention on disk. Writer thread, inside a job.
 */
#ifndef HANDLERS_PLAN_FLAGS_VALUES_H
#define HANDLERS_PLAN_FLAGS_VALUES_H

#include "handlers/plan/actions.h"
#include "handlers/steps/percentage.h"

/* What look found differs from what is on record at two looks in a row, for one may fall into a change of ours: it is
 * recorded, and told unless it is what the stage sets. An intention that nobody is at any more is settled by what the
 * file says. 0 or -errno. */
int flags_values_sync(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                      const struct flags_look *look);

/* A person sets one of them: what is to be done, before the file is written. One at a time. */
struct flag_intent {
	const char *name, *value, *reason, *who;
	const char *untold; /* why no apply step is to be run; NULL: they are run, if there are any */
};
int flag_intent_put(struct db_tx *tx, const struct rollout *r, const struct flag_intent *i);
/* 1: somebody is setting one right now, 0: nobody, -errno. */
int flag_intent_is_open(struct db_tx *tx, const struct rollout *r);

/* Why the steps of a flag wait for nobody: something real is going on. */
#define FLAG_UNTOLD_OPEN "incident %lld is open, and goes on with steps of its own"

/* What came of it. It is told at once, or once the apply steps have run. */
struct flag_outcome {
	const char *error;  /* why it could not be written; NULL: it is in the file */
	const char *before; /* what was there; NULL: it was not read */
	const char *values; /* of flags_look_values; NULL: the next look records it */
	int64_t incident;   /* set: what runs the apply steps, for the engine; 0: nothing does */
	char untold[400];   /* set: why nothing does; "": there is nothing to run, or it runs */
};
int flags_values_set(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct flag_outcome *o);

#endif
