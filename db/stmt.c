#include "db/stmt.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sqlite3.h>

#include "db/private.h"
#include "server/core/thread.h"

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

static void remember(struct stmt *st, int code)
{
	if (!st->error)
		st->error = db_errno(code);
}

/* Threads without a name are alone (server/core/thread.h): they use what they like. */
static void own(struct db_conn *c)
{
	if (c->owned || thread_self() == THREAD_UNNAMED)
		return;
	c->owned = true;
	c->owner = pthread_self();
}

/* The http thread waits for nobody, so no connection is its own. */
static bool is_mine(const struct db_conn *c)
{
	enum thread_name self = thread_self();

	return self == THREAD_UNNAMED || (self != THREAD_HTTP && pthread_equal(c->owner, pthread_self()));
}

struct stmt stmt_use(struct db_conn *c, enum sql which)
{
	own(c);
	assert(which < SQL_N && is_mine(c));
	const char *types = sql_statements[which].types;
	if (c->until_us && db_conn_over(c))
		return (struct stmt) {.conn = c, .types = types, .error = -ETIMEDOUT};
	int r = c->stmt[which] ? 0 : db_prepare(c, which);

	return (struct stmt) {.s = c->stmt[which], .conn = c, .types = types, .error = r};
}

void stmt_end(struct stmt *st)
{
	if (!st->s)
		return;
	sqlite3_reset(st->s);
	sqlite3_clear_bindings(st->s);
}

/* True when the parameter is there and of that type: SQLite itself would take anything. */
static bool takes(struct stmt *st, int at, char type)
{
	assert(st && at > 0);
	if (st->error)
		return false;
	if (at > sqlite3_bind_parameter_count(st->s) || st->types[at - 1] != type)
		st->error = -EINVAL;
	return !st->error;
}

void stmt_i64(struct stmt *st, int at, int64_t v)
{
	if (takes(st, at, 'i'))
		remember(st, sqlite3_bind_int64(st->s, at, v));
}

void stmt_text(struct stmt *st, int at, const char *v)
{
	if (takes(st, at, 't'))
		remember(st, v ? sqlite3_bind_text(st->s, at, v, -1, SQLITE_STATIC) : sqlite3_bind_null(st->s, at));
}

void stmt_double(struct stmt *st, int at, double v)
{
	if (takes(st, at, 'd'))
		remember(st, sqlite3_bind_double(st->s, at, v));
}

int stmt_step(struct stmt *st)
{
	assert(st && st->conn);
	if (st->error)
		return st->error;
	int code = sqlite3_step(st->s);
	if (code == SQLITE_ROW)
		return 1;
	if (code == SQLITE_DONE)
		return 0;
	remember(st, code);
	return st->error;
}

int stmt_run(struct stmt *st)
{
	int r;

	while ((r = stmt_step(st)) == 1)
		;
	return r < 0 ? r : sqlite3_changes(st->conn->sql);
}

bool column_is_null(struct stmt *st, int at)
{
	assert(st && st->s && at >= 0);
	return sqlite3_column_type(st->s, at) == SQLITE_NULL;
}

int64_t column_i64(struct stmt *st, int at)
{
	assert(st && st->s && at >= 0);
	return sqlite3_column_int64(st->s, at);
}

double column_double(struct stmt *st, int at)
{
	assert(st && st->s && at >= 0);
	return sqlite3_column_double(st->s, at);
}

void column_chars(struct stmt *st, int at, char *out, size_t size)
{
	assert(st && st->s && at >= 0 && out && size > 0);
	const char *v = (const char *)sqlite3_column_text(st->s, at);

	snprintf(out, size, "%s", v ? v : "");
}

char *column_text_or_null(struct stmt *st, int at)
{
	assert(st && st->s && at >= 0);
	const char *v = (const char *)sqlite3_column_text(st->s, at);
	char *copy = v ? strdup(v) : NULL;

	if (v && !copy && !st->error)
		st->error = -ENOMEM;
	return copy;
}

char *column_text(struct stmt *st, int at)
{
	char *v = column_text_or_null(st, at);

	if (!v && !st->error && !(v = strdup("")))
		st->error = -ENOMEM;
	return v;
}

int stmt_insert(struct stmt *st, int64_t *ret_id)
{
	assert(ret_id);
	int r = stmt_run(st);

	if (r < 0)
		return r;
	*ret_id = sqlite3_last_insert_rowid(st->conn->sql);
	return 0;
}
