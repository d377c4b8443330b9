/*
 * The alerts of scheduled drills, to Alertmanager: as a real one comes, from Prometheus' side.
 */
#ifndef HANDLERS_READINESS_DRILL_SENDER_H
#define HANDLERS_READINESS_DRILL_SENDER_H

#include "handlers/settings/settings.h"
#include "server/core/loop.h"

struct drill_sender;
int drill_sender_new(struct loop *l, struct drill_sender **ret);
/* After the loop has stopped. NULL is fine. */
void drill_sender_free(struct drill_sender *d);
/* One of a rollout at a time; while it is under way another is left out, for the next pass sends again. A failure is
 * logged. Takes its own reference of s. Any thread. */
void drill_send(struct drill_sender *d, struct settings *s, const char *rollout, int64_t asked_us);

#endif
