/*
 * Scope-bound cleanup and explicit hand-over.
 *
 * A variable declared with CLEANUP(fn) is released when its scope ends, on every path;
 * TAKE gives its value away. Release functions accept NULL and half-built objects.
 */
#ifndef SERVER_CORE_SCOPE_H
#define SERVER_CORE_SCOPE_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn)            __attribute__((cleanup(fn)))
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define TAKE(p)                                                                                                        \
	({                                                                                                             \
		__typeof__(p) *slot_ = &(p);                                                                           \
		__typeof__(p) value_ = *slot_;                                                                         \
		*slot_ = NULL;                                                                                         \
		value_;                                                                                                \
	})
/* Ends a list of text arguments; a pointer on every platform, which a bare NULL need not be. */
#define NO_MORE      ((const char *)NULL)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* For CLEANUP on a pointer from malloc. */
static inline void cleanup_free(void *pp)
{
	free(*(void **)pp);
}

/* For CLEANUP on a file descriptor; negative means none. */
static inline void cleanup_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Gives a file descriptor away from a CLEANUP(cleanup_fd) variable. */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#endif
