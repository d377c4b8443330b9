/*
 * Takes in what the journal (journal.h) tells of rollbacks that were made while no daemon could: an incident, its
 * steps, the timeline, a message. Writer thread, inside a job.
 */
#ifndef HANDLERS_OFFLINE_IMPORT_H
#define HANDLERS_OFFLINE_IMPORT_H

#include "db/db.h"
#include "handlers/settings/settings.h"

/* Each record becomes an incident of its rollout (or joins its open one) once, however often it is read: its id is
 * remembered in the same transaction. A journal whose records were all committed by earlier transactions is renamed to
 * *.imported. A journal that is being written waits for the next time. *ret_incident: one that the engine has to look
 * at, left alone when there is none. */
int import_offline(struct db_tx *tx, const struct settings *s, const struct rollout *r, int64_t *ret_incident);

/* Is there a story about r that is not on record yet? */
bool import_expected(struct db_tx *tx, const struct rollout *r);

#endif
