/*
 * What authenticate.c (requests, life), queue.c (what waits for the worker) and sign_in.c (forms, sessions, the proxy)
 * know of each other. Everything under the lock, but what is fixed.
 */
#ifndef SERVER_AUTH_PRIVATE_H
#define SERVER_AUTH_PRIVATE_H

#include <pthread.h>
#include <sys/queue.h>
#include "server/auth/authenticate.h"
#include "server/auth/basic.h"
#include "server/auth/memory.h"
#include "server/auth/proxy.h"
#include "server/auth/roles.h"
#include "server/auth/session.h"
#include "server/auth/throttle.h"
#include "server/http/origin.h"

/* In the order of the labels of M_AUTH. */
enum auth_result {
	AUTH_PEER,
	AUTH_CACHED,
	AUTH_VERIFIED,
	AUTH_MISSING,
	AUTH_WRONG,
	AUTH_BUSY,
	AUTH_SESSION,
	AUTH_PROXY
};

/* In the order in which they are done. */
enum auth_lane { LANE_NAME, LANE_AGAIN, LANE_NEW };

/* A request that waits for a check: to be admitted, or, as it has sent the form, to be signed in. */
struct auth_waiter {
	struct http_req *req;
	bool signs_in;
};

struct auth_job {
	TAILQ_ENTRY(auth_job) link;
	enum auth_lane lane;
	int64_t uid; /* LANE_NAME: its name is wanted; else c is to be checked */
	struct credentials c;
	char mac[AUTH_MAC_LEN]; /* of c */
	struct auth_source source;
	struct auth_waiter *waiting;
	size_t n_waiting;
};
TAILQ_HEAD(auth_jobs, auth_job);

struct auth {
	pthread_t worker;
	bool working;
	unsigned char key[32];      /* of the macs; fixed */
	unsigned char form_key[32]; /* of the tokens of forms and the hashes of sessions; fixed */

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	bool stop;
	struct web_config *passwords; /* owned; NULL: none */
	char nobody[BCRYPT_LEN + 1];
	struct auth_people people;
	struct auth_proxy proxy;
	struct http_origin external; /* scheme "": none */
	struct auth_jobs jobs;       /* one may be under way */
	struct auth_source last;     /* where the last password that was checked came from */
	struct auth_seen seen;
	struct auth_memory memory;
	struct auth_failures failures;
	struct sessions sessions;
	int64_t warned_us;
	int64_t n_wrong; /* since then */
};

/* --- authenticate.c --- */

void auth_introduce(const struct auth *a, struct http_req *req, const char *name);
/* The token is bound to the way in which he is known and to who he is by it: another's fits nothing of his. */
void auth_give_token(const struct auth *a, struct http_req *req, const char *way, const char *who);
/* The same for who is known, where a page may have forms for him. */
void auth_give_form_token(const struct auth *a, struct http_req *req, const char *way, const char *who);
/* The web config's; "": there is no such user. */
const char *auth_hash_of(const struct auth *a, const char *user);
/* 1: it is known to be right; 0: it is being checked, and w is answered then; else as auth_ask_password. */
int auth_check(struct auth *a, struct auth_waiter w, const struct credentials *c);
/* 503, for that error. */
void auth_say_busy(struct auth *a, struct auth_waiter w, struct http_reply *reply, int error);

/* --- queue.c --- */

/* Have it checked. The same password that is being checked already is not checked twice. -EPERM: too many failures came
 * from there; -EAGAIN: too much is waiting. */
int auth_ask_password(struct auth *a, struct auth_waiter w, const struct credentials *c, const char *mac);
int auth_ask_name(struct auth *a, struct http_req *req);
/* The first of the first lane, from another address than the last one if there is one. NULL: nothing to do. */
struct auth_job *auth_next_job(const struct auth *a);
void auth_job_end(struct auth *a, struct auth_job *j);

/* --- sign_in.c --- */

/* Whether a session says who it is: he is introduced then. */
bool auth_session(struct auth *a, struct http_req *req);
/* Whether a person's browser asks for a page: he gets the form instead of an error. */
bool auth_offer_form(struct auth *a, struct http_req *req, struct http_reply *reply);
/* The answers to who sent the form. */
void auth_signed_in(struct auth *a, struct http_req *req, struct http_reply *reply, const char *user);
void auth_not_signed_in(struct auth *a, struct http_req *req, struct http_reply *reply, int status, const char *why);
/* Of who is about to send the form. */
void auth_token_of_stranger(const struct auth *a, struct http_req *req);
/* Ends the sessions of those whose password or roles are not what they were before. */
void auth_end_changed(struct auth *a, const struct auth_people *before);

#endif
