#include "db/retention.h"

#include <assert.h>
#include <stdlib.h>

#include "db/config.h"
#include "db/event.h"
#include "db/rows.h"
#include "db/stmt.h"
#include "server/core/clock.h"

#define DOUBT_US (24 * 3600 * US_PER_S)

static int run_with(struct db_tx *tx, enum sql which, int64_t first, int64_t second)
{
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), which);

	stmt_i64(&st, 1, first);
	if (second)
		stmt_i64(&st, 2, second);
	return stmt_run(&st);
}

static int config_of(struct db_tx *tx, int64_t id, char **ret)
{
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), CONFIG_OF_INCIDENT);

	stmt_i64(&st, 1, id);
	int r = stmt_step(&st);
	if (r == 1)
		*ret = column_text(&st, 0);
	return r < 0 ? r : st.error;
}

static int retire_incident(struct db_tx *tx, int64_t id)
{
	assert(tx && id > 0);
	static const enum sql parts[] = {RETIRE_STEPS,  RETIRE_SNAPSHOT, RETIRE_MESSAGES,
	                                 RETIRE_EVENTS, RETIRE_ATTACHED, RETIRE_INCIDENT};

	CLEANUP(cleanup_free) char *config = NULL;
	int r = config_of(tx, id, &config);

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(parts); i++)
		r = run_with(tx, parts[i], id, 0);
	return r < 0 ? r : config_row_drop(tx, config);
}

/* The ids stay the caller's, also after a failure. */
static int find_incidents(struct db_tx *tx, int64_t before_us, size_t limit, struct rows *ret)
{
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), RETIRE_FIND);

	stmt_i64(&st, 1, before_us);
	stmt_i64(&st, 2, (int64_t)limit);
	return rows_read(&st, sizeof(int64_t), rows_number, ret);
}

/* The clock was set ahead, or nobody wrote for long: for a day nothing is taken for old, in case that it is set back.
 */
static bool clock_is_doubted(struct db_tx *tx)
{
	int64_t jumped = 0;

	return meta_get(db_tx_conn(tx), "clock jumped", &jumped) == 0 && db_tx_now(tx) >= jumped &&
	       db_tx_now(tx) - jumped < DOUBT_US;
}

int retention_sweep(struct db_tx *tx, int64_t before_us, size_t limit)
{
	assert(tx && limit > 0);
	if (clock_is_doubted(tx))
		return 0;
	static const enum sql rest[] = {RETIRE_DISPOSITIONS,  RETIRE_ALERTS, RETIRE_LONE_EVENTS,
	                                RETIRE_LONE_MESSAGES, RETIRE_HOLDS,  RETIRE_RUNS};
	struct rows found = {0};
	int gone, r = find_incidents(tx, before_us, limit, &found);
	CLEANUP(cleanup_free) int64_t *ids = found.item;

	for (size_t i = 0; r == 0 && i < found.n; i++)
		r = retire_incident(tx, ids[i]);
	gone = (int)found.n;
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(rest); i++) {
		r = run_with(tx, rest[i], before_us, (int64_t)limit);
		gone += r > 0 && rest[i] != RETIRE_DISPOSITIONS ? r : 0;
	}
	return r < 0 ? r : gone;
}
