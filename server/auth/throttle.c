#include "server/auth/throttle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct auth_source auth_source(const struct http_peer *peer, const char *hash)
{
	assert(peer && hash);
	static const unsigned char none[12];
	struct auth_source s = {.uid = peer->uid, .share = hash[0]};

	/* IPv4 stands in the first four bytes. */
	memcpy(s.ip, peer->ip, memcmp(peer->ip + 4, none, sizeof(none)) != 0 ? 8 : 4);
	return s;
}

bool auth_same_address(const struct auth_source *x, const struct auth_source *y)
{
	return x->uid == y->uid && !memcmp(x->ip, y->ip, sizeof(x->ip));
}

bool auth_same_source(const struct auth_source *x, const struct auth_source *y)
{
	return x->share == y->share && auth_same_address(x, y);
}

static double left(const struct auth_failures *f, size_t i, int64_t now_us)
{
	double n = f->rows[i].left + (double)(now_us - f->rows[i].at_us) / AUTH_FAILURE_US;

	return n < AUTH_FAILURES_BURST ? n : AUTH_FAILURES_BURST;
}

bool auth_failed_too_often(const struct auth_failures *f, const struct auth_source *s, int64_t now_us)
{
	assert(now_us > 0);
	for (size_t i = 0; i < AUTH_SOURCES_MAX; i++)
		if (f->rows[i].at_us && auth_same_source(&f->rows[i].source, s))
			return left(f, i, now_us) < 1;
	return false;
}

/* The row of the source; else an unused one, or the one that failed longest ago, made its own. */
static size_t row_of(struct auth_failures *f, const struct auth_source *s, int64_t now_us)
{
	size_t oldest = 0;

	for (size_t i = 0; i < AUTH_SOURCES_MAX; i++) {
		if (f->rows[i].at_us && auth_same_source(&f->rows[i].source, s))
			return i;
		if (f->rows[i].at_us < f->rows[oldest].at_us)
			oldest = i;
	}
	f->rows[oldest].source = *s;
	f->rows[oldest].left = AUTH_FAILURES_BURST;
	f->rows[oldest].at_us = now_us;
	f->rows[oldest].again_us = 0;
	return oldest;
}

void auth_count_failure(struct auth_failures *f, const struct auth_source *s, int64_t now_us)
{
	assert(now_us > 0);
	size_t i = row_of(f, s, now_us);
	double n = left(f, i, now_us) - 1;

	f->rows[i].left = n > 0 ? n : 0;
	f->rows[i].at_us = now_us;
}

bool auth_may_try_again(struct auth_failures *f, const struct auth_source *s, int64_t now_us)
{
	assert(now_us > 0);
	size_t i = row_of(f, s, now_us);

	if (f->rows[i].again_us && now_us - f->rows[i].again_us < AUTH_AGAIN_US)
		return false;
	f->rows[i].again_us = now_us;
	return true;
}

/* --- what came before --- */

/* The first 32 bits say where, the next 32 what; never 0, which is unused. */
static uint32_t tag_of(const char *hash, size_t *ret_at)
{
	char digits[17];

	assert(strlen(hash) >= 16);
	memcpy(digits, hash, 16);
	digits[16] = '\0';
	uint64_t bits = strtoull(digits, NULL, 16);
	*ret_at = (bits >> 32) & (AUTH_SEEN_MAX - 1);
	return (uint32_t)bits | 1;
}

void auth_note(struct auth_seen *seen, const char *hash)
{
	size_t at;
	uint32_t tag = tag_of(hash, &at);

	seen->tags[at] = tag;
}

bool auth_came_before(const struct auth_seen *seen, const char *hash)
{
	size_t at;
	uint32_t tag = tag_of(hash, &at);

	return seen->tags[at] == tag;
}
