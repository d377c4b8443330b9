/*
 * What people are told: the plain text of an incident's message. Pure; any thread.
 */
#ifndef HANDLERS_INCIDENT_TEXT_H
#define HANDLERS_INCIDENT_TEXT_H

#include "db/alert.h"
#include "db/incident.h"
#include "db/step.h"
#include "handlers/incident/over.h"
#include "handlers/settings/settings.h"
#include "server/core/buf.h"

#define MESSAGE_MAX 4000 /* bytes of one text: below every chat's limit but Discord's */

/* "- At: 2025-10-14 19:50:24 CEST", in the zone of global.timezone: every message has it. */
int message_at(struct buf *b, int64_t at_us);
/* What happened, the trigger, stage, action, status, ETA: an incident as it stands; at_us: now. */
int message_incident(struct buf *b, const struct incident *inc, const struct plan *plan,
                     const struct incident_facts *facts, int64_t at_us);
/* What was measured, of the alert that gave the incident its summary: "value 1.84%, bound baseline + 0.5 points, …",
 * its annotations value, bound, baseline, window, samples. Nothing without them. */
int message_measured(struct buf *b, const struct alert_list *alerts, const char *summary);
/* What stands below those lines: what was measured ("" nothing), the conditions reached, the time taken against the
 * budgets, whether it is over, the command that comes next. */
int message_evidence(struct buf *b, const struct incident *inc, const struct plan *plan,
                     const struct incident_facts *facts, const char *measured);
/* Is it configured, and judged in an incident like this? */
bool message_condition_asked(const struct incident *inc, const struct plan *plan, enum condition_type which);
/* Who ended an incident, or called it off; why may be NULL. */
int message_ended(struct buf *b, const struct incident *inc, const char *who, const char *why);
/* That it is worse now, and by what: "P0 (was critical): index validation failed". */
int message_escalated(struct buf *b, const char *note);
/* Who had the countdown wait longer, until when, and why. */
int message_extended(struct buf *b, const char *who, const char *note);
/* What stands in the reason of an advance that was forced, and in no other. */
#define MESSAGE_PASSED_OVER "passed over: "
/* What message_incident says, for a stage that was entered, or should have been. */
int message_stage(struct buf *b, const struct incident *advance, const struct plan *plan, int64_t at_us);
/* The same for a flag that was set, and of which the service was told by these steps. */
int message_flag(struct buf *b, const struct incident *inc, const struct plan *plan, const struct step_list *steps,
                 int64_t at_us);
/* The word for a state of a stage being entered: it is not rolling back. */
const char *message_stage_word(enum incident_state s);
/* The word for a state of it, whatever its kind. */
const char *message_state_word(const struct incident *inc, enum incident_state s);
/* The action line alone ("Rolled back to 0%; validate FAILED, restore waits for you"), for lists and pages. */
int message_action(struct buf *b, const struct incident *inc, const struct incident_facts *facts);
/* What happened: "Auto-Rollback", "Manual Rollback", "Held", "Rollback Pending", "Called Off", "Drill", "Reported
 * Incident". */
const char *message_title(const struct incident *inc);

#endif
