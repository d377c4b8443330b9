/*
 * An authenticator, and requests that it is asked about.
 */
#ifndef TESTS_UNIT_AUTH_FIXTURE_H
#define TESTS_UNIT_AUTH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/auth/authenticate.h"
#include "server/auth/basic.h"
#include "server/auth/throttle.h"
#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/web/form.h"

/* Published vectors: crypt_blowfish, wrapper.c. */
#define UU_HASH  "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" /* U*U */
#define UUS_HASH "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK" /* U*U* */
/* Well-formed; nobody knows what fits. */
#define SLOW_HASH  "$2y$12$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define STUCK_HASH "$2y$14$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* alice:U*U, alice:U*U*, alice:wrong, bob:U*U, nobody:U*U in base64 (RFC 4648). */
#define ALICE     "Basic YWxpY2U6VSpV"
#define ALICE2    "Basic YWxpY2U6VSpVKg=="
#define ALICE_BAD "Basic YWxpY2U6d3Jvbmc="
#define BOB       "Basic Ym9iOlUqVQ=="
#define NOBODY    "Basic bm9ib2R5OlUqVQ=="

/* --- requests --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;

struct asked {
	struct http_req req;
	const char *authorization, *cookie, *accept, *host;
	struct form form;
	enum http_access auth_request;
	struct http_reply reply; /* of the refusal, or of the completion */
	int completed;
};

static inline const char *header(const struct http_req *req, const char *name)
{
	const struct asked *k = (const struct asked *)req;

	const struct {
		const char *name, *value;
	} all[] = {
		{"Authorization", k->authorization}, {"Cookie", k->cookie}, {"Accept", k->accept}, {"Host", k->host}};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!strcasecmp(name, all[i].name))
			return all[i].value;
	return NULL;
}

static inline void complete(struct http_req *req, struct http_reply *reply)
{
	struct asked *k = (struct asked *)req;

	pthread_mutex_lock(&lock);
	k->reply = *reply;
	reply->body = BUF(0);
	k->completed++;
	pthread_cond_broadcast(&answered);
	pthread_mutex_unlock(&lock);
}

static inline void ask(struct auth *a, struct asked *k, const char *authorization, struct http_peer peer)
{
	*k = (struct asked) {.authorization = authorization,
	                     .req = {.path = "/",
	                             .user = "local",
	                             .roles = ROLE_ALL,
	                             .peer = peer,
	                             .header = header,
	                             .complete = complete}};
	k->auth_request = auth_admit(a, &k->req, &k->reply);
}

/* The status in the end; 200: admitted. */
static inline int status_of(struct asked *k)
{
	struct timespec until;

	if (k->auth_request == HTTP_ADMITTED)
		return 200;
	if (k->auth_request == HTTP_REFUSED)
		return k->reply.status;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	pthread_mutex_lock(&lock);
	while (!k->completed)
		assert_int_equal(pthread_cond_timedwait(&answered, &lock, &until), 0);
	pthread_mutex_unlock(&lock);
	assert_int_equal(k->completed, 1);
	return k->reply.status;
}

static const struct http_peer tcp = {.uid = -1, .ip = {127, 0, 0, 1}};

static inline int status(struct auth *a, const char *authorization)
{
	struct asked k;

	ask(a, &k, authorization, tcp);
	int s = status_of(&k);
	buf_free(&k.reply.body);
	return s;
}

/* --- the thing itself --- */

static inline struct web_config *passwords(const char *name, const char *hash)
{
	struct web_config *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->users = calloc(1, sizeof(*w->users));
	assert_non_null(w->users);
	snprintf(w->users[0].name, sizeof(w->users[0].name), "%s", name);
	snprintf(w->users[0].hash, sizeof(w->users[0].hash), "%s", hash);
	w->n = 1;
	return w;
}

static inline void set(struct auth *a, struct web_config *w)
{
	const char *alice[] = {"operator", "engineering-lead", NULL}, *am[] = {"webhook", NULL};
	struct user_options users[] = {{"alice", alice}, {"am", am}};
	struct settings s = {.users = users, .n_users = ARRAY_LEN(users)};

	assert_int_equal(auth_set(a, w, &s), 0);
}

static inline struct auth *started(struct web_config *w)
{
	struct auth *a = NULL;

	assert_int_equal(auth_new(&a), 0);
	set(a, w);
	return a;
}

#endif
