#include "db/deadlines.h"
#include "db/db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "db/engine.h"
#include "db/event.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/text.h"
#include "server/core/thread.h"

/* --- opening --- */

int db_test_commit(struct db *db)
{
	struct db_tx tx = {.db = db, .conn = db->writer};

	return meta_set(&tx, "tried", clock_wall_us());
}

/* Proves before anything is promised that a commit works, and that the names of the directory and of the new files are
 * on disk. */
static int prove(struct db *db, char *why, size_t size)
{
	int r = db_test_commit(db);

	if (r == 0)
		r = state_dir_sync(&db->dir);
	if (r < 0)
		snprintf(why, size, "nothing can be recorded in %s: %s", db_dir(db), strerror(-r));
	return r;
}

static int remember_file(struct db *db)
{
	struct stat st;

	if (stat(db->file, &st) < 0)
		return -errno;
	db->device = st.st_dev;
	db->inode = st.st_ino;
	return 0;
}

static int know_itself(struct db *db)
{
	assert(db->writer && db->uuid[0] == '\0');
	CLEANUP(cleanup_free) char *uuid = NULL;
	int r = query_text(db->writer, META_TEXT, &uuid, V("uuid"));

	if (r < 0)
		return r;
	if (!uuid || strlen(uuid) != DB_UUID_SIZE - 1)
		return -EUCLEAN;
	memcpy(db->uuid, uuid, DB_UUID_SIZE);
	r = meta_get(db->writer, "steps before uuid", &db->before_uuid[DB_STEP]);
	return r < 0 ? r : meta_get(db->writer, "messages before uuid", &db->before_uuid[DB_MESSAGE]);
}

static int open_all(struct db *db, char *why, size_t size)
{
	int r = engine_open(db->file, ENGINE_WRITES_CHECKED, &db->writer, why, size);
	if (r == 0)
		r = know_itself(db);
	if (r == 0)
		r = remember_file(db);
	if (r == 0)
		r = prove(db, why, size);
	if (r == 0)
		r = deadlines_begin(db);
	if (r == -EUCLEAN)
		snprintf(why, size,
		         "the database %s is damaged: move rollbackd.db, rollbackd.db-wal and rollbackd.db-shm away "
		         "together (or "
		         "restore a backup) and start again; nothing is rolled back from a doubtful record",
		         db->file);
	return r;
}

static void init(struct db *db)
{
	pthread_condattr_t mono;

	pthread_mutex_init(&db->mutex, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&db->more, &mono);
	pthread_condattr_destroy(&mono);
	db->tail[0] = &db->head[0];
	db->tail[1] = &db->head[1];
	db->last_turn = clock_mono_us();
}

int db_open(const char *dir, struct db **ret, char *why, size_t why_size)
{
	assert(dir && ret && why && why_size >= 300);
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		return -ENOMEM;
	init(db);
	int r = state_dir_open(&db->dir, dir, why, why_size); /* a full disk: its reserve makes room for a commit */
	if (r == 0) {
		db->file = text_format("%s/rollbackd.db", db_dir(db));
		r = db->file ? open_all(db, why, why_size) : -ENOMEM;
	}
	if (r < 0) {
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	db_stop(db);
	db_readers_free(db->readers);
	engine_close(db->writer);
	state_dir_close(&db->dir);
	pthread_cond_destroy(&db->more);
	pthread_mutex_destroy(&db->mutex);
	free(db->file);
	free(db);
}

/* --- whether it can be written --- */

/* stat does not open the file: a close of it would drop SQLite's locks. */
static bool is_gone(const struct db *db)
{
	struct stat st;

	return stat(db->file, &st) < 0 || st.st_ino != db->inode || st.st_dev != db->device;
}

void db_disk_check(struct db *db)
{
	bool gone = is_gone(db);

	if (gone && !db->gone)
		log_error(
			"the database file was removed or replaced: webhooks are refused until rollbackd is restarted",
			"directory", db_dir(db));
	else if (!gone && db->gone)
		log_info("the database file is back", "directory", db_dir(db));
	db->gone = gone;
	state_dir_check_room(&db->dir);
}

bool db_writes(const struct db *db, const char **why)
{
	assert(db && why);
	*why = db->gone     ? "the database file was removed or replaced: restart rollbackd"
	       : db->failed ? "the last write to the database failed"
	                    : NULL;
	return !*why;
}

bool db_healthy(const struct db *db, const char **why)
{
	const char *text = NULL;

	if (db_writes(db, &text) && !db->dir.has_room)
		text = "the disk is nearly full: less than 32 MiB or 100 files are free";
	if (why)
		*why = text;
	return !text;
}

/* --- what is asked of it --- */

const char *db_dir(const struct db *db)
{
	assert(db && db->dir.path);
	return db->dir.path;
}

const char *db_uuid(const struct db *db)
{
	assert(db && db->uuid[0] != '\0');
	return db->uuid;
}

const char *db_uuid_of(const struct db *db, enum db_numbered what, int64_t id)
{
	assert(db && what < ARRAY_LEN(db->before_uuid) && id > 0);
	return id > db->before_uuid[what] ? db_uuid(db) : "";
}

int db_reader_open(struct db *db, struct db_conn **ret)
{
	assert(db && ret);
	char why[300] = "";

	return engine_open(db->file, ENGINE_READS, ret, why, sizeof(why));
}

void db_reader_close(struct db_conn *conn)
{
	engine_close(conn);
}

void db_moment_begin(struct db_conn *conn)
{
	if (!engine_in_transaction(conn))
		(void)!query_plain(conn, SQL_MOMENT);
}

void db_moment_end(struct db_conn *conn)
{
	if (engine_in_transaction(conn))
		(void)!query_plain(conn, SQL_MOMENT_END);
}

struct db_conn *db_tx_conn(struct db_tx *tx)
{
	assert(tx && tx->conn && thread_may(THREAD_WRITER));
	return tx->conn;
}

const char *db_tx_dir(const struct db_tx *tx)
{
	assert(tx);
	return db_dir(tx->db);
}

int64_t db_tx_now(const struct db_tx *tx)
{
	assert(tx);
	return tx->now;
}

int db_backup(const struct db *db, const char *path)
{
	assert(db);
	return engine_backup(db->file, path);
}
