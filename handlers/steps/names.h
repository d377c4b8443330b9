/*
 * What a step is called outside the database. Numbers are names only inside one database: each name carries the
 * database's UUID, but those of steps from before it had one. Pure; any thread.
 */
#ifndef HANDLERS_STEPS_NAMES_H
#define HANDLERS_STEPS_NAMES_H

#include "db/db.h"

#define ATTEMPT_NAME_SIZE 96
#define STEP_KEY_SIZE     160

/* The files of one attempt of a command (command.h): "<uuid>.17.2". */
void attempt_name(const struct db *db, int64_t step, int32_t attempt, char out[ATTEMPT_NAME_SIZE]);
/* Whose file is "<uuid>.17.2.res"? Length of the attempt's name; 0: not of this database. */
size_t attempt_name_parse(const struct db *db, const char *file, int64_t *ret_step, int32_t *ret_attempt);

/* The idempotency key of an HTTP step. since_us: when its incident was opened, or when the step last ended: a repeat
 * after a crash is the same request, trying again after an end is not, and a database that was restored from a backup
 * counts on from old numbers. */
void step_key(const struct db *db, int64_t incident, int64_t step, int64_t since_us, char out[STEP_KEY_SIZE]);

#endif
