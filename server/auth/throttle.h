/*
 * How often a password was wrong, by where it came from; and which passwords came before. Pure; the caller's lock.
 *
 * Who guesses and who knows may sit at the same address and use the same name (a proxy, NAT). What tells them
 * apart before a check: who knows sends the same again, who guesses has no reason to.
 */
#ifndef SERVER_AUTH_THROTTLE_H
#define SERVER_AUTH_THROTTLE_H

#include <stdbool.h>
#include "server/core/http_types.h"

#define AUTH_SOURCES_MAX    256
#define AUTH_FAILURES_BURST 10 /* wrong passwords of a source without a pause; then one every … */
#define AUTH_FAILURE_US     2000000
#define AUTH_AGAIN_US       250000 /* what came before is checked so often in spite of the failures of its source */
#define AUTH_SEEN_MAX       16384  /* a power of two; 400 guesses a second leave a password known for half a minute */

/* Where failures are counted: an address, and a share of all names. Not the name itself: a thousand invented
 * ones must not count as a thousand sources; nor whether it exists, which must not show. */
struct auth_source {
	unsigned char ip[16]; /* IPv6: the first 64 bits */
	int64_t uid;          /* of the unix socket's peer; -1: TCP */
	char share;           /* a hexadecimal digit: one of sixteen */
};

struct auth_failures {
	struct {
		struct auth_source source;
		double left;
		int64_t at_us;    /* mono; 0: unused */
		int64_t again_us; /* mono; when auth_may_try_again last said yes */
	} rows[AUTH_SOURCES_MAX];
};

/* hash: a keyed one of the name, in hexadecimal. */
struct auth_source auth_source(const struct http_peer *peer, const char *hash);
bool auth_same_address(const struct auth_source *x, const struct auth_source *y);
bool auth_same_source(const struct auth_source *x, const struct auth_source *y);

/* now_us: mono, > 0. */
bool auth_failed_too_often(const struct auth_failures *f, const struct auth_source *s, int64_t now_us);
/* Forgets the source that failed longest ago when there are too many. */
void auth_count_failure(struct auth_failures *f, const struct auth_source *s, int64_t now_us);
/* What came before may be checked although its source failed too often: once every AUTH_AGAIN_US, so that sending every
 * guess twice is of little use. True counts. */
bool auth_may_try_again(struct auth_failures *f, const struct auth_source *s, int64_t now_us);

/* What was refused unchecked, by a keyed hash of name and password in hexadecimal. All zero: nothing. */
struct auth_seen {
	uint32_t tags[AUTH_SEEN_MAX];
};
void auth_note(struct auth_seen *seen, const char *hash);
bool auth_came_before(const struct auth_seen *seen, const char *hash);

#endif
