#include "db/sqlite.h"
#include "db/engine.h"
#include "db/sqlite_log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sqlite3.h>

#include "server/core/failpoint.h"

#define BUSY_MS       5000 /* only a person at the sqlite3 prompt can hold a lock against the writer */
#define CUT_MS        100
#define WAL_MOST      (8 * 1024 * 1024 / 4096) /* pages: SQLite begins anew at 1000 unless one transaction is larger */
#define CHECKED_WHOLE (16 * 1024 * 1024)       /* bytes: a tenth of a second */
#define OPS           10000                    /* of SQLite's machine between two looks at the clock: less than 1 ms */

int db_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_INTERRUPT:
		return -ETIMEDOUT;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

int sqlite_do(sqlite3 *sql, const char *text)
{
	return db_errno(sqlite3_exec(sql, text, NULL, NULL, NULL));
}

int sqlite_ask(sqlite3 *sql, const char *text, char *out, size_t size)
{
	assert(sql && text && out && size > 0);
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(sql, text, -1, &s, NULL);

	if (code == SQLITE_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
		const char *v = (const char *)sqlite3_column_text(s, 0);
		snprintf(out, size, "%s", v ? v : "");
	}
	sqlite3_finalize(s);
	return code == SQLITE_ROW ? 1 : db_errno(code);
}

/* A failed switch leaves the old mode silently: the answer is read. 1 it is as wanted, 0 it is not. */
static int is_answer(sqlite3 *sql, const char *pragma, const char *want)
{
	char answer[300] = "";
	int r = sqlite_ask(sql, pragma, answer, sizeof(answer));

	return r < 0 ? r : r == 1 && !sqlite3_stricmp(answer, want);
}

/* --- opening --- */

/* Only a database without pages can take auto_vacuum, before the switch to WAL; asked first, because setting it again
 * writes. WAL and FULL: a commit is on the disk. */
static int setup_writer(sqlite3 *sql, char *why, size_t size)
{
	static const struct {
		const char *ask, *want;
	} must[] = {{"PRAGMA journal_mode = WAL", "wal"},
	            {"PRAGMA synchronous", "2"},
	            {"PRAGMA foreign_keys", "1"},
	            {"PRAGMA journal_size_limit = 16777216", "16777216"}};
	int r = is_answer(sql, "PRAGMA auto_vacuum", "2");

	if (r == 0)
		r = sqlite_do(sql, "PRAGMA auto_vacuum = INCREMENTAL");
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(must); i++) {
		r = is_answer(sql, must[i].ask, must[i].want);
		if (r == 0) {
			snprintf(why, size, "the database cannot be used safely: %s did not answer %s", must[i].ask,
			         must[i].want);
			return -ENOTSUP;
		}
	}
	if (r < 0)
		snprintf(why, size, "the database cannot be used: %s", sqlite3_errmsg(sql));
	return r < 0 ? r : 0;
}

/* One writer only, so readers may not checkpoint. */
static int setup_reader(sqlite3 *sql)
{
	sqlite3_db_config(sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return sqlite_do(sql, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0");
}

static int connect(struct db_conn *c, const char *file, char *why, size_t size)
{
	int flags = c->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	const char *vfs = c->read_only ? NULL : sqlite_log_vfs();
	int r = db_errno(sqlite3_open_v2(file, &c->sql, flags | SQLITE_OPEN_NOMUTEX, vfs));

	if (r == 0) {
		sqlite3_busy_timeout(c->sql, BUSY_MS);
		sqlite3_db_config(c->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		r = sqlite_do(c->sql, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
		                      " PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL");
	}
	if (r < 0) {
		snprintf(why, size, "the database %s cannot be opened: %s", file, engine_error(c));
		return r;
	}
	return c->read_only ? setup_reader(c->sql) : setup_writer(c->sql, why, size);
}

/* Nothing is rolled back from a doubtful record. All pages are looked at before anything is written, as long as that
 * takes a moment; of a larger record, what does not grow with it and every rollback rests on. The rest is looked at
 * page by page as it is read (cell_size_check), and a damaged page is an error there, too. */
static const char *const rests_on[] = {"meta", "rollout", "progress", "config"};

/* SQLite looks into the text index, too (since 3.44, sqlite.org/releaselog/3_44_0.html): nothing rests on that, and it
 * is made anew when it is damaged. */
#define FAULTS                                                                                                         \
	"SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok' AND quick_check NOT LIKE"                   \
	" '%inverted index for FTS5 table%'"

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

static int check_pages(const char *file, sqlite3 *sql, char *why, size_t size)
{
	struct stat st;
	int r = 1;

	if (stat(file, &st) < 0 || st.st_size <= CHECKED_WHOLE)
		r = is_answer(sql, FAULTS, "0");
	else
		for (size_t i = 0; r == 1 && i < ARRAY_LEN(rests_on); i++)
			r = check_table(sql, rests_on[i]);
	if (r < 0)
		snprintf(why, size, "the database could not be checked: %s", sqlite3_errmsg(sql));
	return r == 1 ? 0 : r == 0 ? -EUCLEAN : r;
}

/* The writer has no time for it later. Readers prepare what they use: all of it would be a megabyte for each. */
static int prepare_all(struct db_conn *c, char *why, size_t size)
{
	int r = 0;

	for (enum sql i = 0; r == 0 && i < SQL_N; i++) {
		r = engine_prepare(c, i);
		if (r < 0)
			snprintf(why, size, "a statement does not fit the database: %s: %.60s", engine_error(c),
			         sql_statements[i].text);
	}
	return r;
}

int engine_open(const char *file, enum engine_use use, struct db_conn **ret, char *why, size_t size)
{
	assert(file && ret && why && size >= 300);
	struct db_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->read_only = use == ENGINE_READS;
	int r = connect(c, file, why, size);
	if (r == 0 && use == ENGINE_WRITES_CHECKED)
		r = check_pages(file, c->sql, why, size);
	if (r == 0 && !c->read_only)
		r = db_migrate(c->sql, why, size);
	if (r == 0 && !c->read_only)
		r = prepare_all(c, why, size);
	if (r < 0) {
		engine_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void engine_close(struct db_conn *c)
{
	if (!c)
		return;
	for (int i = 0; i < SQL_N; i++)
		sqlite3_finalize(c->stmt[i]);
	sqlite3_close(c->sql);
	free(c);
}

const char *engine_error(const struct db_conn *c)
{
	return c->sql ? sqlite3_errmsg(c->sql) : "out of memory";
}

bool engine_in_transaction(const struct db_conn *c)
{
	assert(c && c->sql);
	return !sqlite3_get_autocommit(c->sql);
}

static int is_over(void *conn)
{
	return db_conn_over(conn);
}

void engine_bound(struct db_conn *c)
{
	assert(c && c->sql);
	sqlite3_progress_handler(c->sql, OPS, is_over, c);
}

/* A reader that stays open keeps the log from being cut: that is waited for a moment only. */
int engine_upkeep(struct db_conn *c)
{
	assert(c && c->sql && !c->read_only);
	int pages = 0, code = sqlite3_wal_checkpoint_v2(c->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, NULL);

	if (code == SQLITE_OK && pages > WAL_MOST) {
		FAILPOINT(FAIL_CHECKPOINT);
		sqlite3_busy_timeout(c->sql, CUT_MS);
		code = sqlite3_wal_checkpoint_v2(c->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		sqlite3_busy_timeout(c->sql, BUSY_MS);
	}
	return code == SQLITE_BUSY ? 0 : db_errno(code);
}

/* Through a connection of its own: VACUUM is refused inside a transaction. */
int engine_backup(const char *file, const char *path)
{
	assert(file && path);
	sqlite3 *sql = NULL;
	int code = sqlite3_open_v2(file, &sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	char *text = sqlite3_mprintf("VACUUM INTO %Q", path);

	if (code == SQLITE_OK)
		code = sqlite3_db_config(sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (code == SQLITE_OK)
		code = text ? sqlite3_exec(sql, text, NULL, NULL, NULL) : SQLITE_NOMEM;
	sqlite3_free(text);
	sqlite3_close(sql);
	return db_errno(code);
}

/* --- a statement --- */

/* SQLite makes a journal of the statement and a table for what RETURNING says (measured: 16 us a statement instead of
 * 8), and knows the last id anyway (engine_run). */
static size_t length_without_returning(const char *text)
{
	static const char tail[] = SQL_RETURNING_ID;
	size_t n = strlen(text), m = sizeof(tail) - 1;

	return n > m && strcmp(text + n - m, tail) == 0 ? n - m : n;
}

/* The whole text is one statement, and has as many parameters as there are types. */
int engine_prepare(struct db_conn *c, enum sql which)
{
	assert(c && c->sql && which < SQL_N);
	const struct sql_statement *written = &sql_statements[which];
	size_t len = length_without_returning(written->text);
	const char *end = NULL;

	if (c->stmt[which])
		return 0;
	if (written->writes && c->read_only)
		return -EIO;
	int code =
		sqlite3_prepare_v3(c->sql, written->text, (int)len, SQLITE_PREPARE_PERSISTENT, &c->stmt[which], &end);
	if (code != SQLITE_OK)
		return db_errno(code);
	if (end == written->text + len && sqlite3_bind_parameter_count(c->stmt[which]) == (int)strlen(written->types))
		return 0;
	sqlite3_finalize(TAKE(c->stmt[which]));
	return -EINVAL;
}

int engine_bind(struct db_conn *c, enum sql which, int at, const struct value *v)
{
	sqlite3_stmt *s = c->stmt[which];

	switch (v->type) {
	case 'i':
		return db_errno(sqlite3_bind_int64(s, at, v->number));
	case 'd':
		return db_errno(sqlite3_bind_double(s, at, v->real));
	default:
		assert(v->type == 't');
		return db_errno(v->text ? sqlite3_bind_text(s, at, v->text, -1, SQLITE_STATIC)
		                        : sqlite3_bind_null(s, at));
	}
}

int engine_step(struct db_conn *c, enum sql which)
{
	int code = sqlite3_step(c->stmt[which]);

	return code == SQLITE_ROW ? 1 : db_errno(code);
}

int engine_run(struct db_conn *c, enum sql which, int64_t *ret_id)
{
	int r;

	while ((r = engine_step(c, which)) == 1)
		;
	if (r == 0 && ret_id)
		*ret_id = sqlite3_last_insert_rowid(c->sql);
	return r < 0 ? r : sqlite3_changes(c->sql);
}

void engine_reset(struct db_conn *c, enum sql which)
{
	sqlite3_reset(c->stmt[which]);
	if (c->stmt[which])
		sqlite3_clear_bindings(c->stmt[which]);
}

bool engine_is_null(struct db_conn *c, enum sql which, int at)
{
	return sqlite3_column_type(c->stmt[which], at) == SQLITE_NULL;
}

int64_t engine_number(struct db_conn *c, enum sql which, int at)
{
	return sqlite3_column_int64(c->stmt[which], at);
}

double engine_real(struct db_conn *c, enum sql which, int at)
{
	return sqlite3_column_double(c->stmt[which], at);
}

const char *engine_text(struct db_conn *c, enum sql which, int at)
{
	return (const char *)sqlite3_column_text(c->stmt[which], at);
}
