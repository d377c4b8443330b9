/*
 * The old way is not ready, or it is not known whether: told once, and once when it is again. Writer thread, inside a
 * job.
 */
#ifndef HANDLERS_READINESS_FALLBACK_WATCH_H
#define HANDLERS_READINESS_FALLBACK_WATCH_H

#include "db/db.h"
#include "db/incident.h"
#include "handlers/settings/settings.h"

struct fallback_look {
	enum condition_status ready;
	const char *why;
	bool above_zero; /* then it pages */
};
/* So long as the rollout's watch.patience nobody is told, and never by one look alone. 0 or -errno. */
int fallback_watch(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                   const struct fallback_look *look);

#endif
