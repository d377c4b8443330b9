/*
 * When the wall clock is set, the deadlines on disk are set with it (internal to db).
 *
 * Deadlines are wall time, so that they outlive the process; the wall clock may jump. How far it did is known from the
 * clock that counts since the boot: while the daemon runs, and over a restart in the same boot, exactly. Over a reboot
 * only that time does not run backwards. Every time on disk from which something is counted moves by as much, so that
 * nothing lies farther away than it did and nothing passes at once. History (events, messages' times, when an incident
 * was opened) and calendars (when a report was sent) stay. The writer's thread, or before it runs.
 */
#ifndef DB_DEADLINES_H
#define DB_DEADLINES_H

#include <stdbool.h>

#include "db/private.h"
#include "server/core/clock.h"

#define CLOCK_LEAST_US (1500 * US_PER_MS) /* a leap second is no jump */

/* Reads the clocks for a transaction that begins. */
void deadlines_read_clock(struct db_tx *tx);
/* What is on disk of the clock, once the database is open; moves the deadlines, in a transaction of its own, when the
 * clock was set since. */
int deadlines_begin(struct db *db);
/* Whether the clock was set since. */
bool deadlines_must_move(const struct db *db);
/* First in a transaction: moves the deadlines, and notes when it was. */
int deadlines_move(struct db *db, struct db_tx *tx);
/* That transaction is committed. */
void deadlines_moved(struct db *db, const struct db_tx *tx);

#endif
