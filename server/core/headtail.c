#include <assert.h>
#include <string.h>
#include "server/core/headtail.h"

static void headtail_wrap(struct headtail *k, const char *data, size_t len)
{
	assert(k->buf.len == k->buf.max);
	size_t ring = k->buf.max - k->head, first;

	k->lost += len;
	if (ring == 0)
		return;
	if (len > ring) { /* only its end survives, wherever the round stands */
		data += len - ring;
		len = ring;
	}
	first = len < ring - k->next ? len : ring - k->next;
	memcpy(k->buf.data + k->head + k->next, data, first);
	memcpy(k->buf.data + k->head, data + first, len - first);
	k->next = (k->next + len) % ring;
}

void headtail_add(struct headtail *k, const void *data, size_t len)
{
	assert(k && k->head <= k->buf.max && (data || len == 0));
	size_t room = k->buf.max - k->buf.len;
	size_t wrapped = len > room ? len - room : 0;

	if (wrapped < len && buf_add(&k->buf, data, len - wrapped) < 0)
		k->lost += len; /* out of memory: what came first is kept */
	else if (wrapped > 0)
		headtail_wrap(k, (const char *)data + (len - wrapped), wrapped);
}

static void reverse(char *s, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		char c = s[i];

		s[i] = s[len - 1 - i];
		s[len - 1 - i] = c;
	}
}

/* Three reversals turn the ring so that its oldest byte comes first. */
void headtail_straighten(struct headtail *k)
{
	assert(k && k->head <= k->buf.max && k->next <= k->buf.max - k->head);
	size_t len = k->buf.max - k->head;
	char *ring;

	if (k->next == 0) /* then data may be NULL */
		return;
	ring = k->buf.data + k->head;
	reverse(ring, k->next);
	reverse(ring + k->next, len - k->next);
	reverse(ring, len);
	k->next = 0;
}

size_t headtail_gap(const struct headtail *k)
{
	assert(k);
	return k->lost > 0 && k->buf.len == k->buf.max ? k->head : k->buf.len;
}

void headtail_free(struct headtail *k)
{
	assert(k);
	buf_free(&k->buf);
}
