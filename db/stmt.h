/*
 * Prepared statements as values that remember their first error (internal to db/).
 *
 * Three answers, never two: a row (1), no more rows (0), an error (-errno). A statement is used through
 * CLEANUP(stmt_end), which resets it, on the thread of its connection.
 */
#ifndef DB_STMT_H
#define DB_STMT_H

#include <stdbool.h>
#include <stdint.h>
#include "db/db.h"
#include "db/sql.h"

struct sqlite3_stmt;
struct stmt {
	struct sqlite3_stmt *s;
	struct db_conn *conn;
	const char *types; /* of the parameters, as in sql.h */
	int error;         /* the first one; sticks */
};

struct stmt stmt_use(struct db_conn *c, enum sql which);
void stmt_end(struct stmt *st);
/* Parameters count from 1; one of another type than sql.h names is -EINVAL. NULL text binds NULL.
 * Text is borrowed until stmt_end. */
void stmt_i64(struct stmt *st, int at, int64_t v);
void stmt_text(struct stmt *st, int at, const char *v);
void stmt_double(struct stmt *st, int at, double v);
/* A row, or none. */
int stmt_step(struct stmt *st) MUST_CHECK;
/* To the end; how many rows it changed. */
int stmt_run(struct stmt *st) MUST_CHECK;
/* Columns of the row, from 0. */
bool column_is_null(struct stmt *st, int at);
int64_t column_i64(struct stmt *st, int at);
double column_double(struct stmt *st, int at);
/* Into out, cut if need be; "" for NULL. */
void column_chars(struct stmt *st, int at, char *out, size_t size);
/* A copy, "" for NULL; NULL when out of memory, which st remembers. */
char *column_text(struct stmt *st, int at);
/* The same, but NULL stays NULL. */
char *column_text_or_null(struct stmt *st, int at);
/* To the end; the id of the row that it wrote. 0 or -errno. */
int stmt_insert(struct stmt *st, int64_t *ret_id) MUST_CHECK;

/* -errno for SQLite's result. */
int db_errno(int sqlite_code);

#endif
