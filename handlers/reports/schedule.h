/*
 * When a report falls due. Writer thread, inside a pass over its rollout.
 */
#ifndef HANDLERS_REPORTS_SCHEDULE_H
#define HANDLERS_REPORTS_SCHEDULE_H

#include "handlers/plan/reconcile.h"

/* Announces those of the config that have fallen due for the rollout, each once. A reconcile_fn; comparisons: a struct
 * comparisons, or NULL. */
int reports_send_due(void *comparisons, const struct reconcile *l);

#endif
