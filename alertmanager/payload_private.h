/*
 * What payload.c (a body) and payload_alert.c (one alert of it) share. Pure.
 */
#ifndef ALERTMANAGER_PAYLOAD_PRIVATE_H
#define ALERTMANAGER_PAYLOAD_PRIVATE_H

#include "alertmanager/payload.h"
#include "server/core/json_reader.h"

/* A string or another value, and whether its characters all stand for themselves. */
struct payload_piece {
	struct json_raw raw; /* text NULL: absent, or null */
	bool as_is;
};

/* Of an object that is read: of all objects of one alert. */
struct member {
	struct payload_piece name, value;
};
struct members {
	struct member *item; /* owned */
	size_t n, cap;
};

/* The value that begins with that token, whole; -EBADMSG: the body is no JSON, and json says why. */
int piece_take(struct json_reader *json, enum json_token began, struct payload_piece *ret) MUST_CHECK;
/* The key that was just read. */
struct payload_piece piece_key(const struct json_reader *json);
/* Whether a string is this text of len bytes. */
bool piece_is_called(const struct payload_piece *name, const char *wanted, size_t len);

/* The alert that begins with that token. a is all zero, and lives in memory. 0; -EBADMSG, as above; -ENOMEM. members
 * are room for it, the caller's to free. */
int alert_read(struct json_reader *json, enum json_token began, struct members *members, struct arena *memory,
               struct alert *a) MUST_CHECK;

#endif
