#include "db/deadlines.h"
#include "db/db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sqlite3.h>

#include "db/event.h"
#include "db/private.h"
#include "db/state_dir.h"
#include "db/stmt.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define CHECKED_WHOLE (16 * 1024 * 1024) /* bytes: a tenth of a second */

/* WAL and FULL: a commit is on the disk. One writer only, so readers may not
 * checkpoint. */
static const char *const pragmas[] = {
	"PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON",
	"PRAGMA mmap_size = 0",     "PRAGMA synchronous = FULL",
};

static int run_pragmas(sqlite3 *sql)
{
	int code = sqlite3_busy_timeout(sql, DB_BUSY_MS);

	for (size_t i = 0; code == SQLITE_OK && i < ARRAY_LEN(pragmas); i++)
		code = sqlite3_exec(sql, pragmas[i], NULL, NULL, NULL);
	sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return code;
}

/* A failed switch leaves the old mode silently: the answer is read. 1 it is as wanted, 0 it is not. */
static int is_answer(sqlite3 *sql, const char *pragma, const char *want)
{
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(sql, pragma, -1, &s, NULL);
	bool fits = false;

	if (code == SQLITE_OK && (code = sqlite3_step(s)) == SQLITE_ROW)
		fits = !sqlite3_stricmp((const char *)sqlite3_column_text(s, 0), want);
	sqlite3_finalize(s);
	return code != SQLITE_ROW ? db_errno(code) : fits;
}

/* SQLite makes a journal of the statement and a table for what RETURNING says (measured: 16 us a statement instead of
 * 8), and knows the last id anyway (stmt_insert). */
static int length_without_returning(const char *text)
{
	static const char tail[] = SQL_RETURNING_ID;
	size_t n = strlen(text), m = sizeof(tail) - 1;

	return (int)(n > m && strcmp(text + n - m, tail) == 0 ? n - m : n);
}

/* The whole text is one statement, and has as many parameters as there are types. */
static bool is_as_written(const struct sql_statement *written, sqlite3_stmt *s, const char *tail)
{
	return (!tail || !*tail || strcmp(tail, SQL_RETURNING_ID) == 0) &&
	       sqlite3_bind_parameter_count(s) == (int)strlen(written->types);
}

int db_prepare(struct db_conn *c, enum sql which)
{
	assert(c && c->sql && which < SQL_N && !c->stmt[which]);
	const struct sql_statement *written = &sql_statements[which];
	const char *tail = NULL;

	if (written->writes && c->read_only)
		return -EIO;
	int code = sqlite3_prepare_v3(c->sql, written->text, length_without_returning(written->text),
	                              SQLITE_PREPARE_PERSISTENT, &c->stmt[which], &tail);
	if (code != SQLITE_OK)
		return db_errno(code);
	return is_as_written(written, c->stmt[which], tail) ? 0 : -EINVAL;
}

/* The writer has no time for it later, and a statement that does not fit stops the start. Readers prepare what they
 * use: all of it would be a megabyte for each. */
static int prepare_all(struct db_conn *c, char *why, size_t size)
{
	int r = 0;

	assert(c && why && !c->read_only);
	for (int i = 0; r == 0 && i < SQL_N; i++) {
		r = db_prepare(c, (enum sql)i);
		if (r < 0)
			snprintf(why, size, "a statement does not fit the database: %s: %.60s", sqlite3_errmsg(c->sql),
			         sql_statements[i].text);
	}
	return r;
}

static int setup_reader(struct db_conn *c)
{
	sqlite3_db_config(c->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	int code = sqlite3_exec(c->sql, "PRAGMA query_only = ON", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(c->sql, "PRAGMA wal_autocheckpoint = 0", NULL, NULL, NULL);
	return db_errno(code);
}

/* Only a database without pages can take it, before the switch to WAL; asked first, because setting it again writes. */
static int set_auto_vacuum(sqlite3 *sql)
{
	int r = is_answer(sql, "PRAGMA auto_vacuum", "2");

	return r ? r : db_errno(sqlite3_exec(sql, "PRAGMA auto_vacuum = INCREMENTAL", NULL, NULL, NULL));
}

static int setup_writer(struct db_conn *c, char *why, size_t size)
{
	static const struct {
		const char *ask, *want;
	} must[] = {{"PRAGMA journal_mode = WAL", "wal"},
	            {"PRAGMA synchronous", "2"},
	            {"PRAGMA foreign_keys", "1"},
	            {"PRAGMA journal_size_limit = 16777216", "16777216"}};
	int r = set_auto_vacuum(c->sql);

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(must); i++) {
		r = is_answer(c->sql, must[i].ask, must[i].want);
		if (r == 0) {
			snprintf(why, size, "the database cannot be used safely: %s did not answer %s", must[i].ask,
			         must[i].want);
			return -ENOTSUP;
		}
	}
	if (r < 0)
		snprintf(why, size, "the database cannot be used: %s", sqlite3_errmsg(c->sql));
	return r < 0 ? r : 0;
}

static int connect(struct db *db, bool read_only, struct db_conn *c, char *why, size_t size)
{
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int code = sqlite3_open_v2(db->file, &c->sql, flags | SQLITE_OPEN_NOMUTEX, NULL);

	if (code == SQLITE_OK)
		code = run_pragmas(c->sql);
	if (code != SQLITE_OK) {
		snprintf(why, size, "the database %s cannot be opened: %s", db->file,
		         c->sql ? sqlite3_errmsg(c->sql) : "out of memory");
		return db_errno(code);
	}
	return read_only ? setup_reader(c) : setup_writer(c, why, size);
}

/* Nothing is rolled back from a doubtful record. All pages are looked at before anything is written, as long as that
 * takes a moment; of a larger record, what does not grow with it and every rollback rests on. The rest is looked at
 * page by page as it is read (cell_size_check), and a damaged page is an error there, too. */
static const char *const rests_on[] = {"meta", "rollout", "progress", "config"};

/* 1 it is whole, or not there yet: a migration will make it. */
static int check_table(sqlite3 *sql, const char *table)
{
	char text[100];

	snprintf(text, sizeof(text), "SELECT count(*) FROM sqlite_schema WHERE name = '%s'", table);
	int r = is_answer(sql, text, "0");
	if (r != 0)
		return r;
	snprintf(text, sizeof(text), "PRAGMA quick_check('%s')", table);
	return is_answer(sql, text, "ok");
}

static int check_pages(struct db *db, struct db_conn *c, char *why, size_t size)
{
	struct stat st;
	int r = 1;

	if (stat(db->file, &st) < 0 || st.st_size <= CHECKED_WHOLE)
		r = is_answer(c->sql, "PRAGMA quick_check(1)", "ok");
	else
		for (size_t i = 0; r == 1 && i < ARRAY_LEN(rests_on); i++)
			r = check_table(c->sql, rests_on[i]);
	if (r < 0)
		snprintf(why, size, "the database could not be checked: %s", sqlite3_errmsg(c->sql));
	return r == 1 ? 0 : r == 0 ? -EUCLEAN : r;
}

static int conn_new(struct db *db, bool read_only, bool check, struct db_conn **ret, char *why, size_t size)
{
	assert(db && db->file && ret && why && size > 0);
	struct db_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->read_only = read_only;
	int r = connect(db, read_only, c, why, size);
	if (r == 0 && check)
		r = check_pages(db, c, why, size);
	if (r == 0 && !read_only)
		r = db_migrate(c->sql, why, size);
	if (r == 0 && !read_only)
		r = prepare_all(c, why, size);
	if (r < 0) {
		db_conn_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

int db_conn_open(struct db *db, bool read_only, struct db_conn **ret, char *why, size_t size)
{
	return conn_new(db, read_only, false, ret, why, size);
}

void db_conn_close(struct db_conn *c)
{
	if (!c)
		return;
	for (int i = 0; i < SQL_N; i++)
		sqlite3_finalize(c->stmt[i]);
	sqlite3_close(c->sql);
	free(c);
}

/* --- opening the directory --- */

int db_test_commit(struct db_conn *c)
{
	assert(c && c->sql);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, META_SET);

	stmt_text(&st, 1, "tried");
	stmt_i64(&st, 2, clock_wall_us());
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

/* Proves before anything is promised that a commit works, and that the names of the directory and of the new files are
 * on disk. */
static int prove(struct db *db, char *why, size_t size)
{
	assert(db->writer && db->lock >= 0);
	CLEANUP(cleanup_free) char *parent = text_format("%s/..", db->dir);
	int r = parent ? db_test_commit(db->writer) : -ENOMEM;

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
	CLEANUP(stmt_end) struct stmt st = stmt_use(db->writer, META_TEXT);

	stmt_text(&st, 1, "uuid");
	int r = stmt_step(&st);
	CLEANUP(cleanup_free) char *uuid = r == 1 ? column_text(&st, 0) : NULL;
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
	r = conn_new(db, false, true, &db->writer, why, size);
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
	db_conn_close(db->writer);
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

	return db_conn_open(db, true, ret, why, sizeof(why));
}

void db_reader_close(struct db_conn *conn)
{
	db_conn_close(conn);
}

void db_moment_begin(struct db_conn *conn)
{
	assert(conn && conn->sql);
	if (sqlite3_get_autocommit(conn->sql))
		(void)!db_run(conn, SQL_MOMENT);
}

void db_moment_end(struct db_conn *conn)
{
	assert(conn && conn->sql);
	if (!sqlite3_get_autocommit(conn->sql))
		(void)!db_run(conn, SQL_MOMENT_END);
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

/* Through a connection of its own: VACUUM is refused inside a transaction. */
int db_backup(const struct db *db, const char *path)
{
	assert(db && db->file && path);
	sqlite3 *sql = NULL;
	int code = sqlite3_open_v2(db->file, &sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	char *text = sqlite3_mprintf("VACUUM INTO %Q", path);

	if (code == SQLITE_OK)
		code = sqlite3_db_config(sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (code == SQLITE_OK)
		code = text ? sqlite3_exec(sql, text, NULL, NULL, NULL) : SQLITE_NOMEM;
	sqlite3_free(text);
	sqlite3_close(sql);
	return db_errno(code);
}
