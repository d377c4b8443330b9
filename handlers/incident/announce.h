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

/* The log line of a state that was entered; from "" when it was opened in it. */
void incident_log(const struct incident *inc, const char *from, const char *who, const char *note);
/* Moves the incident by ev if there is such an edge: state, its times, timeline row, metric, message, log line; saved.
 * 1 moved, 0 that event means nothing here (nothing written), -errno. who/note are borrowed; note may be NULL. */
int incident_move(struct db_tx *tx, const struct settings *s, struct incident *inc, enum incident_event ev,
                  const char *who, const char *note);

#endif
