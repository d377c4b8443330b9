#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <sqlite3.h>

#include "db/private.h"
#include "db/stmt.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define CIFS_MAGIC 0xFF534D42   /* not in linux/magic.h; kernel fs/smb */

static const struct {
	bool writes;
	const char *text;
} statements[SQL_N] = {
#define SQL_ROW(id, writes, text) {writes, text},
	SQL_STATEMENTS(SQL_ROW)
};

/* WAL and FULL: a commit is on the disk (reference: libraries.md, finding 3). One writer only, so readers may not checkpoint. */
static const char *const pragmas[] = {
	"PRAGMA busy_timeout = 5000", "PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON",
	"PRAGMA mmap_size = 0", "PRAGMA synchronous = FULL",
};

static int run_pragmas(sqlite3 *sql)
{
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < ARRAY_LEN(pragmas); i++)
		code = sqlite3_exec(sql, pragmas[i], NULL, NULL, NULL);
	sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return code;
}

/* A failed switch leaves the old mode silently: the answer is read. */
static int is_answer(sqlite3 *sql, const char *pragma, const char *want)
{
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(sql, pragma, -1, &s, NULL);
	bool fits = false;

	if (code == SQLITE_OK && (code = sqlite3_step(s)) == SQLITE_ROW)
		fits = !sqlite3_stricmp((const char *)sqlite3_column_text(s, 0), want);
	sqlite3_finalize(s);
	return code != SQLITE_ROW ? db_errno(code) : fits ? 0 : -EUCLEAN;
}

static int prepare_all(struct db_conn *c, bool read_only, char *why, size_t size)
{
	for (int i = 0; i < SQL_N; i++) {
		const char *tail = NULL;

		if (statements[i].writes && read_only)
			continue;
		int code = sqlite3_prepare_v3(c->sql, statements[i].text, -1, SQLITE_PREPARE_PERSISTENT, &c->stmt[i], &tail);
		if (code == SQLITE_OK && (!tail || !*tail))
			continue;
		snprintf(why, size, "a statement does not fit the database: %s", sqlite3_errmsg(c->sql));
		return code == SQLITE_OK ? -EINVAL : db_errno(code);
	}
	return 0;
}

static int setup_reader(struct db_conn *c)
{
	sqlite3_db_config(c->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	int code = sqlite3_exec(c->sql, "PRAGMA query_only = ON", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(c->sql, "PRAGMA wal_autocheckpoint = 0", NULL, NULL, NULL);
	return db_errno(code);
}

static int setup_writer(struct db_conn *c, char *why, size_t size)
{
	int r = is_answer(c->sql, "PRAGMA journal_mode = WAL", "wal");

	if (r == 0)
		r = db_errno(sqlite3_exec(c->sql, "PRAGMA journal_size_limit = 16777216", NULL, NULL, NULL));
	if (r < 0)
		snprintf(why, size, "the database cannot be used: %s", sqlite3_errmsg(c->sql));
	return r;
}

int db_conn_open(struct db *db, bool read_only, struct db_conn **ret, char *why, size_t size)
{
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	struct db_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	int code = sqlite3_open_v2(db->file, &c->sql, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = run_pragmas(c->sql);
	int r = db_errno(code);
	if (r < 0)
		snprintf(why, size, "the database cannot be opened: %s", c->sql ? sqlite3_errmsg(c->sql) : "out of memory");
	if (r == 0)
		r = read_only ? setup_reader(c) : setup_writer(c, why, size);
	if (r == 0 && !read_only)
		r = db_migrate(c->sql, why, size);
	if (r == 0)
		r = prepare_all(c, read_only, why, size);
	if (r < 0) {
		db_conn_close(c);
		return r;
	}
	*ret = c;
	return 0;
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

static int make_dir(const char *dir, char *why, size_t size)
{
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		return 0;
	snprintf(why, size, "the state directory %s cannot be created: %s", dir, strerror(errno));
	return -errno;
}

/* WAL needs shared memory of one host. */
static int is_local(const char *dir, char *why, size_t size)
{
	static const long remote[] = {NFS_SUPER_MAGIC, CIFS_MAGIC, SMB_SUPER_MAGIC, V9FS_MAGIC, AFS_SUPER_MAGIC};
	struct statfs fs;

	if (statfs(dir, &fs) < 0) {
		snprintf(why, size, "the state directory %s cannot be used: %s", dir, strerror(errno));
		return -errno;
	}
	for (size_t i = 0; i < ARRAY_LEN(remote); i++)
		if ((unsigned long)fs.f_type == (unsigned long)remote[i]) {
			snprintf(why, size, "the state directory %s is on a network file system: it must be on a local disk", dir);
			return -ENOTSUP;
		}
	return 0;
}

static int take_lock(struct db *db, char *why, size_t size)
{
	CLEANUP(cleanup_free) char *name = text_format("%s/lock", db->dir);

	db->lock = name ? open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (db->lock < 0) {
		int err = errno;

		snprintf(why, size, "the lock of the state directory %s cannot be opened: %s", db->dir, strerror(err));
		return -err;
	}
	if (flock(db->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	snprintf(why, size, "the state directory %s is in use by another rollbackd", db->dir);
	return -EBUSY;
}

static int sync_dir(const char *dir)
{
	CLEANUP(cleanup_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int check_health(struct db *db, char *why, size_t size)
{
	int r = is_answer(db->writer->sql, "PRAGMA quick_check(1)", "ok");

	if (r < 0)
		snprintf(why, size, "the database %s is damaged: move the three files rollbackd.db, -wal and -shm away together (or restore "
		                    "a backup) and start again; nothing is rolled back from a doubtful record", db->file);
	return r < 0 ? -EUCLEAN : 0;
}

/* Proves before anything is promised that a commit works, and that the new files' names are on disk. */
static int test_commit(struct db *db, char *why, size_t size)
{
	struct sqlite3 *sql = db->writer->sql;
	int code = sqlite3_exec(sql, "BEGIN IMMEDIATE; INSERT INTO meta VALUES ('opened', 1) ON CONFLICT DO UPDATE SET value = value + 1;"
	                             " COMMIT", NULL, NULL, NULL);
	int r = code == SQLITE_OK ? sync_dir(db->dir) : db_errno(code);

	if (r < 0)
		snprintf(why, size, "nothing can be recorded in %s: %s", db->dir, code == SQLITE_OK ? strerror(-r) : sqlite3_errmsg(sql));
	return r;
}

static int open_all(struct db *db, char *why, size_t size)
{
	int r = make_dir(db->dir, why, size);

	if (r == 0)
		r = is_local(db->dir, why, size);
	if (r == 0)
		r = take_lock(db, why, size);
	if (r == 0)
		r = db_conn_open(db, false, &db->writer, why, size);
	if (r == 0)
		r = check_health(db, why, size);
	return r == 0 ? test_commit(db, why, size) : r;
}

int db_open(const char *dir, struct db **ret, char *why, size_t why_size)
{
	struct db *db = calloc(1, sizeof(*db));
	size_t len = strlen(dir);

	if (!db)
		return -ENOMEM;
	while (len > 1 && dir[len - 1] == '/')
		len--;
	db->lock = -1;
	db->dir = text_format("%.*s", (int)len, dir);
	db->file = db->dir ? text_format("%s/rollbackd.db", db->dir) : NULL;
	pthread_mutex_init(&db->mutex, NULL);
	pthread_condattr_t mono;
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&db->more, &mono);
	pthread_condattr_destroy(&mono);
	db->tail[0] = &db->head[0];
	db->tail[1] = &db->head[1];
	db->last_turn = clock_mono_us();
	int r = db->file ? open_all(db, why, why_size) : -ENOMEM;
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
	db_conn_close(db->writer);
	if (db->lock >= 0)
		close(db->lock);
	pthread_cond_destroy(&db->more);
	pthread_mutex_destroy(&db->mutex);
	free(db->file);
	free(db->dir);
	free(db);
}

const char *db_dir(const struct db *db)
{
	return db->dir;
}

int db_reader_open(struct db *db, struct db_conn **ret)
{
	char why[300] = "";

	return db_conn_open(db, true, ret, why, sizeof(why));
}

void db_reader_close(struct db_conn *conn)
{
	db_conn_close(conn);
}

struct db_conn *db_tx_conn(struct db_tx *tx)
{
	return tx->conn;
}

int64_t db_tx_now(const struct db_tx *tx)
{
	return tx->now;
}

int db_backup(struct db_tx *tx, const char *path)
{
	char *text = sqlite3_mprintf("VACUUM INTO %Q", path);
	int code = text ? sqlite3_exec(tx->conn->sql, text, NULL, NULL, NULL) : SQLITE_NOMEM;

	sqlite3_free(text);
	return db_errno(code);
}
