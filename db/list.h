/*
 * Growing a list of rows (internal to db/).
 */
#ifndef DB_LIST_H
#define DB_LIST_H

#include <errno.h>
#include <stdlib.h>

#define LIST_CHUNK 16

/* Makes room for the element n: items is a pointer to the array pointer. Asked before each element, from n = 0 on, it grows by
 * a chunk whenever the last one is full. -ENOMEM: the array is as before. */
static inline int list_grow(void *items, size_t n, size_t size)
{
	void **slot = items;

	if (n % LIST_CHUNK)
		return 0;
	void *more = reallocarray(*slot, n + LIST_CHUNK, size);
	if (!more)
		return -ENOMEM;
	*slot = more;
	return 0;
}

#endif
