/*
 * What is there, as far as is known without asking anybody. The connection's thread.
 */
#ifndef HANDLERS_STEPS_PERCENTAGE_H
#define HANDLERS_STEPS_PERCENTAGE_H

#include "db/db.h"
#include "handlers/settings/settings.h"

/* The flags file's value, else the one last seen, in hundredths of a percent.
 * -1 unknown; why (>= 200 bytes, may be NULL) then says why. */
int32_t percentage_there(struct db_conn *c, const struct rollout *r, char *why, size_t why_size);

#endif
