/*
 * The other flags of a rollout, as they were last known: a change by hand is noticed, told, and moves the generation.
 * Writer thread, inside a job.
 */
#ifndef HANDLERS_PLAN_FLAGS_VALUES_H
#define HANDLERS_PLAN_FLAGS_VALUES_H

#include "handlers/plan/actions.h"
#include "handlers/steps/percentage.h"

/* What look found differs from what is on record at two looks in a row, for one may fall into a change of ours: it is
 * recorded, and told unless it is what the stage sets. 0 or -errno. */
int flags_values_sync(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                      const struct flags_look *look);

/* A person set one of them through rollbackd: it is in the file already, and values is what the file has now. */
struct flag_set {
	const char *name, *before, *value, *reason; /* before NULL: it was not read */
	struct person who;
	const char *values; /* of flags_look_values; NULL: the next look records it */
};
int flags_values_set(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct flag_set *set);

#endif
