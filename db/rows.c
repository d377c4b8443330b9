#include "db/rows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define CHUNK 16

/* Makes room for one more. */
static int grow(struct rows *rows, size_t size)
{
	if (rows->n % CHUNK)
		return 0;
	void *more = reallocarray(rows->item, rows->n + CHUNK, size);
	if (!more)
		return -ENOMEM;
	rows->item = more;
	return 0;
}

int rows_read(struct stmt *st, size_t size, void (*read)(struct stmt *, void *), struct rows *to)
{
	assert(st && read && to && size > 0);
	int r;

	while ((r = stmt_step(st)) == 1) {
		r = grow(to, size);
		if (r < 0)
			return r;
		read(st, (char *)to->item + to->n++ * size);
	}
	return r < 0 ? r : st->error;
}

void rows_number(struct stmt *st, void *to)
{
	*(int64_t *)to = column_i64(st, 0);
}
