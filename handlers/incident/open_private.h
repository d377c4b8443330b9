/*
 * What opening (open.c) and joining (join.c) share. Writer thread, inside a transaction.
 */
#ifndef HANDLERS_INCIDENT_OPEN_PRIVATE_H
#define HANDLERS_INCIDENT_OPEN_PRIVATE_H

#include "handlers/incident/open.h"

/* The trigger meets the open incident. there: the percentage that is thought to be there, -1 unknown. */
int trigger_join(struct db_tx *tx, const struct settings *s, const struct trigger *t, struct incident *inc,
                 int32_t there);

/* Apply and fallback steps that are still to be done, or to be tried again, are not. */
int trigger_skip_older(struct db_tx *tx, int64_t incident);
/* What was before the trigger that decides, as far as it is not to be preserved yet. */
int trigger_preserve(struct db_tx *tx, const struct incident *inc, const struct rollout *r);
/* The stage the rollout is at; -1: at none. */
int trigger_stage(struct db_tx *tx, const char *rollout, int32_t *ret);

#endif
