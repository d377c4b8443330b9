/*
 * How often a password was wrong, by where it came from. Pure; the caller's lock.
 */
#ifndef SERVER_AUTH_THROTTLE_H
#define SERVER_AUTH_THROTTLE_H

#include <stdbool.h>
#include "server/core/http_types.h"

#define AUTH_SOURCES_MAX    256
#define AUTH_FAILURES_BURST 10 /* wrong passwords of a source without a pause; then one every … */
#define AUTH_FAILURE_US     2000000

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
		int64_t at_us; /* mono; 0: unused */
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

#endif
