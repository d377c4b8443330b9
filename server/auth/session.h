/*
 * Who is signed in: one session for each sign-in of a browser. Pure; the caller's lock.
 *
 * In memory only, so a restart ends all. Of the id that the browser has only a keyed hash is kept. Bounded in age and
 * in number: beyond SESSIONS_OF_ONE of a person the one of his that was unused longest ends, beyond SESSIONS_MAX that
 * of all, so a person who knows his password is never kept out.
 */
#ifndef SERVER_AUTH_SESSION_H
#define SERVER_AUTH_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "server/auth/basic.h"
#include "server/core/http_types.h"
#include "server/core/clock.h"

#define SESSIONS_MAX     512
#define SESSIONS_OF_ONE  16
#define SESSION_AGE_US   (7 * 86400 * US_PER_S) /* a week on call */
#define SESSION_HASH_LEN 65

/* All zero: nobody is signed in. Times are mono, > 0. */
struct sessions {
	struct session {
		char hash[SESSION_HASH_LEN]; /* of its id; "": unused */
		char user[HTTP_USER_MAX];
		char password[BCRYPT_LEN + 1]; /* the hash that the web config had */
		bool secure;                   /* its cookie is sent over HTTPS only */
		int64_t since_us, used_us;
	} item[SESSIONS_MAX];
};

/* Somebody has signed in. Returns what ended for it, from the places of the table: a copy in *ret_ended, or false. */
bool session_begin(struct sessions *s, const struct session *begun, struct session *ret_ended);
/* NULL: there is none, or it was too old. Takes as long whether there is one or not; notes that it was used. */
const struct session *session_find(struct sessions *s, const char *hash, int64_t now_us);
/* False: there was none. */
bool session_end(struct sessions *s, const char *hash);
/* Ends those that keeps does not want. How many ended. */
size_t session_end_unless(struct sessions *s, bool (*keeps)(const void *arg, const struct session *one),
                          const void *arg);
size_t session_count(const struct sessions *s, int64_t now_us);

#endif
