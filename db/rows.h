/*
 * Rows of a statement as an array (internal to db/).
 */
#ifndef DB_ROWS_H
#define DB_ROWS_H

#include "db/stmt.h"

struct rows {
	void *item; /* the caller's to free, also after a failure */
	size_t n;
};

/* Appends the rows of st, each of size bytes and read by its reader. 0 or -errno. */
int rows_read(struct stmt *st, size_t size, void (*read)(struct stmt *, void *), struct rows *to) MUST_CHECK;
/* A row that is one number. */
void rows_number(struct stmt *st, void *to);

#endif
