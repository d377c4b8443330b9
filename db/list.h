/*
 * Growing a list of rows (internal to db/).
 */
#ifndef DB_LIST_H
#define DB_LIST_H

#include <errno.h>
#include <stdlib.h>

/* Makes room for one more: items is a pointer to the array pointer. -ENOMEM. The array doubles when n reaches a power of two. */
static inline int list_grow(void *items, size_t n, size_t size)
{
	void **slot = items;

	if (n & (n - 1) || (n == 0 && *slot))
		return 0;
	void *more = reallocarray(*slot, n ? n * 2 : 1, size);
	if (!more)
		return -ENOMEM;
	*slot = more;
	return 0;
}

#endif
