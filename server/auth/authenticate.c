/*
 * Who asks: requests, the worker, life.
 */
#include "server/auth/private.h"

#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define WARN_US       (10 * US_PER_S)
#define RETRY_AFTER_S 5
#define NAME_ROOM     16384

/* RFC 9110 wants one with each 401; browsers pass over one that they do not know. */
static const char other_challenge[] = "Cookie realm=\"rollbackd\"";
static const char wrong_text[] = "the user name or the password is wrong";

/* --- replies --- */

/* The token is bound to the way in which he is known and to who he is by it: another's fits nothing of his. */
void auth_give_token(const struct auth *a, struct http_req *req, const char *way, const char *who)
{
	char text[HTTP_USER_MAX + 100];
	int n = snprintf(text, sizeof(text), "%s:%s", way, who);

	assert(n > 0 && (size_t)n < sizeof(text));
	if (text_hmac_sha256(a->form_key, sizeof(a->form_key), text, (size_t)n, req->form_token) < 0)
		req->form_token[0] = '\0';
}

/* There are no pages for people below these: a webhook does not pay for a token that nobody sends back. */
static bool has_no_forms(const char *path)
{
	return !strncmp(path, "/api/", strlen("/api/")) || !strcmp(path, "/webhook");
}

void auth_give_form_token(const struct auth *a, struct http_req *req, const char *way, const char *who)
{
	assert(req->path);
	if (!has_no_forms(req->path))
		auth_give_token(a, req, way, who);
}

/* Everybody says who he is; else whoever can connect has every role. */
static bool is_closed(const struct auth *a)
{
	return a->passwords || a->proxy.header;
}

void auth_introduce(const struct auth *a, struct http_req *req, const char *name)
{
	assert(name[0]);
	snprintf(req->user, sizeof(req->user), "%s", name);
	req->authenticated = true;
	req->roles = is_closed(a) ? auth_roles(&a->people, name) : ROLE_ALL;
	auth_give_form_token(a, req, "user", name);
}

/* The peer of a unix socket. Root may look at least: he can read the record as it is. */
static void introduce_peer(const struct auth *a, struct http_req *req, const char *name)
{
	assert(req->peer.uid >= 0);
	auth_introduce(a, req, name);
	if (req->peer.uid == 0)
		req->roles |= ROLE_VIEWER;
}

static void unauthorized(struct http_reply *reply, const char *why)
{
	reply->challenge = "Basic realm=\"rollbackd\", charset=\"UTF-8\"";
	http_error(reply, 401, "unauthorized", "%s", why);
}

/* A page that goes on asking after its session has ended: the browser would open a window of its own for a password,
 * over the page that says so. */
static bool is_script(const struct http_req *req)
{
	const char *mode = req->header(req, "Sec-Fetch-Mode");

	return mode && strcmp(mode, "navigate") != 0;
}

/* --- wrong passwords --- */

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
const char *auth_hash_of(const struct auth *a, const char *user)
{
	const char *hash = a->passwords ? web_config_hash(a->passwords, user) : NULL;

	return hash ? hash : "";
}

/* --- a request; under the lock --- */

int auth_check(struct auth *a, struct auth_waiter w, const struct credentials *c)
{
	assert(a && w.req && c);
	char mac[AUTH_MAC_LEN];

	if (!mac_of(a, c, mac))
		return -EAGAIN;
	if (auth_is_remembered(&a->memory, mac, clock_mono_us())) {
		metric_add(M_AUTH, AUTH_CACHED, 1);
		return 1;
	}
	return auth_ask_password(a, w, c, mac);
}

void auth_say_busy(struct auth *a, struct auth_waiter w, struct http_reply *reply, int error)
{
	const char *why = error == -EPERM       ? "too many wrong passwords came from there; try again later"
	                  : error == -ESHUTDOWN ? "rollbackd is stopping"
	                                        : "too many passwords are being checked; try again later";

	assert(a && w.req && reply && error < 0);
	metric_add(M_AUTH, AUTH_BUSY, 1);
	if (w.signs_in)
		auth_not_signed_in(a, w.req, reply, 503, why);
	else
		http_error(reply, 503, "unavailable", "%s", why);
	reply->retry_after_s = RETRY_AFTER_S;
}

static enum http_access asked(struct auth *a, struct http_req *req, int r, struct http_reply *reply)
{
	if (r == 0)
		return HTTP_ASKED;
	auth_say_busy(a, (struct auth_waiter) {.req = req}, reply, r);
	return HTTP_REFUSED;
}

static enum http_access authenticate_password(struct auth *a, struct http_req *req, struct http_reply *reply,
                                              const char *header)
{
	struct credentials c = {0};
	enum http_access k = HTTP_REFUSED;

	if (credentials_parse(header, &c) < 0) {
		metric_add(M_AUTH, AUTH_MISSING, 1);
		unauthorized(reply, "this is no user name and password (HTTP Basic) that can be understood");
	} else {
		int r = auth_check(a, (struct auth_waiter) {.req = req}, &c);

		if (r == 1)
			auth_introduce(a, req, c.user);
		k = r == 1 ? HTTP_ADMITTED : asked(a, req, r, reply);
	}
	explicit_bzero(&c, sizeof(c));
	return k;
}

static enum http_access authenticate_peer(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	const char *name = auth_name_of(&a->memory, req->peer.uid, clock_mono_us());

	if (!name)
		return asked(a, req, auth_ask_name(a, req), reply);
	metric_add(M_AUTH, AUTH_PEER, 1);
	introduce_peer(a, req, name);
	return HTTP_ADMITTED;
}

/* A name as the web config may have one, and nobody else's by a slip. */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == ':')
			return false;
	return len > 0 && len < HTTP_USER_MAX && strcmp(name, "local") != 0 && text_utf8_valid(name, len);
}

/* What the proxy says comes before all that the client sent: it knows, and has its own password in its way. */
static enum http_access authenticate_proxied(struct auth *a, struct http_req *req, struct http_reply *reply,
                                             const char *name)
{
	if (req->headers(req, a->proxy.header) != 1 || !is_name(name)) {
		metric_add(M_AUTH, AUTH_MISSING, 1);
		http_error(reply, 401, "unauthorized",
		           "the proxy says in %s not once who asks, or not by a name: it must set it", a->proxy.header);
		reply->challenge = other_challenge;
		return HTTP_REFUSED;
	}
	metric_add(M_AUTH, AUTH_PROXY, 1);
	auth_introduce(a, req, name);
	auth_give_form_token(a, req, "proxy", name);
	return HTTP_ADMITTED;
}

/* What the proxy in front says, if it is from there. */
static const char *proxied(const struct auth *a, const struct http_req *req)
{
	return auth_proxy_is(&a->proxy, &req->peer) ? req->header(req, a->proxy.header) : NULL;
}

static void nobody_known(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	metric_add(M_AUTH, AUTH_MISSING, 1);
	if (auth_offer_form(a, req, reply))
		return;
	if (a->passwords) {
		unauthorized(reply, "a user name and a password are needed (HTTP Basic)");
		if (is_script(req))
			reply->challenge = "Cookie realm=\"rollbackd\"";
		return;
	}
	reply->challenge = other_challenge;
	http_error(reply, 401, "unauthorized",
	           "nobody says who asks: %s is believed from the addresses of proxy.from alone (in the config)",
	           a->proxy.header);
}

static enum http_access auth_request(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	const char *header = a->passwords ? req->header(req, "Authorization") : NULL;

	if (req->open) {
		auth_token_of_stranger(a, req);
		return HTTP_ADMITTED;
	}
	const char *name = proxied(a, req);
	if (name)
		return authenticate_proxied(a, req, reply, name);
	if (auth_session(a, req))
		return HTTP_ADMITTED;
	if (header)
		return authenticate_password(a, req, reply, header);
	if (req->peer.uid >= 0)
		return authenticate_peer(a, req, reply);
	if (!is_closed(a)) {
		auth_give_form_token(a, req, "local", "");
		return HTTP_ADMITTED;
	}
	nobody_known(a, req, reply);
	return HTTP_REFUSED;
}

enum http_access auth_admit(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	assert(a && req->header && req->complete && !req->authenticated && !reply->status);
	pthread_mutex_lock(&a->lock);
	enum http_access k = a->stop ? asked(a, req, -ESHUTDOWN, reply) : auth_request(a, req, reply);
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

/* name: NULL when the password was wrong, or nobody looked. */
static void answer_admission(struct auth *a, const struct auth_job *j, struct auth_waiter w, const char *name,
                             struct http_reply *reply)
{
	if (name && j->lane == LANE_NAME)
		introduce_peer(a, w.req, name);
	else if (name)
		auth_introduce(a, w.req, name);
	else if (a->stop)
		auth_say_busy(a, w, reply, -ESHUTDOWN);
	else
		unauthorized(reply, wrong_text);
}

static void answer_sign_in(struct auth *a, struct auth_waiter w, const char *name, struct http_reply *reply)
{
	if (name)
		auth_signed_in(a, w.req, reply, name);
	else if (a->stop)
		auth_say_busy(a, w, reply, -ESHUTDOWN);
	else
		auth_not_signed_in(a, w.req, reply, 401, wrong_text);
}

static void answer_all(struct auth *a, struct auth_job *j, const char *name)
{
	for (size_t i = 0; i < j->n_waiting; i++) {
		struct auth_waiter w = j->waiting[i];
		struct http_reply reply = {.status = 200};

		if (w.signs_in)
			answer_sign_in(a, w, name, &reply);
		else
			answer_admission(a, j, w, name, &reply);
		w.req->complete(w.req, &reply);
	}
	auth_job_end(a, j);
}

static void work_name(struct auth *a, struct auth_job *j)
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

static void judge_password(struct auth *a, struct auth_job *j, bool fits, const char *hash)
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
static void work_password(struct auth *a, struct auth_job *j)
{
	assert(pthread_equal(a->worker, pthread_self()) && j->lane != LANE_NAME);
	struct credentials c = j->c;
	char hash[BCRYPT_LEN + 1], instead[BCRYPT_LEN + 1];

	snprintf(hash, sizeof(hash), "%s", auth_hash_of(a, c.user));
	snprintf(instead, sizeof(instead), "%s", a->nobody);
	a->last = j->source;
	pthread_mutex_unlock(&a->lock);
	bool fits = bcrypt_fits(c.password, hash[0] ? hash : instead) && hash[0];
	explicit_bzero(c.password, sizeof(c.password));
	pthread_mutex_lock(&a->lock);
	if (strcmp(hash, auth_hash_of(a, c.user)) == 0) /* else it stays, and is checked against what holds now */
		judge_password(a, j, fits, hash);
}

static void *work(void *arg)
{
	struct auth *a = arg;

	thread_is(THREAD_AUTH);
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct auth_job *j = auth_next_job(a);

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
	struct auth_proxy proxy = {0};

	assert(a && s && (!passwords || passwords->n > 0));
	int r = auth_people_read(s, &people);

	if (r == 0)
		r = auth_proxy_read(s, &proxy);
	if (r < 0) {
		auth_people_free(&people);
		web_config_free(passwords);
		return r;
	}
	pthread_mutex_lock(&a->lock);
	struct web_config *old = a->passwords;
	struct auth_people old_people = a->people;
	struct auth_proxy old_proxy = a->proxy;
	a->passwords = passwords;
	a->people = people;
	a->proxy = proxy;
	set_nobody(a);
	if (http_origin_parse(s->external_url ? s->external_url : "", true, &a->external) < 0)
		a->external = (struct http_origin) {0};
	auth_forget_changed(&a->memory, passwords);
	auth_end_changed(a, &old_people);
	warn_powerless(a);
	pthread_mutex_unlock(&a->lock);
	web_config_free(old);
	auth_people_free(&old_people);
	auth_proxy_free(&old_proxy);
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
	for (struct auth_job *j; (j = TAILQ_FIRST(&a->jobs));)
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
	auth_proxy_free(&a->proxy);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	explicit_bzero(a->key, sizeof(a->key));
	explicit_bzero(a->form_key, sizeof(a->form_key));
	free(a);
}
