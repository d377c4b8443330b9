#include "server/core/sampling.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t rotl(uint32_t x, int by)
{
	return x << by | x >> (32 - by);
}

static uint32_t mix(uint32_t k)
{
	return rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* Blocks of four bytes, least significant first, also on machines that store them the other way round. */
static uint32_t block(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t murmur3_32(const void *data, size_t len, uint32_t seed)
{
	assert(data || len == 0);
	const unsigned char *p = data;
	size_t whole = len / 4 * 4;
	uint32_t h = seed, tail = 0;

	for (size_t i = 0; i < whole; i += 4)
		h = rotl(h ^ mix(block(p + i)), 13) * 5 + 0xe6546b64u;
	for (size_t i = len; i > whole; i--)
		tail = tail << 8 | p[i - 1];
	h ^= mix(tail); /* 0 mixes to 0 */
	h ^= (uint32_t)len;
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

uint32_t sampling_bucket(const char *salt, const char *key)
{
	assert(salt && key);
	char *text = NULL;
	int len = asprintf(&text, "%s:%s", salt, key);

	if (len < 0)
		abort(); /* out of memory; another answer would move the key to the other side */
	uint32_t hash = murmur3_32(text, (size_t)len, 0);
	free(text);
	return (uint32_t)((uint64_t)hash * SAMPLING_BUCKETS >> 32);
}

bool sampling_on(uint32_t bucket, int32_t pct)
{
	assert(bucket < SAMPLING_BUCKETS);
	return pct > 0 && bucket < (uint32_t)pct;
}
