/*
 * Deciding a message: one outbox row per channel that listens, in the transaction of what it tells.
 * Writer thread only.
 */
#ifndef HANDLERS_INCIDENT_ANNOUNCE_H
#define HANDLERS_INCIDENT_ANNOUNCE_H

#include "db/incident.h"
#include "handlers/incident/machine.h"
#include "handlers/settings/settings.h"

/* About an incident, as it stands in this transaction. ANNOUNCE_NOTHING: nothing. */
int announce_incident(struct db_tx *tx, const struct settings *s, const struct incident *inc, enum announcement_id say);
/* About something else: text is what people read, what is the word for machines, rollout may be NULL. */
int announce_text(struct db_tx *tx, const struct settings *s, unsigned classes, const char *what, const char *rollout,
                  const char *text);

#endif
