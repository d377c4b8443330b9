/*
 * Cookies, and where a sign-in may lead. Pure; any thread.
 */
#ifndef SERVER_AUTH_COOKIE_H
#define SERVER_AUTH_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include "server/core/scope.h"

#define COOKIE_ID_LEN 65 /* 32 bytes in hexadecimal, with the NUL */

/* An id of ours from the value of a Cookie header. 1; 0: there is none of that name; -EINVAL: there are several, or it
 * is no id. */
int cookie_id(const char *header, const char *name, char ret[COOKIE_ID_LEN]) MUST_CHECK;
/* A path of ours, as it would stand in a request: nothing else can be meant by it, in any browser. */
bool cookie_may_lead(const char *next);

#endif
