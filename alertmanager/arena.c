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

void *arena_take(struct arena *a, size_t size)
{
	assert(a && size > 0);
	size_t whole = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

	assert(a->used <= a->max);
	a->full |= whole < size || whole > a->max - a->used;
	if (a->full)
		return NULL;
	struct arena_piece *p = piece_for(a, whole);
	if (!p)
		return NULL;
	void *given = memset(p->data + p->used, 0, whole);
	p->used += whole;
	a->used += whole;
	return given;
}

char *arena_string(struct arena *a, struct json_raw string)
{
	assert(json_raw_is_string(string));
	assert(a);
	size_t len = json_raw_size(string);
	char *text = arena_take(a, len + 1);

	if (text)
		(void)json_raw_decode(string, text, len);
	return text;
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
