#include "db/rollout.h"

#include <assert.h>
#include <errno.h>

#include "db/stmt.h"

void rollout_row_free(struct rollout_row *r)
{
	assert(r);
	free(r->name);
	free(r->flags_sha);
	*r = (struct rollout_row) {0};
}

int rollout_load(struct db_conn *c, const char *name, struct rollout_row *ret)
{
	assert(c && name && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, ROLLOUT_LOAD);

	stmt_text(&st, 1, name);
	int r = stmt_step(&st);
	if (r != 1)
		return r < 0 ? r : -ENOENT;
	struct rollout_row row = {
		.name = column_text(&st, 0),
		.stage = (int32_t)column_i64(&st, 1),
		.stage_since_us = column_i64(&st, 2),
		.pct_wanted = (int32_t)column_i64(&st, 3),
		.pct_seen = (int32_t)column_i64(&st, 4),
		.pct_changed_us = column_i64(&st, 5),
		.seen_at_us = column_i64(&st, 6),
		.generation = column_i64(&st, 7),
		.flags_sha = column_text_or_null(&st, 8),
	};
	if (st.error) {
		rollout_row_free(&row);
		return st.error;
	}
	*ret = row;
	return 0;
}

int rollout_save(struct db_tx *tx, const struct rollout_row *r)
{
	assert(tx && r && r->name);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), ROLLOUT_SAVE);

	stmt_text(&st, 1, r->name);
	stmt_i64(&st, 2, r->stage);
	stmt_i64(&st, 3, r->stage_since_us);
	stmt_i64(&st, 4, r->pct_wanted);
	stmt_i64(&st, 5, r->pct_seen);
	stmt_i64(&st, 6, r->pct_changed_us);
	stmt_i64(&st, 7, r->seen_at_us);
	stmt_i64(&st, 8, r->generation);
	stmt_text(&st, 9, r->flags_sha);
	int e = stmt_run(&st);
	return e < 0 ? e : 0;
}
