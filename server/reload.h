/*
 * May a config take the place of the one in force?
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include "db/db.h"
#include "handlers/settings/settings.h"

/* True: it drops a rollout with a live incident, or with a stage that is still being entered; or it cannot be told. why
 * (>= 200 bytes) says which. What is live could not be rolled back, or seen, any more. The connection's thread. */
bool reload_drops_live(struct db_conn *c, const struct settings *s, char *why, size_t size);

#endif
