/*
 * What the files of db/ share.
 */
#ifndef DB_PRIVATE_H
#define DB_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include "db/db.h"
#include "db/sql.h"
#include "db/state_dir.h"
#include "server/core/clock.h"

struct sqlite3;
struct sqlite3_stmt;

struct db_conn {
	struct sqlite3 *sql;
	bool read_only;
	struct sqlite3_stmt *stmt[SQL_N]; /* of a reader: those it has used */
	bool owned; /* by a thread that has a name: the first one that used it, and from then on nobody else */
	pthread_t owner;
	/* Of a reading thread's (readers.c): what runs at that time is ended. 0: no bound */
	int64_t until_us;
	const atomic_bool *stop; /* … or when this is set; NULL: never */
	bool ended;              /* something was, or was not begun, because of the two */
};

struct search_note {
	int64_t incident, what; /* the id of an alert, or as search.h has it */
};

struct db_tx {
	const struct db *db;
	struct db_conn *conn;
	int64_t now;               /* wall */
	int64_t offset;            /* of the wall against the time since the boot, then */
	bool events;               /* event_add was called */
	struct search_note *notes; /* this and the next: search.c */
	size_t n_notes, notes_max;
	/* Of the incident that was added last: which place was asked for, and the first free one that it got (0: none).
	 */
	int64_t place_asked, place;
};

struct db {
	struct state_dir dir;
	char *file;
	char uuid[DB_UUID_SIZE];             /* this and the next: set when it is opened */
	int64_t before_uuid[DB_MESSAGE + 1]; /* highest row of each kind that was there before the uuid */
	struct db_conn *writer;              /* the writer thread's, once it runs */
	pthread_t thread;
	bool started;
	struct db_readers *readers; /* NULL: not started */

	pthread_mutex_t mutex; /* guards the queues, stopping and listeners */
	pthread_cond_t more;
	struct db_job *head[2], **tail[2];
	size_t queued;
	bool stopping;
	struct db_listener {
		void (*fn)(void *arg); /* NULL: nobody wants to know */
		void *arg;
	} on_events, on_clock;

	int64_t search_at; /* the next step of the search (search.h): the writer's; mono */
	dev_t device;      /* of the database file, and its inode, when it was opened */
	ino_t inode;
	struct { /* the writer's (deadlines.c) */
		char boot[CLOCK_BOOT_ID_SIZE];
		_Atomic int64_t offset_us; /* that all deadlines on disk go by; others read it (db_now) */
		int64_t seen_us;           /* wall time of the last note of it */
		bool gap;                  /* when it was opened, nobody had written for long */
	} clock;
	atomic_bool failed; /* a commit failed and none worked since: the writer connection is not believed */
	atomic_bool gone;   /* the name no longer leads to the file that is open */
	atomic_llong last_turn;
};

/* What the lists and the search of incidents share (incident.c): ?1 to ?10 of their statements. */
enum { FILTER_BEFORE = 2, FILTER_LIMIT = 6, FILTER_VALUES = 10 };
struct value;
struct incident_filter;
void incident_filter_values(const struct incident_filter *f, struct value *ret);
bool incident_filter_is_open(const struct incident_filter *f);

struct db_readers;
/* After they have stopped. NULL is fine. */
void db_readers_free(struct db_readers *r);
/* Whether the time of what runs on it is over, which it then remembers; no time, never. Its thread. */
bool db_conn_over(struct db_conn *c);

/* Looks at the disk: the file and the room. Writer thread, or before it runs. */
void db_disk_check(struct db *db);
/* A small commit of its own ("tried"), which proves that writing works. */
int db_test_commit(struct db *db);

#endif
