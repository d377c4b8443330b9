/*
 * What is known of each rollout: its stage, the percentage wanted and last seen.
 */
#ifndef DB_ROLLOUT_H
#define DB_ROLLOUT_H

#include "db/db.h"

struct rollout_row {
	char *name;                   /* owned */
	int32_t stage;                /* -1: unstaged */
	int64_t stage_since_us;       /* when that stage was entered or adopted */
	int32_t pct_wanted, pct_seen; /* hundredths, -1 unknown */
	int64_t pct_changed_us;       /* when wanted last changed */
	int64_t seen_at_us;
	int64_t generation; /* of the flags file's content */
	char *flags_sha;    /* owned: SHA-256 of the flags' values last written or adopted; may be NULL */
};
void rollout_row_free(struct rollout_row *r);
int rollout_load(struct db_conn *c, const char *name, struct rollout_row *ret); /* -ENOENT */
int rollout_save(struct db_tx *tx, const struct rollout_row *r);                /* insert or replace */

#endif
