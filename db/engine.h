/*
 * What the rest of db/ asks of the engine that keeps the record (internal to db/). sqlite.c answers; beside it only its
 * log and the migrations know SQLite.
 *
 * A connection is one thread's at a time. A statement is known by its connection and its name in sql.h.
 */
#ifndef DB_ENGINE_H
#define DB_ENGINE_H

#include "db/private.h"
#include "db/query.h"

/* The writer's brings the schema up to date and prepares all statements: one that does not fit stops the start, not the
 * night. CHECKED looks before that whether the record is damaged. */
enum engine_use { ENGINE_READS, ENGINE_WRITES, ENGINE_WRITES_CHECKED };
/* -EPROTO: written by a newer program; -EUCLEAN: damaged; -ENOTSUP: it cannot promise what is asked of it; other
 * -errno. why (size >= 300) gets one sentence on failure. */
int engine_open(const char *file, enum engine_use use, struct db_conn **ret, char *why, size_t size) MUST_CHECK;
/* NULL is fine. */
void engine_close(struct db_conn *c);
/* What it last complained of. */
const char *engine_error(const struct db_conn *c);
/* Also one that it ended by itself is none: disk full, I/O error. */
bool engine_in_transaction(const struct db_conn *c);
/* From now on what runs on it ends when db_conn_over says so. */
void engine_bound(struct db_conn *c);
/* What the writer does once a second for its upkeep. */
int engine_upkeep(struct db_conn *c) MUST_CHECK;
/* A consistent copy of what is committed, to a path where nothing is yet. Any thread. */
int engine_backup(const char *file, const char *path) MUST_CHECK;

/* --- a statement --- */

/* 0, also when it is there already; -EIO: it writes, and this is a reader's. */
int engine_prepare(struct db_conn *c, enum sql which) MUST_CHECK;
/* Parameters count from 1; their type was looked at. Text is borrowed until engine_reset; NULL binds NULL. */
int engine_bind(struct db_conn *c, enum sql which, int at, const struct value *v) MUST_CHECK;
/* 1 a row, 0 no more, or -errno. */
int engine_step(struct db_conn *c, enum sql which) MUST_CHECK;
/* To the end: how many rows it changed, or -errno. ret_id: of the row that it inserted; NULL: it does not say. */
int engine_run(struct db_conn *c, enum sql which, int64_t *ret_id) MUST_CHECK;
/* Forgets the row and what was bound. Also one that was not prepared. */
void engine_reset(struct db_conn *c, enum sql which);
/* Columns of the row, from 0. Text: until the next step; NULL for NULL. */
bool engine_is_null(struct db_conn *c, enum sql which, int at);
int64_t engine_number(struct db_conn *c, enum sql which, int at);
double engine_real(struct db_conn *c, enum sql which, int at);
const char *engine_text(struct db_conn *c, enum sql which, int at);

#endif
