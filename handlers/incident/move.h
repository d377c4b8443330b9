/*
 * The one door by which the state of an incident changes. Writer thread, inside a transaction.
 */
#ifndef HANDLERS_INCIDENT_MOVE_H
#define HANDLERS_INCIDENT_MOVE_H

#include "db/incident.h"
#include "handlers/incident/machine.h"
#include "handlers/settings/settings.h"

/* The log line of a state that was entered; from "" when it was opened in it. */
void incident_log(const struct incident *inc, const char *from, const char *who, const char *note);
/* Moves the incident by ev if there is such an edge: state, its times, timeline row, metric, message, log line; saved.
 * 1 moved, 0 that event means nothing here (nothing written), -errno. who/note are borrowed; note may be NULL. */
int incident_move(struct db_tx *tx, const struct settings *s, struct incident *inc, enum incident_event ev,
                  const char *who, const char *note);

#endif
