/*
 * What was found out of who asks, so that nobody who is known waits for it again. Pure; the caller's lock.
 */
#ifndef SERVER_AUTH_MEMORY_H
#define SERVER_AUTH_MEMORY_H

#include <stdbool.h>
#include "server/auth/web_config.h"

#define AUTH_MAC_LEN      65 /* a keyed hash in hexadecimal, with its NUL */
#define AUTH_VERDICTS_MAX WEB_USERS_MAX
#define AUTH_NAMES_MAX    64
#define AUTH_NAME_US      60000000 /* how long the name of a uid is believed */

/* All zero: nothing is remembered. Times are mono, > 0. */
struct auth_memory {
	struct auth_verdict {
		char mac[AUTH_MAC_LEN]; /* of a user and a password that fit; "": unused */
		struct web_user fits;
		int64_t used_us;
	} verdicts[AUTH_VERDICTS_MAX];
	struct auth_name {
		int64_t uid, at_us; /* 0: unused */
		char name[HTTP_USER_MAX];
	} names[AUTH_NAMES_MAX];
};

bool auth_is_remembered(struct auth_memory *m, const char *mac, int64_t now_us);
/* Forgets what was used longest ago when there are too many. */
void auth_remember(struct auth_memory *m, const char *mac, const char *user, const char *hash, int64_t now_us);
/* Forgets whom these passwords (NULL: none) give another hash, or none; and the names of uids. */
void auth_forget_changed(struct auth_memory *m, const struct web_config *passwords);

/* NULL: not known, or for too long. */
const char *auth_name_of(const struct auth_memory *m, int64_t uid, int64_t now_us);
void auth_keep_name(struct auth_memory *m, int64_t uid, const char *name, int64_t now_us);

#endif
