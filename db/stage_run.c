#include <assert.h>
#include <errno.h>

#include "db/progress.h"
#include "db/rows.h"
#include "db/stmt.h"

int stage_run_save(struct db_tx *tx, const char *rollout, const struct stage_run *run)
{
	assert(tx && rollout && run && run->run > 0 && run->results);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), RUN_SAVE);
	const int64_t numbers[] = {run->run, run->stage, run->entered_us, run->clean_us, run->until_us};

	stmt_text(&st, 1, rollout);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		stmt_i64(&st, (int)i + 2, numbers[i]);
	stmt_text(&st, 7, run->results);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_run(struct stmt *st, void *to)
{
	*(struct stage_run *)to = (struct stage_run) {
		.run = column_i64(st, 0),
		.stage = (int32_t)column_i64(st, 1),
		.entered_us = column_i64(st, 2),
		.clean_us = column_i64(st, 3),
		.until_us = column_i64(st, 4),
		.results = column_text(st, 5),
	};
}

int stage_run_of(struct db_conn *c, const char *rollout, struct stage_run_list *ret)
{
	assert(c && rollout && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, RUN_OF);
	struct rows rows = {0};

	stmt_text(&st, 1, rollout);
	int r = rows_read(&st, sizeof(struct stage_run), read_run, &rows);
	struct stage_run_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		stage_run_list_free(&l);
	else
		*ret = l;
	return r;
}

void stage_run_list_free(struct stage_run_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i].results);
	free(l->item);
	*l = (struct stage_run_list) {0};
}
