#include "db/query.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/stmt.h"
#include "server/core/text.h"

#define CHUNK 16

struct number {
	int64_t first;
};
struct text {
	char *text;
};
#define PUBLIC_ROW_TYPE(name, type, LIST)                                                                              \
	static const struct row_column name##_columns[] = {LIST(type, COLUMN_READ, COLUMN_WRITTEN, COLUMN_WRITTEN)};   \
	const struct row_type name = {name##_columns, ARRAY_LEN(name##_columns), sizeof(type)}
PUBLIC_ROW_TYPE(number_row, struct number, NUMBER_ROW);
PUBLIC_ROW_TYPE(number_pair_row, struct number_pair, NUMBER_PAIR_ROW);
PUBLIC_ROW_TYPE(text_row, struct text, TEXT_ROW);

/* --- binding --- */

static void bind_column(struct stmt *st, int at, const struct row_column *c, const void *member)
{
	switch (c->kind) {
	case COLUMN_I64:
		return stmt_i64(st, at, *(const int64_t *)member);
	case COLUMN_I32:
		return stmt_i64(st, at, *(const int32_t *)member);
	case COLUMN_ENUM:
		return stmt_i64(st, at, *(const unsigned *)member);
	case COLUMN_BOOL:
		return stmt_i64(st, at, *(const bool *)member);
	case COLUMN_REAL:
		return stmt_double(st, at, *(const double *)member);
	case COLUMN_TEXT:
	case COLUMN_NULLABLE:
		return stmt_text(st, at, *(char *const *)member);
	case COLUMN_CHARS:
		return stmt_text(st, at, member);
	}
}

/* From parameter at on; returns the next. */
static int bind_row(struct stmt *st, int at, const struct row_type *type, const char *row)
{
	assert(type && row);
	for (size_t i = 0; i < type->n; i++)
		if (!type->column[i].is_key)
			bind_column(st, at++, &type->column[i], row + type->column[i].offset);
	return at;
}

static int bind_value(struct stmt *st, int at, const struct value *v)
{
	switch (v->type) {
	case 'i':
		stmt_i64(st, at, v->number);
		break;
	case 'd':
		stmt_double(st, at, v->real);
		break;
	case 't':
		stmt_text(st, at, v->text);
		break;
	default:
		assert(v->type == 'r');
		return bind_row(st, at, v->row.type, v->row.row);
	}
	return at + 1;
}

static struct stmt use(struct db_conn *c, enum sql which, const struct value *v)
{
	assert(v);
	struct stmt st = stmt_use(c, which);
	int at = 1;

	for (; v->type; v++)
		at = bind_value(&st, at, v);
	if (!st.error && st.types[at - 1] != '\0')
		st.error = -EINVAL;
	return st;
}

/* --- reading --- */

static void read_column(struct stmt *st, int at, const struct row_column *c, void *member)
{
	switch (c->kind) {
	case COLUMN_I64:
		*(int64_t *)member = column_i64(st, at);
		break;
	case COLUMN_I32:
		*(int32_t *)member = (int32_t)column_i64(st, at);
		break;
	case COLUMN_ENUM:
		*(unsigned *)member = (unsigned)column_i64(st, at);
		break;
	case COLUMN_BOOL:
		*(bool *)member = column_i64(st, at) != 0;
		break;
	case COLUMN_REAL:
		*(double *)member = column_double(st, at);
		break;
	case COLUMN_TEXT:
		*(char **)member = column_text(st, at);
		break;
	case COLUMN_NULLABLE:
		*(char **)member = column_text_or_null(st, at);
		break;
	case COLUMN_CHARS:
		column_chars(st, at, member, c->size);
		break;
	}
}

/* 0, or what st remembers: then to has nothing to free. */
static int read_row(struct stmt *st, const struct row_type *type, char *to)
{
	assert(type && to);
	memset(to, 0, type->size);
	for (size_t i = 0; i < type->n; i++)
		read_column(st, (int)i, &type->column[i], to + type->column[i].offset);
	if (st->error)
		row_free(type, to);
	return st->error;
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

int query_run(struct db_tx *tx, enum sql which, const struct value *v)
{
	CLEANUP(stmt_end) struct stmt st = use(db_tx_conn(tx), which, v);

	return stmt_run(&st);
}

int query_insert(struct db_tx *tx, enum sql which, int64_t *ret_id, const struct value *v)
{
	CLEANUP(stmt_end) struct stmt st = use(db_tx_conn(tx), which, v);

	return stmt_insert(&st, ret_id);
}

int query_number(struct db_conn *c, enum sql which, int64_t *ret, const struct value *v)
{
	assert(ret);
	CLEANUP(stmt_end) struct stmt st = use(c, which, v);
	int r = stmt_step(&st);

	if (r != 1 || column_is_null(&st, 0))
		return r == 1 ? 0 : r;
	*ret = column_i64(&st, 0);
	return 1;
}

int query_text(struct db_conn *c, enum sql which, char **ret, const struct value *v)
{
	assert(ret);
	CLEANUP(stmt_end) struct stmt st = use(c, which, v);
	int r = stmt_step(&st);
	char *text = r == 1 ? column_text_or_null(&st, 0) : NULL;

	if (!text)
		return st.error;
	*ret = text;
	return 1;
}

int query_one(struct db_conn *c, enum sql which, const struct row_type *type, void *ret, const struct value *v)
{
	assert(type && ret);
	CLEANUP(stmt_end) struct stmt st = use(c, which, v);
	int r = stmt_step(&st);

	if (r != 1)
		return r;
	r = read_row(&st, type, ret);
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

static int read_rows(struct stmt *st, const struct row_type *type, struct rows *to)
{
	int r = 0;

	while ((!to->max || to->n < to->max) && (r = stmt_step(st)) == 1) {
		r = grow(to, type->size);
		if (r == 0)
			r = read_row(st, type, (char *)to->item + to->n * type->size);
		if (r < 0)
			return r;
		to->n++;
	}
	return r < 0 ? r : 0;
}

int query_rows(struct db_conn *c, enum sql which, const struct row_type *type, struct rows *to, const struct value *v)
{
	assert(type && to);
	CLEANUP(stmt_end) struct stmt st = use(c, which, v);
	int r = read_rows(&st, type, to);

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
