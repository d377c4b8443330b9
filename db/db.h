/*
 * The state directory: its lock, the database, one writing connection and any number of reading ones.
 *
 * The writer thread owns the only connection that writes or checkpoints (SQLite 3.40's WAL-reset bug needs two).
 * It takes what is queued - urgent lane first, at most 256 jobs or 50 ms - into one transaction, each job in a
 * savepoint, commits, and then tells every job. Nothing outside db/ knows that it is SQLite.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/scope.h"

/* struct name: rows that the caller owns, and how many there are; name_free lets them go. */
#define DB_LIST(name, type)                                                                                            \
	struct name {                                                                                                  \
		type *item;                                                                                            \
		size_t n;                                                                                              \
	};                                                                                                             \
	void name##_free(struct name *l)

struct db;
struct db_conn; /* a connection with its prepared statements: one thread at a time */
struct db_tx;   /* the running transaction; only jobs have one */

#define DB_QUEUE_MAX                                                                                                   \
	4096 /* jobs waiting, both lanes; beyond: -EAGAIN (503 to a sender). Urgent ones may be twice as many */

/* Creates dir (0700) if missing, takes its lock, opens and migrates the database, makes one test commit.
 * -EBUSY: another daemon has it; -ENOTSUP: network file system; -EPROTO: newer schema; -EUCLEAN: damaged; other -errno.
 * why (size >= 300) gets one sentence on failure. */
int db_open(const char *dir, struct db **ret, char *why, size_t why_size);
/* Stops the writer first. NULL is fine. */
void db_close(struct db *db);
const char *db_dir(const struct db *db);

#define DB_UUID_SIZE 37
/* Who this database is: a UUID, made with it. Numbers of rows are names only inside one database; a name outside it
 * (a file, an idempotency key, a message's number) carries this, too, so that nobody takes the first rows of a new
 * database for those of an old one. Any thread. */
const char *db_uuid(const struct db *db);
/* The same for the name of that row; "" for rows from before databases had one: they keep the name that they have. */
enum db_numbered { DB_STEP, DB_MESSAGE };
const char *db_uuid_of(const struct db *db, enum db_numbered what, int64_t id);

enum db_lane { DB_URGENT, DB_NORMAL }; /* urgent: the engine's moves, and what lowers; normal: the rest */

struct db_job {
	/* Writer thread, inside a savepoint. < 0 undoes this job alone. */
	int (*run)(struct db_tx *tx, struct db_job *job);
	bool again; /* run may be called once more, after all that it did was undone: it begins anew */
	/* Writer thread, after COMMIT (result >= 0: what run returned) or after failure (-errno: nothing of this job is
	 * on disk, or it is doubtful: -EIO; -ENOSPC: full). Must not block. The job is the callee's again. */
	void (*done)(struct db_job *job, int result);
	struct db_job *next; /* the queue's */
};

/* Starts the writer thread. */
int db_start(struct db *db);
/* Any thread. 0; -EAGAIN queue full; -ESHUTDOWN; in the normal lane also -ENOSPC or -EIO while db_healthy is false;
 * then done is not called. */
int db_submit(struct db *db, struct db_job *job, enum db_lane lane);
/* fn is called on the writer thread after each commit with an event in it (db/event.h): a read that begins then sees
 * it. Must not block. From any thread, while the writer runs; the last one counts. */
void db_on_events(struct db *db, void (*fn)(void *arg), void *arg);
/* fn is called on the writer thread after the wall clock was set and the deadlines on disk moved with it: what was read
 * of them before is not true any more. Must not block. From any thread, while the writer runs; the last one counts. */
void db_on_clock(struct db *db, void (*fn)(void *arg), void *arg);
/* Runs what is queued, then refuses and joins the writer. */
void db_stop(struct db *db);
/* True while the last commit worked, the file is still there and there is room to record (free space >= 32 MiB): what
 * /-/ready and intake ask. *why (may be NULL) gets a static sentence when false. Any thread; looked after by the writer
 * once a second. */
bool db_healthy(const struct db *db, const char **why);
/* The same, but that the disk is nearly full stands not in the way: what lowers is taken while the reserve lasts. */
bool db_writes(const struct db *db, const char **why);
/* Monotonic time of the writer's last turn (it turns at least once a second), for the watchdog. */
int64_t db_last_turn_us(const struct db *db);

/* A read-only connection for the calling thread. */
int db_reader_open(struct db *db, struct db_conn **ret);
void db_reader_close(struct db_conn *conn);
/* What is read between the two is of one moment, and the locks are taken once. A failure costs only that. */
void db_moment_begin(struct db_conn *conn);
void db_moment_end(struct db_conn *conn);
/* The transaction's own connection, to read what this transaction sees. */
struct db_conn *db_tx_conn(struct db_tx *tx);
/* db_dir of the database it changes. */
const char *db_tx_dir(const struct db_tx *tx);
/* Wall time as the deadlines on disk go by it: until the writer has moved them, for a second at most after the clock
 * was set, the time as it was counted before. Whoever compares with what was read outside a transaction asks this, or
 * all that waits would look days late in that second. Any thread. */
int64_t db_now(const struct db *db);
/* Wall time of the transaction: one value for everything it writes. */
int64_t db_tx_now(const struct db_tx *tx);

/* Consistent copy (VACUUM INTO) of what is committed, to a path where nothing is yet. Any thread; takes as long as it
 * takes. */
int db_backup(const struct db *db, const char *path);

#endif
