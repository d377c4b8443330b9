#include "db/query.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/engine.h"
#include "db/private.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define CHUNK 16

struct number {
	int64_t first;
};
struct text {
	char *text;
};
PUBLIC_ROW_TYPE(number_row, struct number, NUMBER_ROW);
PUBLIC_ROW_TYPE(number_pair_row, struct number_pair, NUMBER_PAIR_ROW);
PUBLIC_ROW_TYPE(text_row, struct text, TEXT_ROW);

/* A statement in use, which remembers its first error; then nothing more is done with it. */
struct use {
	struct db_conn *conn;
	enum sql which;
	const char *types; /* of the parameters that are still to come */
	int at, error;
};

/* --- binding --- */

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

/* SQLite itself would take anything, an engine with types does not. */
static void give(struct use *u, struct value v)
{
	if (!u->error)
		u->error = *u->types++ == v.type ? engine_bind(u->conn, u->which, ++u->at, &v) : -EINVAL;
}

static struct value value_of(const struct row_column *c, const void *member)
{
	switch (c->kind) {
	case COLUMN_I64:
		return value_number(*(const int64_t *)member);
	case COLUMN_I32:
	case COLUMN_ENUM: /* none is below 0 */
		return value_number(*(const int32_t *)member);
	case COLUMN_BOOL:
		return value_number(*(const bool *)member);
	case COLUMN_REAL:
		return value_real(*(const double *)member);
	case COLUMN_CHARS:
		return value_text(member);
	case COLUMN_TEXT:
	case COLUMN_NULLABLE:
	default:
		return value_text(*(char *const *)member);
	}
}

static void give_row(struct use *u, const struct row_type *type, const char *row)
{
	assert(type && row);
	for (size_t i = 0; i < type->n; i++)
		if (!type->column[i].is_key)
			give(u, value_of(&type->column[i], row + type->column[i].offset));
}

static struct use begin(struct db_conn *c, enum sql which, const struct value *v)
{
	own(c);
	assert(which < SQL_N && v && is_mine(c));
	struct use u = {.conn = c, .which = which, .types = sql_statements[which].types};

	u.error = db_conn_over(c) ? -ETIMEDOUT : engine_prepare(c, which);
	for (; v->type; v++)
		if (v->type == 'r')
			give_row(&u, v->row.type, v->row.row);
		else
			give(&u, *v);
	if (!u.error && *u.types)
		u.error = -EINVAL;
	return u;
}

static void end(struct use *u)
{
	engine_reset(u->conn, u->which);
}

/* A row (1), no more rows (0), or the error. */
static int step(struct use *u)
{
	int r = u->error ? u->error : engine_step(u->conn, u->which);

	if (r < 0)
		u->error = r;
	return r;
}

/* --- reading --- */

static int copy_text(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int read_text(const struct row_column *c, const char *text, void *member)
{
	if (!text && c->kind != COLUMN_NULLABLE)
		text = "";
	if (c->kind != COLUMN_CHARS)
		return copy_text(text, member);
	snprintf(member, c->size, "%s", text);
	return 0;
}

static int read_column(const struct use *u, int at, const struct row_column *c, void *member)
{
	switch (c->kind) {
	case COLUMN_I64:
		*(int64_t *)member = engine_number(u->conn, u->which, at);
		return 0;
	case COLUMN_I32:
		*(int32_t *)member = (int32_t)engine_number(u->conn, u->which, at);
		return 0;
	case COLUMN_ENUM:
		*(unsigned *)member = (unsigned)engine_number(u->conn, u->which, at);
		return 0;
	case COLUMN_BOOL:
		*(bool *)member = engine_number(u->conn, u->which, at) != 0;
		return 0;
	case COLUMN_REAL:
		*(double *)member = engine_real(u->conn, u->which, at);
		return 0;
	case COLUMN_TEXT:
	case COLUMN_NULLABLE:
	case COLUMN_CHARS:
	default:
		return read_text(c, engine_text(u->conn, u->which, at), member);
	}
}

/* 0, or the error: then to has nothing to free. */
static int read_row(const struct use *u, const struct row_type *type, char *to)
{
	assert(type && to);
	int r = 0;

	memset(to, 0, type->size);
	for (size_t i = 0; r == 0 && i < type->n; i++)
		r = read_column(u, (int)i, &type->column[i], to + type->column[i].offset);
	if (r < 0)
		row_free(type, to);
	return r;
}

void row_free(const struct row_type *type, void *row)
{
	assert(type && row);
	for (size_t i = 0; i < type->n; i++) {
		const struct row_column *c = &type->column[i];

		if (c->kind == COLUMN_TEXT || c->kind == COLUMN_NULLABLE)
			free(*(char **)((char *)row + c->offset));
	}
	memset(row, 0, type->size);
}

void rows_free(const struct row_type *type, void *item_at, size_t *n)
{
	assert(item_at && n);
	void *item;

	memcpy(&item, item_at, sizeof(item)); /* whatever it points to, it is a pointer */
	assert(item || *n == 0);
	for (size_t i = 0; i < *n; i++)
		row_free(type, (char *)item + i * type->size);
	free(item);
	memset(item_at, 0, sizeof(item));
	*n = 0;
}

/* --- the calls --- */

int query_plain(struct db_conn *c, enum sql which)
{
	CLEANUP(end) struct use u = begin(c, which, V());

	return query_done(u.error ? u.error : engine_run(c, which, NULL));
}

int query_run(struct db_tx *tx, enum sql which, const struct value *v)
{
	CLEANUP(end) struct use u = begin(db_tx_conn(tx), which, v);

	return u.error ? u.error : engine_run(u.conn, which, NULL);
}

int query_insert(struct db_tx *tx, enum sql which, int64_t *ret_id, const struct value *v)
{
	assert(ret_id);
	CLEANUP(end) struct use u = begin(db_tx_conn(tx), which, v);

	return query_done(u.error ? u.error : engine_run(u.conn, which, ret_id));
}

int query_number(struct db_conn *c, enum sql which, int64_t *ret, const struct value *v)
{
	assert(ret);
	CLEANUP(end) struct use u = begin(c, which, v);
	int r = step(&u);

	if (r != 1 || engine_is_null(c, which, 0))
		return r == 1 ? 0 : r;
	*ret = engine_number(c, which, 0);
	return 1;
}

int query_text(struct db_conn *c, enum sql which, char **ret, const struct value *v)
{
	assert(ret);
	CLEANUP(end) struct use u = begin(c, which, v);
	int r = step(&u);
	char *text = NULL;

	if (r == 1)
		r = copy_text(engine_text(c, which, 0), &text);
	if (!text)
		return r;
	*ret = text;
	return 1;
}

int query_one(struct db_conn *c, enum sql which, const struct row_type *type, void *ret, const struct value *v)
{
	assert(type && ret);
	CLEANUP(end) struct use u = begin(c, which, v);
	int r = step(&u);

	if (r != 1)
		return r;
	r = read_row(&u, type, ret);
	return r < 0 ? r : 1;
}

/* Makes room for one more. */
static int grow(struct rows *rows, size_t size)
{
	if (rows->max || rows->n % CHUNK)
		return 0;
	void *more = reallocarray(rows->item, rows->n + CHUNK, size);
	if (!more)
		return -ENOMEM;
	rows->item = more;
	return 0;
}

static int read_rows(struct use *u, const struct row_type *type, struct rows *to)
{
	int r = 0;

	while ((!to->max || to->n < to->max) && (r = step(u)) == 1) {
		r = grow(to, type->size);
		if (r == 0)
			r = read_row(u, type, (char *)to->item + to->n * type->size);
		if (r < 0)
			return r;
		to->n++;
	}
	return r < 0 ? r : 0;
}

int query_rows(struct db_conn *c, enum sql which, const struct row_type *type, struct rows *to, const struct value *v)
{
	assert(type && to);
	CLEANUP(end) struct use u = begin(c, which, v);
	int r = read_rows(&u, type, to);

	if (r < 0) {
		while (to->n)
			row_free(type, (char *)to->item + --to->n * type->size);
		if (!to->max)
			free(TAKE(to->item));
	}
	return r;
}

int query_list(struct db_conn *c, enum sql which, const struct row_type *type, void *ret_item, size_t *ret_n,
               const struct value *v)
{
	assert(ret_item && ret_n);
	struct rows rows = {0};
	int r = query_rows(c, which, type, &rows, v);

	if (r < 0)
		return r;
	memcpy(ret_item, &rows.item, sizeof(rows.item)); /* whatever it points to, it is a pointer */
	*ret_n = rows.n;
	return 0;
}
