/*
 * The search: which incidents hold a text in their rollout, their summary, or the labels of an alert of theirs.
 *
 * What is new is noted while a job runs, and its text is written at the end of the job's transaction: an incident's
 * texts are pieces of the table search_text, under its place and a number. A piece repeats no label that the first ones
 * say, and ends with its words of one or two characters, which are found whole.
 *
 * The FTS5 index of their trigrams is written a moment later, by steps of the writer with bounds of their own: nobody's
 * rollback waits for it, and damage to it stops nothing that is recorded. Until then a piece stands in search_todo, and
 * whoever searches reads those as they are, so that a search knows no less than a list. What a database of an older
 * release holds is filled by the same steps, newest first; an index that is damaged is emptied and filled anew.
 *
 * Writer thread, but for search_find and search_suspect.
 */
#ifndef DB_SEARCH_H
#define DB_SEARCH_H

#include "db/incident.h"

/* What of an incident is to be searched for from now on: all of a new one, its summary once more, or the alert of that
 * id. -ENOMEM. */
enum { SEARCH_NEW = -1, SEARCH_CHANGED = 0 };
int search_note(struct db_tx *tx, int64_t incident_id, int64_t what) MUST_CHECK;
/* Forgets the notes from the n-th on: their job failed. */
void search_forget(struct db_tx *tx, size_t n);
/* Writes what was noted. */
int search_write(struct db_tx *tx) MUST_CHECK;
void search_drop(struct db_tx *tx);
/* One step of filling and indexing; *ret_more: there is more to do. */
int search_step(struct db_tx *tx, bool *ret_more) MUST_CHECK;
/* The index looks damaged: the next step makes it anew. Any thread. */
void search_suspect(void);
bool search_is_suspect(void);

/* Newest first. Places below from are not in the index yet (0: all are); next is the cursor with which a page goes on
 * that ended before it was full (0: it looked at all). */
struct searched {
	int64_t *place; /* owned */
	size_t n;
	int64_t next, from;
};
/* f->q has a character at least. */
int search_find(struct db_conn *c, const struct incident_filter *f, struct searched *ret) MUST_CHECK;

#endif
