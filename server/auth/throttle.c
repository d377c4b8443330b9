#include "server/auth/throttle.h"

#include <string.h>

struct auth_source auth_source(const struct http_peer *peer, const char *hash)
{
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
	return oldest;
}

void auth_count_failure(struct auth_failures *f, const struct auth_source *s, int64_t now_us)
{
	size_t i = row_of(f, s, now_us);
	double n = left(f, i, now_us) - 1;

	f->rows[i].left = n > 0 ? n : 0;
	f->rows[i].at_us = now_us;
}
