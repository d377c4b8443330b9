/*
 * A statement of sql.h in one call: bound, stepped, read, reset (internal to db/).
 *
 * Values of C go in as V(a, b, …), in the order of the parameters; one of another type than the statement names, one
 * too few or too many is -EINVAL. Rows go in and out by the table of their type, which says what member is what column.
 * Nothing is kept of what is given; what is read belongs to the caller. On the thread of the connection.
 */
#ifndef DB_QUERY_H
#define DB_QUERY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include "db/columns.h"
#include "db/db.h"
#include "db/sql.h"

/* --- row types --- */

struct row_column {
	enum column_kind kind;
	bool is_key; /* read only: the database gives it */
	size_t offset, size;
};
struct row_type {
	const struct row_column *column;
	size_t n, size;
};

/* The kind is compared with the member's type when this is compiled. */
#define COLUMN_KIND(kind, member) _Generic((member), COLUMN_TYPE_##kind: COLUMN_##kind)
#define COLUMN_AT(type, kind, member, key)                                                                             \
	{COLUMN_KIND(kind, ((type *)0)->member), key, offsetof(type, member), sizeof(((type *)0)->member)},
#define COLUMN_READ(type, kind, member, sql)    COLUMN_AT(type, kind, member, true)
#define COLUMN_WRITTEN(type, kind, member, sql) COLUMN_AT(type, kind, member, false)
/* const struct row_type name, of struct type and its list in columns.h */
#define PUBLIC_ROW_TYPE(name, type, LIST)                                                                              \
	const struct row_type name = {ROW_COLUMNS(type, LIST),                                                         \
	                              sizeof(ROW_COLUMNS(type, LIST)) / sizeof(struct row_column), sizeof(type)}
#define ROW_COLUMNS(type, LIST)    ((const struct row_column[]) {LIST(type, COLUMN_READ, COLUMN_WRITTEN, COLUMN_WRITTEN)})
#define ROW_TYPE(name, type, LIST) static PUBLIC_ROW_TYPE(name, type, LIST)

/* What DB_LIST declares, and the same of a single row. */
#define ROW_LIST(name, row)                                                                                            \
	void name##_free(struct name *l)                                                                               \
	{                                                                                                              \
		rows_free(&(row), &l->item, &l->n);                                                                    \
	}
#define ROW_FREE(fn, type, row)                                                                                        \
	void fn(type *r)                                                                                               \
	{                                                                                                              \
		row_free(&(row), r);                                                                                   \
	}

/* Frees the texts of a row and leaves zeros; of a list, its rows and itself. item_at: the address of the list's
 * pointer. */
void row_free(const struct row_type *type, void *row);
void rows_free(const struct row_type *type, void *item_at, size_t *n);

/* --- values --- */

struct value {
	char type; /* as in sql.h; 'r' a row; 0 the end */
	union {
		int64_t number;
		double real;
		const char *text;
		struct {
			const struct row_type *type;
			const void *row;
		} row;
	};
};

static inline struct value value_number(int64_t v)
{
	return (struct value) {.type = 'i', .number = v};
}
static inline struct value value_real(double v)
{
	return (struct value) {.type = 'd', .real = v};
}
static inline struct value value_text(const char *v)
{
	return (struct value) {.type = 't', .text = v};
}
static inline struct value value_itself(struct value v)
{
	return v;
}
/* All columns of a row but its keys. */
static inline struct value row_value(const struct row_type *type, const void *row)
{
	return (struct value) {.type = 'r', .row = {type, row}};
}

#define VALUE(x)                                                                                                       \
	_Generic((x),                                                                                                  \
	        char *: value_text,                                                                                    \
	        const char *: value_text,                                                                              \
	        double: value_real,                                                                                    \
	        struct value: value_itself,                                                                            \
	        default: value_number)(x),
#define V_0()
#define V_1(x)                                                             VALUE(x)
#define V_2(x, ...)                                                        VALUE(x) V_1(__VA_ARGS__)
#define V_3(x, ...)                                                        VALUE(x) V_2(__VA_ARGS__)
#define V_4(x, ...)                                                        VALUE(x) V_3(__VA_ARGS__)
#define V_5(x, ...)                                                        VALUE(x) V_4(__VA_ARGS__)
#define V_6(x, ...)                                                        VALUE(x) V_5(__VA_ARGS__)
#define V_7(x, ...)                                                        VALUE(x) V_6(__VA_ARGS__)
#define V_8(x, ...)                                                        VALUE(x) V_7(__VA_ARGS__)
#define V_9(x, ...)                                                        VALUE(x) V_8(__VA_ARGS__)
#define V_10(x, ...)                                                       VALUE(x) V_9(__VA_ARGS__)
#define V_11(x, ...)                                                       VALUE(x) V_10(__VA_ARGS__)
#define V_12(x, ...)                                                       VALUE(x) V_11(__VA_ARGS__)
#define V_N(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, N, ...) N
#define V(...)                                                                                                         \
	((const struct value[]) {V_N(0, ##__VA_ARGS__, V_12, V_11, V_10, V_9, V_8, V_7, V_6, V_5, V_4, V_3, V_2, V_1,  \
	                             V_0)(__VA_ARGS__) {0}})

/* --- the calls --- */

/* One without parameters, outside a transaction or for its beginning and end. 0 or -errno. */
int query_plain(struct db_conn *c, enum sql which) MUST_CHECK;
/* How many rows it changed, or -errno. */
int query_run(struct db_tx *tx, enum sql which, const struct value *v) MUST_CHECK;
/* A new row; its id. 0 or -errno, and then *ret_id is untouched. */
int query_insert(struct db_tx *tx, enum sql which, int64_t *ret_id, const struct value *v) MUST_CHECK;
/* The first column of the first row. 1; 0: there is none, or it is NULL; -errno. *ret is untouched unless 1. */
int query_number(struct db_conn *c, enum sql which, int64_t *ret, const struct value *v) MUST_CHECK;
int query_text(struct db_conn *c, enum sql which, char **ret, const struct value *v) MUST_CHECK;
/* The first row: 1, 0 or -errno, as above; zeros when memory ran out. */
int query_one(struct db_conn *c, enum sql which, const struct row_type *type, void *ret,
              const struct value *v) MUST_CHECK;
/* All rows. ret_item: the address of a pointer to such rows. 0 or -errno, and then both are untouched. */
int query_list(struct db_conn *c, enum sql which, const struct row_type *type, void *ret_item, size_t *ret_n,
               const struct value *v) MUST_CHECK;

struct rows {
	void *item;
	size_t n;
	size_t max; /* item is the caller's own and has room for so many; 0: it grows, and is the caller's to free */
};
/* Appends all rows, or the first to fill max. 0 or -errno; then none are left (of those that were there neither). */
int query_rows(struct db_conn *c, enum sql which, const struct row_type *type, struct rows *to,
               const struct value *v) MUST_CHECK;

/* What became of it, where how many does not matter, and where it must be there. */
static inline int query_done(int r)
{
	return r < 0 ? r : 0;
}
static inline int query_found(int r)
{
	return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

/* Rows of one number, of one text, of two numbers. */
struct number_pair {
	int64_t first, second;
};
extern const struct row_type number_row, text_row, number_pair_row;

#endif
