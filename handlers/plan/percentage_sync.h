/*
 * Keeps the record in step with the flags file: adopts what is found at first, notices what somebody else changed.
 *
 * Writer thread, inside a job.
 */
#ifndef HANDLERS_PLAN_PERCENTAGE_SYNC_H
#define HANDLERS_PLAN_PERCENTAGE_SYNC_H

#include "db/db.h"
#include "handlers/settings/settings.h"
#include "handlers/steps/percentage.h"

/* At start and after a reload: a rollout without a row adopts what it finds; a value changed outside is recorded with
 * both values and told (above what a rollback wanted: paged). A flags file from which nothing could be rolled back is
 * told, too (flags_watch.h). looks: of each, rehearsed (percentage_look_all). */
int percentage_sync_all(struct db_tx *tx, const struct settings *s, struct flags_look *looks);
/* The same of one. What is on record since the look is believed, not the look. */
int percentage_sync_rollout(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                            const struct flags_look *look);

/* A look at the flags file of each rollout, could it be lowered, for the caller to free; NULL: out of memory. Any
 * thread that may wait for a disk. */
struct flags_look *percentage_look_all(const struct settings *s, int64_t now_us);
void percentage_looks_free(const struct settings *s, struct flags_look *all); /* NULL is fine */

#endif
