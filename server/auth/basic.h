/*
 * HTTP Basic (RFC 7617) and bcrypt: what is sent, and whether it fits what is kept. Pure; any thread.
 */
#ifndef SERVER_AUTH_BASIC_H
#define SERVER_AUTH_BASIC_H

#include <stdbool.h>
#include "server/core/http_types.h"
#include "server/core/scope.h"

#define PASSWORD_MAX 512 /* bytes, with the NUL; bcrypt looks at the first 72 */
#define BCRYPT_LEN   60

/* Wipe it after use. */
struct credentials {
	char user[HTTP_USER_MAX], password[PASSWORD_MAX];
};

/* From the value of an Authorization header. -EINVAL: not Basic, malformed, too long, or a NUL in it. */
int credentials_parse(const char *header, struct credentials *ret) MUST_CHECK;

/* The cost of a hash ($2a$, $2b$, $2y$); -EINVAL: it is none. */
int bcrypt_cost(const char *hash);
/* Takes 2^cost of time: 50 ms for 10, on purpose. */
bool bcrypt_fits(const char *password, const char *hash);
/* A hash of that cost that no password fits, for users that do not exist. */
void bcrypt_nobody(int cost, char out[BCRYPT_LEN + 1]);

#endif
