#include "db/retention.h"

#include <assert.h>

#include "db/config.h"
#include "db/event.h"
#include "db/query.h"
#include "server/core/clock.h"

#define DOUBT_US (24 * 3600 * US_PER_S)

static int retire_incident(struct db_tx *tx, int64_t id)
{
	assert(tx && id > 0);
	static const enum sql parts[] = {RETIRE_STEPS,      RETIRE_SNAPSHOT, RETIRE_MESSAGES,    RETIRE_EVENTS,
	                                 RETIRE_UNRESOLVED, RETIRE_ATTACHED, RETIRE_SEARCH_TEXT, RETIRE_SEARCH_TODO,
	                                 RETIRE_SEARCH,     RETIRE_INCIDENT};

	CLEANUP(cleanup_free) char *config = NULL;
	int r = query_text(db_tx_conn(tx), CONFIG_OF_INCIDENT, &config, V(id));

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(parts); i++)
		r = query_run(tx, parts[i], V(id));
	return r < 0 ? r : config_row_drop(tx, config);
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
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	size_t n = 0;
	int gone, r = query_list(db_tx_conn(tx), RETIRE_FIND, &number_row, &ids, &n, V(before_us, limit));

	for (size_t i = 0; r == 0 && i < n; i++)
		r = retire_incident(tx, ids[i]);
	gone = (int)n;
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(rest); i++) {
		r = query_run(tx, rest[i], V(before_us, limit));
		gone += r > 0 && rest[i] != RETIRE_DISPOSITIONS ? r : 0;
	}
	return r < 0 ? r : gone;
}
