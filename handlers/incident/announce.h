/*
 * Deciding a message: one outbox row per channel that listens, in the transaction of what it tells.
 * Writer thread only.
 */
#ifndef HANDLERS_INCIDENT_ANNOUNCE_H
#define HANDLERS_INCIDENT_ANNOUNCE_H

#include "db/incident.h"
#include "handlers/incident/announcements.h"
#include "handlers/settings/settings.h"

/* About an incident, as it stands in this transaction. ANNOUNCE_NOTHING: nothing. */
int announce_incident(struct db_tx *tx, const struct settings *s, const struct incident *inc, enum announcement_id id);
/* About something else: text is what people read, rollout may be NULL. */
int announce_text(struct db_tx *tx, const struct settings *s, enum announcement_id id, const char *rollout,
                  const char *text);
/* A report by its name ("weekly"), which says who hears it. */
int announce_report(struct db_tx *tx, const struct settings *s, const char *name, const char *rollout,
                    const char *text);
/* A message to one channel that tells of nothing, by who. *ret_id: its number in the outbox. */
int announce_test(struct db_tx *tx, const struct settings *s, const struct channel_options *channel, const char *who,
                  int64_t *ret_id);

#endif
