/*
 * What sqlite.c and the migrations share (internal to them).
 */
#ifndef DB_SQLITE_H
#define DB_SQLITE_H

#include <stddef.h>
#include "server/core/scope.h"

struct sqlite3;

/* -errno for SQLite's result. */
int db_errno(int sqlite_code);
/* Statements without parameters, to their end. 0 or -errno. */
int sqlite_do(struct sqlite3 *sql, const char *text) MUST_CHECK;
/* The first column of the first row, as text, cut; "" for NULL. 1; 0: there is none; -errno. */
int sqlite_ask(struct sqlite3 *sql, const char *text, char *out, size_t size) MUST_CHECK;
/* Brings the schema up to date. -EPROTO: it is newer than this program. */
int db_migrate(struct sqlite3 *sql, char *why, size_t why_size) MUST_CHECK;

#endif
