#include "handlers/steps/percentage.h"

#include <assert.h>
#include <stdio.h>

#include "db/rollout.h"
#include "handlers/steps/flags_file.h"

int32_t percentage_there(struct db_conn *c, const struct rollout *r, char *why, size_t why_size)
{
	assert(c && r && (!why || why_size >= 200));
	struct rollout_row row = {0};
	int32_t pct = -1;

	if (r->flags_file) {
		char reason[256] = "";

		if (flags_file_read(r->flags_file, r->flags_key, &pct, reason, sizeof(reason)) < 0)
			pct = -1;
		if (why)
			snprintf(why, why_size, "%s", reason);
		return pct;
	}
	if (rollout_load(c, r->name, &row) == 0)
		pct = row.pct_seen;
	rollout_row_free(&row);
	if (why)
		snprintf(why, why_size, "%s", pct < 0 ? "it has no flags file and was never seen" : "");
	return pct;
}
