#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "db/deadlines.h"
#include "db/engine.h"
#include "db/search.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/thread.h"

#define BATCH_MAX       256
#define BATCH_US        (50 * US_PER_MS)
#define TURN_S          1               /* the idle writer turns so often */
#define SEARCH_US       (5 * US_PER_MS) /* between two steps of the search, of some 20 ms each */
#define SEARCH_LATER_US US_PER_S        /* to the first step after something came: many go into the index at once */

struct batch {
	struct db_job *job[BATCH_MAX];
	int result[BATCH_MAX];
	size_t n;
	int64_t until_us; /* mono */
	bool events;      /* there are new ones */
	bool search;      /* it is a step of the search (search.h); then: there is more to do */
};

/* --- the queue --- */

int db_submit(struct db *db, struct db_job *job, enum db_lane lane)
{
	assert(db && job && job->run && job->done && (lane == DB_URGENT || lane == DB_NORMAL));
	int r = 0;

	if (lane == DB_NORMAL && !db_healthy(db, NULL))
		return db->dir.has_room ? -EIO : -ENOSPC;
	pthread_mutex_lock(&db->mutex);
	if (db->stopping)
		r = -ESHUTDOWN;
	else if (db->queued >= (lane == DB_URGENT ? 2 : 1) * DB_QUEUE_MAX)
		r = -EAGAIN;
	if (r == 0) {
		job->next = NULL;
		*db->tail[lane] = job;
		db->tail[lane] = &job->next;
		db->queued++;
		pthread_cond_signal(&db->more);
	}
	pthread_mutex_unlock(&db->mutex);
	if (r == -EAGAIN)
		metric_add(M_QUEUE_FULL, 0, 1);
	return r;
}

static struct db_job *pop(struct db *db)
{
	for (int lane = 0; lane < 2; lane++) {
		struct db_job *job = db->head[lane];

		if (!job)
			continue;
		db->head[lane] = job->next;
		if (!db->head[lane])
			db->tail[lane] = &db->head[lane];
		db->queued--;
		return job;
	}
	return NULL;
}

static struct db_job *next_job(struct db *db)
{
	pthread_mutex_lock(&db->mutex);
	struct db_job *job = pop(db);
	pthread_mutex_unlock(&db->mutex);
	return job;
}

/* Waits for a job, until then or for a second. NULL: none came; *ret_stop: and none will. */
static struct db_job *wait_job(struct db *db, int64_t until_us, bool *ret_stop)
{
	int64_t turn = clock_mono_us() + TURN_S * US_PER_S, at = until_us < turn ? until_us : turn;
	struct timespec until = {at / US_PER_S, at % US_PER_S * 1000};

	pthread_mutex_lock(&db->mutex);
	struct db_job *job = pop(db);
	while (!job && !db->stopping && pthread_cond_timedwait(&db->more, &db->mutex, &until) == 0)
		job = pop(db);
	*ret_stop = !job && db->stopping;
	pthread_mutex_unlock(&db->mutex);
	return job;
}

/* --- one transaction --- */

static int begin(struct db *db, struct db_tx *tx)
{
	int r = query_plain(tx->conn, SQL_BEGIN);

	return r < 0 ? r : deadlines_move(db, tx);
}

/* What can be undone of a transaction: all of it, when nothing was written before, else what came since a savepoint, to
 * which every page that is changed is copied (beyond 64 KiB to a file in /var/tmp: a rollback's own pages are more). */
struct part {
	bool whole;
	size_t noted;
};

static int part_begin(struct db_tx *tx, bool whole, struct part *ret)
{
	*ret = (struct part) {whole, tx->n_notes};
	return whole ? 0 : query_plain(tx->conn, SQL_SAVEPOINT);
}

static int undo(struct db *db, struct db_tx *tx, const struct part *p)
{
	search_forget(tx, p->noted);
	if (!p->whole)
		return query_plain(tx->conn, SQL_UNDO);
	tx->events = false;
	tx->place = 0;
	int r = query_plain(tx->conn, SQL_ROLLBACK);
	return r < 0 ? r : begin(db, tx);
}

static int part_end(struct db *db, struct db_tx *tx, const struct part *p, bool failed)
{
	int r = failed ? undo(db, tx, p) : 0;

	return r < 0 || p->whole ? r : query_plain(tx->conn, SQL_RELEASE);
}

/* 0 when the transaction still stands. The engine may have ended it by itself (disk full, I/O error). */
static int run_job(struct db_tx *tx, struct db_job *job, int *ret_result)
{
	*ret_result = job->run(tx, job);
	if (!engine_in_transaction(tx->conn))
		return *ret_result == -ENOSPC ? -ENOSPC : -EIO;
	return 0;
}

static int run_alone(struct db *db, struct db_tx *tx, struct batch *b, size_t i)
{
	struct part p;
	int r = part_begin(tx, i == 0, &p);

	if (r == 0)
		r = run_job(tx, b->job[i], &b->result[i]);
	return r < 0 ? r : part_end(db, tx, &p, b->result[i] < 0);
}

/* The next job that waits, unless the batch is full or its time is up. */
static bool one_more(struct db *db, struct batch *b)
{
	if (b->n == BATCH_MAX || clock_mono_us() >= b->until_us || !(b->job[b->n] = next_job(db)))
		return false;
	b->n++;
	return true;
}

/* Jobs that may run again are one part, from the last of b on as long as such come. If one of them fails, all are
 * undone and run again one by one. *ret_more: the last of b has not run. */
static int run_together(struct db *db, struct db_tx *tx, struct batch *b, bool *ret_more)
{
	size_t first = b->n - 1, i = first;
	bool failed = false;
	struct part p;
	int r = part_begin(tx, first == 0, &p);

	*ret_more = true;
	for (; r == 0 && !failed && *ret_more && b->job[i]->again; i++) {
		r = run_job(tx, b->job[i], &b->result[i]);
		failed = r == 0 && b->result[i] < 0;
		*ret_more = r == 0 && one_more(db, b);
	}
	if (r == 0)
		r = part_end(db, tx, &p, failed);
	for (size_t k = first; r == 0 && failed && k < i; k++)
		r = run_alone(db, tx, b, k);
	return r;
}

/* Runs jobs until the batch is full, its time is up or nothing waits. -errno: all of them failed. */
static int run_batch(struct db *db, struct db_tx *tx, struct batch *b)
{
	assert(b->n > 0 && b->job[b->n - 1]);
	bool more = true;
	int r = 0;

	b->until_us = clock_mono_us() + BATCH_US;
	while (r == 0 && more)
		if (b->job[b->n - 1]->again) {
			r = run_together(db, tx, b, &more);
		} else {
			r = run_alone(db, tx, b, b->n - 1);
			more = r == 0 && one_more(db, b);
		}
	return r;
}

static int transaction(struct db *db, struct batch *b)
{
	assert(thread_may(THREAD_WRITER) && db->writer);
	struct db_tx tx = {.db = db, .conn = db->writer};

	deadlines_read_clock(&tx);
	int r = begin(db, &tx);

	if (r == 0 && b->n)
		r = run_batch(db, &tx, b);
	b->events = tx.events;
	bool texts = tx.n_notes > 0;
	if (r == 0)
		r = b->search ? search_step(&tx, &b->search) : search_write(&tx);
	search_drop(&tx);
	if (r == 0)
		r = query_plain(db->writer, SQL_COMMIT);
	if (r == -EUCLEAN && b->search)
		search_suspect();
	if (r == 0 && texts && db->search_at > clock_mono_us() + SEARCH_LATER_US)
		db->search_at = clock_mono_us() + SEARCH_LATER_US;
	if (r == 0)
		deadlines_moved(db, &tx);
	if (r < 0 && engine_in_transaction(db->writer) && query_plain(db->writer, SQL_ROLLBACK) < 0)
		log_error("a failed transaction could not be rolled back");
	return r;
}

/* --- after a failure ---
 *
 * After a failed commit nobody knows what is on disk: its frames may stand in the log, whole, and a start after a crash
 * would take them for a commit. So, before anybody is told and before anything
 * else is written: a new connection, and a small commit through it. The index of the log (shared memory) never heard of
 * the failed frames, so that commit is written over them. The new connection is opened before the old one is closed: a
 * last close would checkpoint.
 */
static int reopen(struct db *db, char *why, size_t size)
{
	assert(thread_may(THREAD_WRITER) && db->failed);
	struct db_conn *fresh = NULL;
	int r = engine_open(db->file, ENGINE_WRITES, &fresh, why, size);

	if (r < 0)
		return r;
	engine_close(db->writer);
	db->writer = fresh;
	r = db_test_commit(db);
	if (r < 0)
		snprintf(why, size, "%s", engine_error(fresh));
	return r;
}

/* Quiet while it does not work: the failure itself was logged. */
static bool works_again(struct db *db)
{
	char why[300] = "";

	if (!db->failed)
		return true;
	if (db->gone || reopen(db, why, sizeof(why)) < 0) { /* gone: another file would be opened, or made */
		log_debug("the database still cannot be written", "err", db->gone ? "its file is gone" : why);
		return false;
	}
	log_info("the database can be written again");
	db->failed = false;
	return true;
}

static void settle(struct db *db, int r, const struct batch *b)
{
	if (r == 0) {
		metric_add(M_COMMITS, 0, 1);
		metric_add(M_JOBS, 0, b->n);
		return;
	}
	log_error("a transaction failed; nothing of it is acknowledged", "jobs", log_num(b->n), "err", strerror(-r));
	metric_add(M_COMMIT_FAILURES, 0, 1);
	db->failed = true;
	db_disk_check(db);
	works_again(db);
}

static void tell(const struct batch *b, int r)
{
	assert(b->n > 0 && b->n <= ARRAY_LEN(b->job));
	for (size_t i = 0; i < b->n; i++)
		b->job[i]->done(b->job[i], r < 0 ? (r == -ENOSPC ? r : -EIO) : b->result[i]);
}

static void listen_to(struct db *db, struct db_listener *l, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&db->mutex);
	*l = (struct db_listener) {fn, arg};
	pthread_mutex_unlock(&db->mutex);
}

void db_on_events(struct db *db, void (*fn)(void *arg), void *arg)
{
	assert(db);
	listen_to(db, &db->on_events, fn, arg);
}

void db_on_clock(struct db *db, void (*fn)(void *arg), void *arg)
{
	assert(db);
	listen_to(db, &db->on_clock, fn, arg);
}

static void tell_listener(struct db *db, const struct db_listener *l)
{
	pthread_mutex_lock(&db->mutex);
	struct db_listener now = *l;
	pthread_mutex_unlock(&db->mutex);
	if (now.fn)
		now.fn(now.arg);
}

static void turn(struct db *db, struct db_job *first)
{
	struct batch b = {.job = {first}, .n = 1};
	int r = -EIO;

	if (works_again(db)) {
		r = transaction(db, &b);
		settle(db, r, &b);
	}
	tell(&b, r);
	if (r == 0 && b.events)
		tell_listener(db, &db->on_events);
}

static void every_second(struct db *db)
{
	db_disk_check(db);
	if (!works_again(db))
		return;
	if (deadlines_must_move(db)) {
		struct batch none = {.n = 0};

		settle(db, transaction(db, &none), &none);
	}
	if (engine_upkeep(db->writer) < 0)
		log_error("the database's log could not be written into the database; it is kept", "err",
		          engine_error(db->writer));
}

static void search_turn(struct db *db)
{
	struct batch b = {.search = true};
	int r = -EIO;

	if (works_again(db) && db->dir.has_room) {
		r = transaction(db, &b);
		settle(db, r, &b);
	}
	db->search_at = r == 0 && !b.search ? INT64_MAX : clock_mono_us() + (r < 0 ? US_PER_S : SEARCH_US);
}

static void *writer_main(void *arg)
{
	struct db *db = arg;
	int64_t looked = 0, offset = db->clock.offset_us;
	bool stop = false;

	thread_is(THREAD_WRITER);
	while (!stop) {
		struct db_job *job = wait_job(db, db->search_at, &stop);

		db->last_turn = clock_mono_us();
		if (job)
			turn(db, job);
		if (clock_mono_us() - looked >= US_PER_S) {
			looked = clock_mono_us();
			every_second(db);
			db->search_at = search_is_suspect() ? looked : db->search_at;
		}
		if (clock_mono_us() >= db->search_at)
			search_turn(db);
		if (db->clock.offset_us != offset) {
			offset = db->clock.offset_us;
			tell_listener(db, &db->on_clock);
		}
	}
	return NULL;
}

int db_start(struct db *db)
{
	assert(db && !db->started && !db->stopping);
	db_disk_check(db);
	int r = -pthread_create(&db->thread, NULL, writer_main, db);
	db->started = r == 0;
	return r;
}

void db_stop(struct db *db)
{
	assert(db);
	pthread_mutex_lock(&db->mutex);
	db->stopping = true;
	pthread_cond_signal(&db->more);
	pthread_mutex_unlock(&db->mutex);
	if (!db->started)
		return;
	pthread_join(db->thread, NULL);
	db->started = false;
}

int64_t db_last_turn_us(const struct db *db)
{
	assert(db);
	return db->last_turn;
}
