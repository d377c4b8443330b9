/*
 * Keeps the record in step with the flags file: adopts what is found at first, notices what somebody else changed.
 *
 * Writer thread, inside a job.
 */
#ifndef HANDLERS_PLAN_PERCENTAGE_SYNC_H
#define HANDLERS_PLAN_PERCENTAGE_SYNC_H

#include "db/db.h"
#include "handlers/settings/settings.h"

/* At start and after a reload: a rollout without a row adopts what it finds; a value changed outside is recorded with
 * both values and told (above what a rollback wanted: paged). A flags file from which nothing could be rolled back is
 * told, too (flags_watch.h). */
int percentage_sync_all(struct db_tx *tx, const struct settings *s);
/* The same of one. */
int percentage_sync_rollout(struct db_tx *tx, const struct settings *s, const struct rollout *r);

#endif
