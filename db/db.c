#include "db/deadlines.h"
#include "db/db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "db/engine.h"
#include "db/event.h"
#include "db/state_dir.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

/* --- opening the directory --- */

int db_test_commit(struct db *db)
{
	struct db_tx tx = {.db = db, .conn = db->writer};

	return meta_set(&tx, "tried", clock_wall_us());
}

/* Proves before anything is promised that a commit works, and that the names of the directory and of the new files are
 * on disk. */
static int prove(struct db *db, char *why, size_t size)
{
	assert(db->writer && db->lock >= 0);
	CLEANUP(cleanup_free) char *parent = text_format("%s/..", db->dir);
	int r = parent ? db_test_commit(db) : -ENOMEM;

	if (r == 0)
		r = state_dir_sync(db->dir);
	int above = r == 0 ? state_dir_sync(parent) : 0;
	if (above != -EACCES) /* may it not be read, then somebody else made the directory, long ago */
		r = r < 0 ? r : above;
	if (r < 0)
		snprintf(why, size, "nothing can be recorded in %s: %s", db->dir, strerror(-r));
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
	int r = state_dir_take(db->dir, &db->lock, why, size);

	if (r < 0)
		return r;
	db_room_check(db); /* a full disk: the ballast makes room for the first commit */
	r = engine_open(db->file, ENGINE_WRITES_CHECKED, &db->writer, why, size);
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

int db_open(const char *dir, struct db **ret, char *why, size_t why_size)
{
	assert(dir && ret && why && why_size >= 300);
	struct db *db = calloc(1, sizeof(*db));
	size_t len = strlen(dir);

	if (!db)
		return -ENOMEM;
	while (len > 1 && dir[len - 1] == '/')
		len--;
	db->lock = -1;
	db->dir = text_format("%.*s", (int)len, dir);
	db->file = db->dir ? text_format("%s/rollbackd.db", db->dir) : NULL;
	db->ballast_file = db->dir ? text_format("%s/ballast", db->dir) : NULL;
	pthread_mutex_init(&db->mutex, NULL);
	pthread_condattr_t mono;
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&db->more, &mono);
	pthread_condattr_destroy(&mono);
	db->tail[0] = &db->head[0];
	db->tail[1] = &db->head[1];
	db->last_turn = clock_mono_us();
	int r = db->file && db->ballast_file ? open_all(db, why, why_size) : -ENOMEM;
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
	if (db->lock >= 0)
		close(db->lock);
	pthread_cond_destroy(&db->more);
	pthread_mutex_destroy(&db->mutex);
	free(db->ballast_file);
	free(db->file);
	free(db->dir);
	free(db);
}

const char *db_dir(const struct db *db)
{
	assert(db && db->dir);
	return db->dir;
}

const char *db_uuid(const struct db *db)
{
	assert(db->uuid[0] != '\0');
	assert(db);
	return db->uuid;
}

const char *db_uuid_of(const struct db *db, enum db_numbered what, int64_t id)
{
	assert(what < ARRAY_LEN(db->before_uuid) && id > 0);
	assert(db);
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
	assert(tx && tx->db && tx->db->dir);
	return tx->db->dir;
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
