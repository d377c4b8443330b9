#include "alertmanager/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define FIRST (4 * 1024) /* a group of one alert needs no more */
#define PIECE (64 * 1024)

struct arena_piece {
	struct arena_piece *next;
	size_t used, size;
	alignas(max_align_t) char data[];
};

static struct arena_piece *piece_for(struct arena *a, size_t size)
{
	struct arena_piece *p = a->pieces;

	if (p && p->size - p->used >= size)
		return p;
	size_t usual = p ? PIECE : FIRST, room = size > usual / 4 ? size : usual;
	p = malloc(sizeof(*p) + room);
	if (!p)
		return NULL;
	*p = (struct arena_piece) {.size = room};
	if (a->pieces && room != usual) { /* a large one must not end the filling of the first */
		p->next = a->pieces->next;
		a->pieces->next = p;
	} else {
		p->next = a->pieces;
		a->pieces = p;
	}
	return p;
}

/* From a multiple of align on, which data is of all that there are. */
static char *give(struct arena *a, size_t size, size_t align)
{
	assert(a && size > 0 && a->used <= a->max);
	size_t gap = a->pieces ? -a->pieces->used & (align - 1) : 0;

	a->full |= size + gap < size || size + gap > a->max - a->used;
	if (a->full)
		return NULL;
	struct arena_piece *p = piece_for(a, size + gap);
	if (!p)
		return NULL;
	gap = -p->used & (align - 1);
	char *given = p->data + p->used + gap;
	p->used += gap + size;
	a->used += gap + size;
	return given;
}

void *arena_take(struct arena *a, size_t size)
{
	void *given = give(a, size, alignof(max_align_t));

	return given ? memset(given, 0, size) : NULL;
}

char *arena_text(struct arena *a, const char *text, size_t len)
{
	assert(text && len < SIZE_MAX);
	char *given = give(a, len + 1, 1);

	if (given) {
		memcpy(given, text, len);
		given[len] = '\0';
	}
	return given;
}

char *arena_string(struct arena *a, struct json_raw string)
{
	assert(json_raw_is_string(string));
	size_t len = json_raw_size(string);
	char *text = give(a, len + 1, 1);

	if (text)
		(void)json_raw_decode(string, text, len);
	return text;
}

void arena_join(struct arena *a, struct arena *from)
{
	assert(a && from && from->used <= a->max - a->used);
	struct arena_piece **end = a->pieces ? &a->pieces->next : &a->pieces; /* a goes on filling its first */

	struct arena_piece *rest = *end;
	*end = from->pieces;
	while (*end)
		end = &(*end)->next;
	*end = rest;
	a->used += from->used;
	from->pieces = NULL;
	from->used = 0;
}

void arena_free(struct arena *a)
{
	assert(a);
	while (a->pieces) {
		struct arena_piece *p = a->pieces;

		a->pieces = p->next;
		free(p);
	}
	a->used = 0;
}
