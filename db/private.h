/*
 * What the files of db/ share.
 */
#ifndef DB_PRIVATE_H
#define DB_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include "db/db.h"
#include "db/sql.h"

struct sqlite3;
struct sqlite3_stmt;

struct db_conn {
	struct sqlite3 *sql;
	struct sqlite3_stmt *stmt[SQL_N];
};

struct db_tx {
	struct db_conn *conn;
	int64_t now;
};

struct db {
	char *dir, *file;
	int lock;                       /* flock on DIR/lock, held for life */
	struct db_conn *writer;         /* the writer thread's, once it runs */
	pthread_t thread;
	bool started;

	pthread_mutex_t mutex;          /* guards the queues and stopping */
	pthread_cond_t more;
	struct db_job *head[2], **tail[2];
	size_t queued;
	bool stopping;

	atomic_bool failed;             /* the last commit failed and nothing worked since */
	atomic_bool no_room;
	atomic_llong last_turn;
};

/* A connection with its settings and statements. For the writer read_only is false. */
int db_conn_open(struct db *db, bool read_only, struct db_conn **ret, char *why, size_t why_size);
void db_conn_close(struct db_conn *c);
/* Brings the schema up to date. -EPROTO: it is newer than this program. */
int db_migrate(struct sqlite3 *sql, char *why, size_t why_size);
/* writer.c */
void db_writer_join(struct db *db);

#endif
