/*
 * A flags file from which nothing could be rolled back is told while there is time: at the start, at a reload and while
 * watching, not by the rollback that fails. Writer thread, inside a job.
 */
#ifndef HANDLERS_PLAN_FLAGS_WATCH_H
#define HANDLERS_PLAN_FLAGS_WATCH_H

#include "db/db.h"
#include "handlers/settings/settings.h"
#include "handlers/steps/percentage.h"

/* Logs an error and pages, once per kind of error, and says when it is over. at_start: tells at once, and asks the
 * act's own question, whether it could be lowered; else what can be read is looked at, and must be wrong at two looks
 * in a row, for one may fall into somebody's writing. At 0 % nobody is paged, nor while an incident's own steps tell.
 * look: what was found, rehearsed at a start; its told is set. 0 or -errno. */
int flags_watch(struct db_tx *tx, const struct settings *s, const struct rollout *r, bool at_start,
                struct flags_look *look);

#endif
