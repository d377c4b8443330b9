#include "server/auth/authenticate.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "server/auth/basic.h"
#include "server/auth/memory.h"
#include "server/auth/throttle.h"
#include "server/auth/roles.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define JOBS_MAX         64 /* checks waiting; at cost 10 some three seconds of work */
#define JOBS_PER_ADDRESS 16
#define JOBS_PER_SOURCE  4
#define WAITERS_MAX      256 /* requests that wait for the same check */
#define WARN_US          (10 * US_PER_S)
#define RETRY_AFTER_S    5
#define NAME_ROOM        16384

enum { AUTH_PEER, AUTH_CACHED, AUTH_VERIFIED, AUTH_MISSING, AUTH_WRONG, AUTH_BUSY };

/* In the order in which they are done. Each has JOBS_MAX places of its own. */
enum lane { LANE_NAME, LANE_AGAIN, LANE_NEW };

struct job {
	TAILQ_ENTRY(job) link;
	enum lane lane;
	int64_t uid; /* LANE_NAME: its name is wanted; else c is to be checked */
	struct credentials c;
	char mac[AUTH_MAC_LEN]; /* of c */
	struct auth_source source;
	struct http_req **waiting;
	size_t n_waiting;
};
TAILQ_HEAD(jobs, job);

struct auth {
	pthread_t worker;
	bool working;
	unsigned char key[32];      /* of the macs; fixed */
	unsigned char form_key[32]; /* of the tokens of forms; fixed */

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	bool stop;
	struct web_config *passwords; /* owned; NULL: none */
	char nobody[BCRYPT_LEN + 1];
	struct auth_people people;
	struct jobs jobs;        /* one may be under way */
	struct auth_source last; /* where the last password that was checked came from */
	struct auth_seen seen;
	struct auth_memory memory;
	struct auth_failures failures;
	int64_t warned_us;
	int64_t n_wrong; /* since then */
};

/* --- replies --- */

/* The token is bound to the way in which he is known and to who he is by it: another's fits nothing of his. */
static void give_token(const struct auth *a, struct http_req *req, const char *way, const char *who)
{
	char text[HTTP_USER_MAX + 100];
	int n = snprintf(text, sizeof(text), "%s:%s", way, who);

	assert(n > 0 && (size_t)n < sizeof(text));
	if (text_hmac_sha256(a->form_key, sizeof(a->form_key), text, (size_t)n, req->form_token) < 0)
		req->form_token[0] = '\0';
}

static void introduce(const struct auth *a, struct http_req *req, const char *name)
{
	assert(name[0]);
	snprintf(req->user, sizeof(req->user), "%s", name);
	req->authenticated = true;
	req->roles = a->passwords ? auth_roles(&a->people, name) : ROLE_ALL;
	give_token(a, req, "user", name);
}

/* The peer of a unix socket. Root may look at least: he can read the record as it is. */
static void introduce_peer(const struct auth *a, struct http_req *req, const char *name)
{
	assert(req->peer.uid >= 0);
	introduce(a, req, name);
	if (req->peer.uid == 0)
		req->roles |= ROLE_VIEWER;
}

static void unauthorized(struct http_reply *reply, const char *why)
{
	reply->challenge = "Basic realm=\"rollbackd\", charset=\"UTF-8\"";
	http_error(reply, 401, "unauthorized", "%s", why);
}

static void busy(struct http_reply *reply, const char *why)
{
	metric_add(M_AUTH, AUTH_BUSY, 1);
	reply->retry_after_s = RETRY_AFTER_S;
	http_error(reply, 503, "unavailable", "%s", why);
}

/* --- wrong passwords --- */

static struct auth_source source_of(const struct auth *a, const struct http_req *req, const char *name)
{
	char hash[AUTH_MAC_LEN] = "";

	text_hmac_sha256(a->key, sizeof(a->key), name, strlen(name), hash);
	return auth_source(&req->peer, hash);
}

/* A line at most every ten seconds. */
static void tell_failure(struct auth *a, const char *user, int64_t now_us)
{
	a->n_wrong++;
	if (a->warned_us && now_us - a->warned_us < WARN_US)
		return;
	log_warn("a wrong password", "user", user, "in_all", log_num(a->n_wrong));
	a->warned_us = now_us;
	a->n_wrong = 0;
}

/* --- what is remembered --- */

static bool mac_of(const struct auth *a, const struct credentials *c, char mac[AUTH_MAC_LEN])
{
	char text[sizeof(c->user) + sizeof(c->password)];
	size_t user = strlen(c->user) + 1, password = strlen(c->password);

	memcpy(text, c->user, user);
	memcpy(text + user, c->password, password);
	int r = text_hmac_sha256(a->key, sizeof(a->key), text, user + password, mac);
	explicit_bzero(text, sizeof(text));
	return r == 0;
}

/* "": there is no such user. */
static const char *hash_of(const struct auth *a, const char *user)
{
	const char *hash = a->passwords ? web_config_hash(a->passwords, user) : NULL;

	return hash ? hash : "";
}

/* --- the queue; under the lock --- */

static void job_free(struct job *j)
{
	explicit_bzero(&j->c, sizeof(j->c));
	free(j->waiting);
	free(j);
}

static int wait_for(struct job *j, struct http_req *req)
{
	assert(j->n_waiting > 0);
	if (j->n_waiting == WAITERS_MAX)
		return -EAGAIN;
	j->waiting[j->n_waiting++] = req;
	return 0;
}

static struct job *job_new(enum lane lane, struct http_req *req)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->lane = lane;
	j->uid = lane == LANE_NAME ? req->peer.uid : -1;
	j->waiting = calloc(WAITERS_MAX, sizeof(struct http_req *));
	if (j->waiting) {
		j->waiting[j->n_waiting++] = req;
		return j;
	}
	free(j);
	return NULL;
}

static void enqueue(struct auth *a, struct job *j)
{
	assert(!a->stop && j->n_waiting == 1);
	TAILQ_INSERT_TAIL(&a->jobs, j, link);
	pthread_cond_signal(&a->changed);
}

/* s is NULL for LANE_NAME, whose jobs are as many as this machine's users that ask. */
static bool has_room(const struct auth *a, enum lane lane, const struct auth_source *s)
{
	size_t all = 0, address = 0, source = 0;

	for (const struct job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link)) {
		if (j->lane != lane)
			continue;
		all++;
		address += s && auth_same_address(&j->source, s);
		source += s && auth_same_source(&j->source, s);
	}
	return all < JOBS_MAX && address < JOBS_PER_ADDRESS && source < JOBS_PER_SOURCE;
}

static struct job *same_password(const struct auth *a, const char *mac)
{
	for (struct job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link))
		if (j->lane != LANE_NAME && !strcmp(j->mac, mac))
			return j;
	return NULL;
}

/* -EPERM: too many failures came from there; -EAGAIN: too much is waiting. */
static int queue_password(struct auth *a, struct http_req *req, const struct credentials *c, const char *mac)
{
	struct auth_source s = source_of(a, req, c->user);
	enum lane lane = auth_came_before(&a->seen, mac) ? LANE_AGAIN : LANE_NEW;
	int64_t now = clock_mono_us();

	if (!has_room(a, lane, &s))
		return -EAGAIN;
	if (auth_failed_too_often(&a->failures, &s, now) &&
	    (lane == LANE_NEW || !auth_may_try_again(&a->failures, &s, now)))
		return -EPERM;
	struct job *j = job_new(lane, req);
	if (!j)
		return -EAGAIN;
	j->c = *c;
	j->source = s;
	memcpy(j->mac, mac, AUTH_MAC_LEN);
	enqueue(a, j);
	return 0;
}

/* The same password that is being checked already is not checked twice. */
static int ask_password(struct auth *a, struct http_req *req, const struct credentials *c, const char *mac)
{
	struct job *j = same_password(a, mac);

	if (j) {
		j->lane = LANE_AGAIN;
		return wait_for(j, req);
	}
	int r = queue_password(a, req, c, mac);
	if (r < 0)
		auth_note(&a->seen, mac);
	return r;
}

static int ask_name(struct auth *a, struct http_req *req)
{
	for (struct job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link))
		if (j->lane == LANE_NAME && j->uid == req->peer.uid)
			return wait_for(j, req);
	struct job *j = has_room(a, LANE_NAME, NULL) ? job_new(LANE_NAME, req) : NULL;
	if (!j)
		return -EAGAIN;
	enqueue(a, j);
	return 0;
}

/* The first of the first lane, from another address than the last one if there is one. NULL: nothing to do. */
static struct job *next_job(const struct auth *a)
{
	struct job *best = NULL;
	int best_rank = 0;

	for (struct job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link)) {
		int rank = 2 * (int)j->lane + (j->lane != LANE_NAME && auth_same_address(&j->source, &a->last));

		if (!best || rank < best_rank) {
			best = j;
			best_rank = rank;
		}
	}
	return best;
}

/* --- a request; under the lock --- */

static enum http_access asked(int r, struct http_reply *reply)
{
	if (r == 0)
		return HTTP_ASKED;
	busy(reply, r == -EPERM ? "too many wrong passwords came from there; try again later"
	                        : "too many passwords are being checked; try again later");
	return HTTP_REFUSED;
}

static enum http_access authenticate_password(struct auth *a, struct http_req *req, struct http_reply *reply,
                                              const char *header)
{
	struct credentials c = {0};
	char mac[AUTH_MAC_LEN];
	enum http_access k = HTTP_REFUSED;

	if (credentials_parse(header, &c) < 0 || !mac_of(a, &c, mac)) {
		metric_add(M_AUTH, AUTH_MISSING, 1);
		unauthorized(reply, "this is no user name and password (HTTP Basic) that can be understood");
	} else if (auth_is_remembered(&a->memory, mac, clock_mono_us())) {
		metric_add(M_AUTH, AUTH_CACHED, 1);
		introduce(a, req, c.user);
		k = HTTP_ADMITTED;
	} else {
		k = asked(ask_password(a, req, &c, mac), reply);
	}
	explicit_bzero(&c, sizeof(c));
	return k;
}

static enum http_access authenticate_peer(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	const char *name = auth_name_of(&a->memory, req->peer.uid, clock_mono_us());

	if (!name)
		return asked(ask_name(a, req), reply);
	metric_add(M_AUTH, AUTH_PEER, 1);
	introduce_peer(a, req, name);
	return HTTP_ADMITTED;
}

static enum http_access auth_request(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	const char *header = a->passwords ? req->header(req, "Authorization") : NULL;

	if (header)
		return authenticate_password(a, req, reply, header);
	if (req->peer.uid >= 0)
		return authenticate_peer(a, req, reply);
	if (!a->passwords) {
		give_token(a, req, "local", "");
		return HTTP_ADMITTED;
	}
	metric_add(M_AUTH, AUTH_MISSING, 1);
	unauthorized(reply, "a user name and a password are needed (HTTP Basic)");
	return HTTP_REFUSED;
}

enum http_access auth_admit(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	assert(a && req->header && req->complete && !req->authenticated && !reply->status);
	pthread_mutex_lock(&a->lock);
	enum http_access k = a->stop ? asked(-EAGAIN, reply) : auth_request(a, req, reply);
	pthread_mutex_unlock(&a->lock);
	return k;
}

/* --- the worker --- */

static void look_up(int64_t uid, char out[HTTP_USER_MAX])
{
	assert(uid >= 0);
	CLEANUP(cleanup_free) char *room = malloc(NAME_ROOM);
	struct passwd entry, *found = NULL;

	if (room && getpwuid_r((uid_t)uid, &entry, room, NAME_ROOM, &found) == 0 && found && found->pw_name[0] &&
	    strlen(found->pw_name) < HTTP_USER_MAX)
		snprintf(out, HTTP_USER_MAX, "%s", found->pw_name);
	else
		snprintf(out, HTTP_USER_MAX, "uid %lld", (long long)uid);
}

static void answer_all(struct auth *a, struct job *j, const char *name)
{
	for (size_t i = 0; i < j->n_waiting; i++) {
		struct http_reply reply = {.status = 200};

		if (name && j->lane == LANE_NAME)
			introduce_peer(a, j->waiting[i], name);
		else if (name)
			introduce(a, j->waiting[i], name);
		else if (a->stop)
			busy(&reply, "rollbackd is stopping");
		else
			unauthorized(&reply, "the user name or the password is wrong");
		j->waiting[i]->complete(j->waiting[i], &reply);
	}
	TAILQ_REMOVE(&a->jobs, j, link);
	job_free(j);
}

static void work_name(struct auth *a, struct job *j)
{
	char name[HTTP_USER_MAX];
	int64_t uid = j->uid;

	assert(j->lane == LANE_NAME);

	pthread_mutex_unlock(&a->lock);
	look_up(uid, name);
	pthread_mutex_lock(&a->lock);
	auth_keep_name(&a->memory, uid, name, clock_mono_us());
	metric_add(M_AUTH, AUTH_PEER, j->n_waiting);
	answer_all(a, j, name);
}

static void judge_password(struct auth *a, struct job *j, bool fits, const char *hash)
{
	const char *user = j->c.user;

	metric_add(M_AUTH, fits ? AUTH_VERIFIED : AUTH_WRONG, j->n_waiting);
	if (fits) {
		auth_remember(&a->memory, j->mac, user, hash, clock_mono_us());
	} else {
		auth_count_failure(&a->failures, &j->source, clock_mono_us());
		tell_failure(a, user, clock_mono_us());
	}
	answer_all(a, j, fits ? user : NULL);
}

/* A user who does not exist takes as long as one who does. */
static void work_password(struct auth *a, struct job *j)
{
	assert(pthread_equal(a->worker, pthread_self()) && j->lane != LANE_NAME);
	struct credentials c = j->c;
	char hash[BCRYPT_LEN + 1], instead[BCRYPT_LEN + 1];

	snprintf(hash, sizeof(hash), "%s", hash_of(a, c.user));
	snprintf(instead, sizeof(instead), "%s", a->nobody);
	a->last = j->source;
	pthread_mutex_unlock(&a->lock);
	bool fits = bcrypt_fits(c.password, hash[0] ? hash : instead) && hash[0];
	explicit_bzero(c.password, sizeof(c.password));
	pthread_mutex_lock(&a->lock);
	if (strcmp(hash, hash_of(a, c.user)) == 0) /* else it stays, and is checked against what holds now */
		judge_password(a, j, fits, hash);
}

static void *work(void *arg)
{
	struct auth *a = arg;

	thread_is(THREAD_AUTH);
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct job *j = next_job(a);

		if (!j)
			pthread_cond_wait(&a->changed, &a->lock);
		else if (j->lane == LANE_NAME)
			work_name(a, j);
		else
			work_password(a, j);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* --- life --- */

int auth_new(struct auth **ret)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	if (getrandom(a->key, sizeof(a->key), 0) != (ssize_t)sizeof(a->key) ||
	    getrandom(a->form_key, sizeof(a->form_key), 0) != (ssize_t)sizeof(a->form_key)) {
		free(a);
		return -EIO;
	}
	TAILQ_INIT(&a->jobs);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	int r = -pthread_create(&a->worker, NULL, work, a);
	a->working = r == 0;
	if (r < 0) {
		auth_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

/* As dear as the dearest. */
static void set_nobody(struct auth *a)
{
	int cost = 10;

	for (size_t i = 0; a->passwords && i < a->passwords->n; i++) {
		int c = bcrypt_cost(a->passwords->users[i].hash);

		cost = i == 0 || c > cost ? c : cost;
	}
	bcrypt_nobody(cost, a->nobody);
}

static void warn_powerless(const struct auth *a)
{
	for (size_t i = 0; a->passwords && i < a->passwords->n; i++)
		if (!auth_is_named(&a->people, a->passwords->users[i].name))
			log_warn("a user has a password and no role (section users of the config)", "user",
			         a->passwords->users[i].name);
}

int auth_set(struct auth *a, struct web_config *passwords, const struct settings *s)
{
	struct auth_people people = {0};

	assert(a && s && (!passwords || passwords->n > 0));
	int r = auth_people_read(s, &people);

	if (r < 0) {
		web_config_free(passwords);
		return r;
	}
	pthread_mutex_lock(&a->lock);
	struct web_config *old = a->passwords;
	struct auth_people old_people = a->people;
	a->passwords = passwords;
	a->people = people;
	set_nobody(a);
	auth_forget_changed(&a->memory, passwords);
	warn_powerless(a);
	pthread_mutex_unlock(&a->lock);
	web_config_free(old);
	auth_people_free(&old_people);
	return 0;
}

void auth_stop(struct auth *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	if (a->working)
		pthread_join(a->worker, NULL);
	a->working = false;
	pthread_mutex_lock(&a->lock);
	for (struct job *j; (j = TAILQ_FIRST(&a->jobs));)
		answer_all(a, j, NULL);
	pthread_mutex_unlock(&a->lock);
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	auth_stop(a);
	assert(!a->working && TAILQ_EMPTY(&a->jobs));
	web_config_free(a->passwords);
	auth_people_free(&a->people);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	explicit_bzero(a->key, sizeof(a->key));
	explicit_bzero(a->form_key, sizeof(a->form_key));
	free(a);
}
