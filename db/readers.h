/*
 * The reading threads: two, each with a read-only connection of its own, beside the writer.
 *
 * Reads come in three lanes. Urgent ones go first, on whichever thread is free. Dear ones (whose time grows with what
 * is on record: searches, reports) have one thread, and only one: the other never takes them, so that no number of
 * them holds up what is cheap; and they go before the cheap ones there, so that no number of those starves them.
 *
 * Each lane has a limit of what waits, and each read bounds for its waiting and its running; a statement that runs at
 * its bound is interrupted. A read is never lost: what was taken is told to done, once.
 */
#ifndef DB_READERS_H
#define DB_READERS_H

#include "db/db.h"

enum db_read_lane { DB_READ_URGENT, DB_READ_CHEAP, DB_READ_DEAR, DB_READ_LANES };

#define DB_READ_URGENT_MAX 256 /* waiting, each; there are no more than 1024 connections */
#define DB_READ_CHEAP_MAX  256
#define DB_READ_DEAR_MAX   16

struct db_read_job {
	/* A reading thread, with its connection; all that it reads is of one moment. */
	int (*run)(struct db_conn *c, struct db_read_job *job);
	/* The same thread, then: what run returned, but -ETIMEDOUT if it ran into its bound, whatever it made of that.
	 * -EAGAIN: it waited too long; -ESHUTDOWN: stopping; run may not have been called then. Must not block. The job
	 * is the callee's again. */
	void (*done)(struct db_read_job *job, int result);
	struct db_read_job *next; /* this and the next: the queue's */
	int64_t waits_until_us;
};

/* Opens the connections and starts the threads. 0 or -errno. */
int db_readers_start(struct db *db) MUST_CHECK;
/* Any thread. 0; -EAGAIN: as many are waiting as may, or -ESHUTDOWN: then done is not called. */
int db_read(struct db *db, struct db_read_job *job, enum db_read_lane lane) MUST_CHECK;
/* Ends what runs, tells what waits -ESHUTDOWN, joins the threads; from then on everything is refused. The owner; before
 * db_close; also when they were not started. */
void db_readers_stop(struct db *db);
/* Monotonic time since when a reading thread has been at one read, the longer one of the two; 0: none is. For the
 * watchdog; any thread. */
int64_t db_readers_busy_since_us(const struct db *db);

#endif
