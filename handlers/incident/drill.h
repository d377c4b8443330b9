/*
 * A fire drill: an alert with the label `drill` goes the whole way, from the webhook to chat, and changes nothing on
 * the target.
 *
 * Its incident (KIND_DRILL) has the steps of a real one; the engine asks rehearse_step about each instead of doing it,
 * and the verification asks the world whether it is where it stands. It gives way at once to everything real, and locks
 * nothing but raising while it lasts.
 */
#ifndef HANDLERS_INCIDENT_DRILL_H
#define HANDLERS_INCIDENT_DRILL_H

#include "alertmanager/payload.h"
#include "handlers/incident/text.h"
#include "handlers/incident/open.h"

#define DRILL_REFUSED "drill_refused"

/* Is it marked as a drill? Pure. */
bool drill_is(const struct alert *a);

/* Opens a drill, in place of an older one. 1 opened; 0 not now: nothing was done but for an event (DRILL_REFUSED),
 * and why (>= 200 bytes) says the reason; -errno. Writer thread, inside a transaction. */
int drill_open(struct db_tx *tx, const struct settings *s, const struct trigger *t, int64_t *ret_incident, char *why,
               size_t why_size);

/* Of the named values "<mark>:<rollout>": when a drill last passed, and last failed. */
#define DRILL_PASSED_MARK "drill_passed_at"
#define DRILL_FAILED_MARK "drill_failed_at"
/* It moved to another state: what that says of the readiness is kept. What is no drill says nothing. 0 or -errno.
 * Writer thread, inside a transaction. */
int drill_record(struct db_tx *tx, const struct incident *inc);

/* The rest is pure; any thread. */

/* It has ended, and nothing failed. */
bool drill_passed(const struct incident *inc);
/* The lines that people read. */
int drill_message(struct buf *b, const struct incident *inc, const struct plan *plan, int64_t at_us);

#endif
