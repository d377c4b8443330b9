/*
 * Rows of a statement as an array (internal to db/).
 */
#ifndef DB_ROWS_H
#define DB_ROWS_H

#include "db/query.h"
#include "db/stmt.h"

/* Appends the rows of st (to->max 0), each of size bytes and read by its reader. 0 or -errno. */
int rows_read(struct stmt *st, size_t size, void (*read)(struct stmt *, void *), struct rows *to) MUST_CHECK;
/* A row that is one number. */
void rows_number(struct stmt *st, void *to);

#endif
