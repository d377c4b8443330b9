/*
 * The audit trail and the timelines: who did what when. Append only.
 *
 * Ids are given by the one writer, inside its transactions, and never again (AUTOINCREMENT): an event that becomes
 * visible has a greater id than all that were visible before, so who has seen one id has seen every smaller one.
 */
#ifndef DB_EVENT_H
#define DB_EVENT_H

#include "db/db.h"

struct event {
	int64_t id, at_us;   /* at 0 in event_add: now */
	int64_t incident_id; /* 0: none */
	char *rollout;       /* owned in lists, borrowed in event_add; NULL or "" : none */
	char *who, *what, *note;
};
DB_LIST(event_list, struct event);
struct event_filter {
	int64_t incident_id; /* 0: any */
	const char *rollout; /* NULL: any */
	const char *what;    /* NULL: any; else only what is about the rollout's plan and no incident, newest first */
	int64_t after_id, before_id; /* 0: none. With before_id or neither: newest first; with after_id: oldest first */
	bool oldest_first;
	size_t limit;
};
int event_add(struct db_tx *tx, const struct event *e);
int event_find(struct db_conn *c, const struct event_filter *f, struct event_list *ret);
/* The id of the newest event; 0: there is none. */
int event_newest(struct db_conn *c, int64_t *ret);

/* Named values that outlive the process (heartbeat time, last page of a kind). -ENOENT when never set. */
int meta_set(struct db_tx *tx, const char *key, int64_t value);
int meta_get(struct db_conn *c, const char *key, int64_t *ret);
/* The same of a text, which is no number's; *ret is the caller's to free. */
int meta_set_text(struct db_tx *tx, const char *key, const char *text);
int meta_get_text(struct db_conn *c, const char *key, char **ret);

#endif
