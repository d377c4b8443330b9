/*
 * Once an hour: what is older than global.retention is forgotten. Lives on the engine's loop.
 */
#ifndef HANDLERS_ENGINE_RETENTION_H
#define HANDLERS_ENGINE_RETENTION_H

#include "db/db.h"
#include "server/core/loop.h"

struct retire;
/* Before the loop runs; the first sweep comes a minute later. */
int retire_new(struct loop *l, struct db *db, struct retire **ret);
/* After the loop has stopped and the writer too. NULL is fine. */
void retire_free(struct retire *r);

#endif
