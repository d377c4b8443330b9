#include "db/rollout.h"

#include <assert.h>

#include "db/query.h"

ROW_TYPE(rollout_type, struct rollout_row, ROLLOUT_ROW);
ROW_FREE(rollout_row_free, struct rollout_row, rollout_type)

int rollout_load(struct db_conn *c, const char *name, struct rollout_row *ret)
{
	assert(name);
	return query_found(query_one(c, ROLLOUT_LOAD, &rollout_type, ret, V(name)));
}

int rollout_save(struct db_tx *tx, const struct rollout_row *r)
{
	assert(r && r->name);
	return query_done(query_run(tx, ROLLOUT_SAVE, V(row_value(&rollout_type, r))));
}
