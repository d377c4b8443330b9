/*
 * What was told of a rollout, and since when: named values "<what>:<rollout>". Writer thread, inside a job.
 */
#ifndef HANDLERS_READINESS_MARKS_H
#define HANDLERS_READINESS_MARKS_H

#include "db/db.h"
#include "handlers/incident/announcements.h"
#include "handlers/settings/settings.h"

int64_t mark_get(struct db_conn *c, const struct rollout *r, const char *what); /* 0: never set */
int mark_set(struct db_tx *tx, const struct rollout *r, const char *what, int64_t value) MUST_CHECK;
/* "[ROLLOUT] title: text" to whom it concerns, and onto the audit trail. */
int readiness_announce(struct db_tx *tx, const struct settings *s, const struct rollout *r, enum announcement_id id,
                       const char *text) MUST_CHECK;

#endif
