/*
 * Memory for many small texts that live and die together, with a maximum.
 *
 * One owner, one thread at a time. What is given is gone with arena_free; what arena_take gives is aligned for any type
 * and zeroed.
 */
#ifndef ALERTMANAGER_ARENA_H
#define ALERTMANAGER_ARENA_H

#include <stddef.h>
#include "server/core/json_raw.h"

struct arena {
	struct arena_piece *pieces; /* owned */
	size_t used, max;           /* bytes given, and the most that ever will be */
	bool full;                  /* something did not fit below max */
};

/* NULL: out of memory, or beyond max. */
void *arena_take(struct arena *a, size_t size);
/* A copy, with a NUL behind it. */
char *arena_text(struct arena *a, const char *text, size_t len);
/* The text of a string, as json_raw_decode gives it. */
char *arena_string(struct arena *a, struct json_raw string);
/* What was given of from belongs to a, which has room for it below its max; from is empty then. */
void arena_join(struct arena *a, struct arena *from);
void arena_free(struct arena *a);

#endif
