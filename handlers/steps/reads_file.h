/*
 * Steps that make the service read its flags file: a reload, a restart, a request that says no percentage. They give
 * the service what the file holds, which is a raise where the file could not be lowered, or somebody wrote it since.
 * A step that says the percentage itself lowers by itself. Keeps no state; any thread.
 */
#ifndef HANDLERS_STEPS_READS_FILE_H
#define HANDLERS_STEPS_READS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include "handlers/settings/settings.h"

/* Has ${percentage} in its arguments or its body. */
bool act_says_percentage(const struct act *a);
/* Would it make a service of r read the flags file. What it does is not known: so every one that says no percentage. */
bool act_reads_file(const struct rollout *r, const struct act *a);

/* May what such a step would make the service read be more than there is, when wanted is to be reached? there: the
 * lowest percentage that it was seen at since the last act, when all who were asked have said so; -1: not known. A file
 * that is missing, or does not set the key, holds nothing; one that we cannot read may hold anything. Then why (>= 200
 * bytes) says what stands there. Reads the file: a millisecond. */
bool reading_may_raise(const struct rollout *r, int32_t wanted, int32_t there, char *why, size_t why_size);

#endif
