/*
 * What is there: the percentage found in the flags file, compared with what is on record.
 */
#ifndef HANDLERS_ROLLBACK_ADOPT_H
#define HANDLERS_ROLLBACK_ADOPT_H

#include "db/db.h"
#include "handlers/rollback/options.h"

/* The percentage there is, as far as is known without asking anybody: the flags file's value, else the one last seen.
 * -1 unknown; why (>= 200 bytes, may be NULL) then says why. */
int32_t adopt_there(struct db_conn *c, const struct rollout *r, char *why, size_t why_size);

/* At start and after a reload: a rollout without a row adopts what it finds; a value changed outside is recorded with both
 * values and told (above what a rollback wanted: paged). Writer job context. */
int adopt_all(struct db_tx *tx, const struct settings *s);
/* The same of one. */
int adopt_rollout(struct db_tx *tx, const struct settings *s, const struct rollout *r);

/* The stage of this environment with that percentage, NULL: unstaged. Pure. */
const struct stage *adopt_stage(const struct settings *s, const struct rollout *r, int32_t pct);
/* The stage with that number; NULL. */
const struct stage *rollout_stage(const struct rollout *r, int32_t number);
/* previous_stage: the nearest earlier stage of the environment with a lower percentage than there is, else 0. Pure. */
int32_t adopt_previous(const struct settings *s, const struct rollout *r, int32_t stage, int32_t there);

#endif
