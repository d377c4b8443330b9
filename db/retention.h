/*
 * Forgetting what is older than global.retention, a few rows at a time.
 */
#ifndef DB_RETENTION_H
#define DB_RETENTION_H

#include "db/db.h"

/* Forgets ended incidents (with their steps, timeline, messages, snapshot), then alerts and events of no incident, all
 * of before before_us, at most limit of each. Live incidents and queued messages stay. Returns how many incidents,
 * alerts and events went; as many as limit: there may be more. */
int retention_sweep(struct db_tx *tx, int64_t before_us, size_t limit);

#endif
