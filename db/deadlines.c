#include "db/deadlines.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/query.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/text.h"

#define RECENT_US     (25 * 3600 * US_PER_S) /* what was longer ago is history: rollbacks are counted for 24 hours */
#define GAP_US        (24 * 3600 * US_PER_S) /* so long nobody wrote: perhaps it was off, perhaps the clock is wrong */
#define SEEN_EVERY_US US_PER_S

static const enum sql moves[] = {SHIFT_INCIDENT,  SHIFT_STEP,    SHIFT_OUTBOX, SHIFT_PROGRESS, SHIFT_APPROVAL,
                                 SHIFT_CHECKMARK, SHIFT_ROLLOUT, SHIFT_HOLD,   SHIFT_ALERT,    SHIFT_META};

void deadlines_read_clock(struct db_tx *tx)
{
	tx->now = clock_wall_us();
	tx->offset = tx->now - clock_boot_us();
}

static int meta_text(struct db_conn *c, const char *key, char *out, size_t size)
{
	CLEANUP(cleanup_free) char *text = NULL;
	int r = query_text(c, META_TEXT, &text, V(key));

	snprintf(out, size, "%s", text ? text : "");
	return query_done(r);
}

static int optional(struct db_conn *c, const char *key, int64_t *ret)
{
	int r = meta_get(c, key, ret);

	return r == -ENOENT ? 0 : r;
}

static int move_all(struct db_tx *tx, int64_t by_us)
{
	int64_t now = db_tx_now(tx), before = now - by_us, edge = (now < before ? now : before) - RECENT_US;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(moves); i++)
		r = query_run(tx, moves[i], V(by_us, edge));
	return query_done(r);
}

static int note_clock(const struct db *db, struct db_tx *tx)
{
	int r = query_run(tx, META_SET_TEXT, V("clock offset", tx->offset, db->clock.boot));

	return r < 0 ? r : meta_set(tx, "clock seen", db_tx_now(tx));
}

/* Ahead: nothing is forgotten for a day, in case that it is wrong. */
static int note_jump(struct db_tx *tx, int64_t by_us)
{
	char by[40];

	text_duration_words(by_us, by, sizeof(by));
	log_warn("the wall clock was set; what is waited for keeps its time", "by", by);
	return by_us > 0 ? meta_set(tx, "clock jumped", db_tx_now(tx)) : 0;
}

/* By how much the clock was set since; 0: a leap second at most. */
static int64_t jump(const struct db *db, int64_t offset)
{
	int64_t by = offset - db->clock.offset_us;

	return by > CLOCK_LEAST_US || by < -CLOCK_LEAST_US ? by : 0;
}

bool deadlines_must_move(const struct db *db)
{
	struct db_tx tx = {.db = db};

	deadlines_read_clock(&tx);
	return jump(db, tx.offset) != 0;
}

int64_t db_now(const struct db *db)
{
	assert(db);
	int64_t wall = clock_wall_us(), boot = clock_boot_us();

	return jump(db, wall - boot) ? boot + db->clock.offset_us : wall;
}

static bool must_note(const struct db *db, const struct db_tx *tx)
{
	return tx->now - db->clock.seen_us >= SEEN_EVERY_US || tx->now < db->clock.seen_us;
}

int deadlines_move(struct db *db, struct db_tx *tx)
{
	int64_t by = jump(db, tx->offset);

	if (!by)
		return must_note(db, tx) ? meta_set(tx, "clock seen", db_tx_now(tx)) : 0;
	int r = move_all(tx, by);
	if (r == 0)
		r = note_jump(tx, by);
	return r < 0 ? r : note_clock(db, tx);
}

void deadlines_moved(struct db *db, const struct db_tx *tx)
{
	if (jump(db, tx->offset))
		db->clock.offset_us = tx->offset;
	if (must_note(db, tx))
		db->clock.seen_us = tx->now;
}

/* The offset that the clock had when it was last written to, as far as anybody knows. */
static int known_offset(struct db *db, const struct db_tx *tx, int64_t *ret)
{
	char boot[sizeof(db->clock.boot)] = "";
	int64_t seen = 0, event = 0, stored = 0;
	int r = optional(db->writer, "clock seen", &seen);

	if (r == 0)
		r = optional(db->writer, "clock offset", &stored);
	if (r == 0)
		r = meta_text(db->writer, "clock offset", boot, sizeof(boot));
	if (r == 0)
		r = query_done(query_number(db->writer, EVENT_LAST_AT, &event, V()));
	db->clock.seen_us = seen;
	db->clock.gap = seen && tx->now - seen > GAP_US;
	int64_t least = seen > event ? seen : event;
	if (stored && boot[0] && strcmp(boot, db->clock.boot) == 0)
		*ret = stored;
	else /* another boot: now is no earlier than what was written */
		*ret = tx->offset + (least > tx->now ? least - tx->now : 0);
	return r;
}

int deadlines_begin(struct db *db)
{
	struct db_tx tx = {.db = db, .conn = db->writer};

	deadlines_read_clock(&tx);
	clock_boot_id(db->clock.boot);
	int64_t offset = 0;
	int r = known_offset(db, &tx, &offset);

	db->clock.offset_us = offset;
	if (r == 0)
		r = query_plain(db->writer, SQL_BEGIN);
	if (r < 0)
		return r;
	r = deadlines_move(db, &tx);
	if (r == 0 && db->clock.gap)
		r = meta_set(&tx, "clock jumped", tx.now);
	if (r == 0)
		r = note_clock(db, &tx);
	r = r == 0 ? query_plain(db->writer, SQL_COMMIT) : r;
	if (r < 0) {
		(void)!query_plain(db->writer, SQL_ROLLBACK);
		return r;
	}
	deadlines_moved(db, &tx);
	return 0;
}
