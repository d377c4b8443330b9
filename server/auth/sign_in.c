/*
 * Signing in by a form, and what a browser has of it: the cookie of a session.
 */
#include "server/auth/private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "server/auth/cookie.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/web/form.h"
#include "server/web/login.h"

/* A name that begins so is taken by browsers over HTTPS only, and from this host only: no other machine of the domain
 * can plant one. */
#define SECURE  "__Host-"
#define SESSION "rollbackd"
#define LOGIN   "rollbackd-login" /* of who is about to sign in: the token of his form is bound to it */

#define LOGIN_AGE_S 86400

static const char form_fields[] = "user,password,next";

/* --- how the browser comes --- */

/* Over HTTPS, as far as can be told: what it says itself of the page that it sends, the name by which it calls. A
 * browser takes what is for HTTPS from this machine, too. */
static bool is_secure(const struct auth *a, const struct http_req *req)
{
	const char *origin = req->header(req, "Origin"), *host = req->header(req, "Host");
	struct http_names none = {0};
	struct http_authority at;
	struct http_origin o;

	if (origin && http_origin_parse(origin, false, &o) == 0 && !strcmp(o.scheme, "https"))
		return true;
	if (strcmp(a->external.scheme, "https") != 0)
		return false;
	none.external = &a->external;
	return !host || (http_authority_parse(host, strlen(host), &at) == 0 && http_is_our_name(&none, &at, NULL));
}

static int id_in(const struct http_req *req, const char *name, char id[COOKIE_ID_LEN])
{
	const char *cookies = req->header(req, "Cookie");

	return cookies ? cookie_id(cookies, name, id) : 0;
}

static void set_cookie(struct http_reply *reply, const char *name, bool secure, const char *value, int64_t age_s)
{
	int n = snprintf(reply->cookie, sizeof(reply->cookie),
	                 "%s%s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s", secure ? SECURE : "", name,
	                 value, (long long)age_s, secure ? "; Secure" : "");

	assert(n > 0 && (size_t)n < sizeof(reply->cookie));
}

static bool new_id(char id[COOKIE_ID_LEN])
{
	unsigned char bytes[(COOKIE_ID_LEN - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	explicit_bzero(bytes, sizeof(bytes));
	return true;
}

/* --- sessions --- */

static bool hash_id(const struct auth *a, const char *id, char hash[SESSION_HASH_LEN])
{
	return text_hmac_sha256(a->form_key, sizeof(a->form_key), id, strlen(id), hash) == 0;
}

/* Under the name for HTTPS only what was given for HTTPS, and the other way round: what somebody planted under the open
 * name is not taken where we know better. */
static const struct session *session_of(struct auth *a, const struct http_req *req)
{
	char id[COOKIE_ID_LEN], hash[SESSION_HASH_LEN];
	int r = id_in(req, SECURE SESSION, id);
	bool secure = r != 0;

	if (r == 0 && !is_secure(a, req))
		r = id_in(req, SESSION, id);
	const struct session *s =
		r == 1 && hash_id(a, id, hash) ? session_find(&a->sessions, hash, clock_mono_us()) : NULL;
	explicit_bzero(id, sizeof(id));
	return s && s->secure == secure ? s : NULL;
}

bool auth_session(struct auth *a, struct http_req *req)
{
	assert(a && req);
	const struct session *s = a->passwords ? session_of(a, req) : NULL;

	if (!s)
		return false;
	metric_add(M_AUTH, AUTH_SESSION, 1);
	auth_introduce(a, req, s->user);
	auth_give_form_token(a, req, "session", s->hash);
	return true;
}

static void end_session_of(struct auth *a, const struct http_req *req)
{
	const struct session *s = session_of(a, req);
	char hash[SESSION_HASH_LEN];

	if (!s)
		return;
	memcpy(hash, s->hash, sizeof(hash));
	session_end(&a->sessions, hash);
}

/* False: out of randomness, or memory. */
static bool begin_session(struct auth *a, const struct http_req *req, struct http_reply *reply, const char *user)
{
	struct session s = {.secure = is_secure(a, req), .since_us = clock_mono_us(), .used_us = clock_mono_us()},
		       ended;
	char id[COOKIE_ID_LEN];

	if (!new_id(id) || !hash_id(a, id, s.hash))
		return false;
	snprintf(s.user, sizeof(s.user), "%s", user);
	snprintf(s.password, sizeof(s.password), "%s", auth_hash_of(a, user));
	end_session_of(a, req);
	if (session_begin(&a->sessions, &s, &ended))
		log_warn("a session was ended for a new one: too many are open", "of", ended.user, "for", user);
	set_cookie(reply, SESSION, s.secure, id, SESSION_AGE_US / US_PER_S);
	explicit_bzero(id, sizeof(id));
	return true;
}

/* --- the form --- */

/* The id of who is about to sign in. False: he has none. */
static bool stranger(const struct http_req *req, char id[COOKIE_ID_LEN])
{
	int r = id_in(req, SECURE LOGIN, id);

	return (r != 0 ? r : id_in(req, LOGIN, id)) == 1;
}

void auth_token_of_stranger(const struct auth *a, struct http_req *req)
{
	char id[COOKIE_ID_LEN];

	assert(a && req && !req->authenticated);
	if (stranger(req, id))
		auth_give_token(a, req, "login", id);
}

static const char *field(const struct http_req *req, const char *name)
{
	const char *v = req->form ? form_get(req->form, name) : NULL;

	return v ? v : "";
}

static bool is_from_elsewhere(const struct http_req *req)
{
	const char *site = req->header(req, "Sec-Fetch-Site");

	return site && !strcmp(site, "cross-site");
}

static void show(struct http_reply *reply, int status, const struct login_page *page)
{
	reply->status = status;
	reply->content_type = "text/html; charset=utf-8";
	/* RFC 9110 wants a challenge. Browsers pass over one that they do not know, and show the page. */
	reply->challenge = status == 401 ? "Cookie realm=\"rollbackd\"" : NULL;
	reply->body.max = LOGIN_PAGE_MAX;
	login_page(&reply->body, page);
}

static const char *host_of(const struct http_req *req)
{
	const char *host = req->header(req, "Host");

	return host ? host : "";
}

static void show_form(struct auth *a, struct http_req *req, struct http_reply *reply, int status, const char *next,
                      const char *why)
{
	char id[COOKIE_ID_LEN];

	if (stranger(req, id) || new_id(id))
		set_cookie(reply, LOGIN, is_secure(a, req), id, LOGIN_AGE_S);
	else
		id[0] = '\0';
	auth_give_token(a, req, "login", id);
	const struct login_page page = {.host = host_of(req),
	                                .token = req->form_token,
	                                .user = field(req, "user"),
	                                .next = cookie_may_lead(next) ? next : "/",
	                                .why = why,
	                                .again = req->method == HTTP_GET && is_from_elsewhere(req)};
	show(reply, status, &page);
}

/* What is typed into the bar of a browser, or behind a link: not what scripts ask for. */
bool auth_offer_form(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	assert(a && req && reply);
	const char *accept = req->header(req, "Accept");

	if (req->method != HTTP_GET || !a->passwords || !accept || !strstr(accept, "text/html"))
		return false;
	show_form(a, req, reply, 401, req->target, "");
	return true;
}

void auth_not_signed_in(struct auth *a, struct http_req *req, struct http_reply *reply, int status, const char *why)
{
	assert(a && req && reply && why);
	show_form(a, req, reply, status, field(req, "next"), why);
}

void auth_signed_in(struct auth *a, struct http_req *req, struct http_reply *reply, const char *user)
{
	assert(a && req && reply && user[0]);
	const char *next = field(req, "next");

	if (!begin_session(a, req, reply, user)) {
		auth_not_signed_in(a, req, reply, 503, "this machine has no random numbers: try again");
		return;
	}
	log_info("signed in", "user", user);
	reply->status = 303;
	snprintf(reply->location, sizeof(reply->location), "%s", cookie_may_lead(next) ? next : "/");
}

/* --- what people ask for --- */

static enum http_verdict sign_in(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	const char *user = field(req, "user"), *password = field(req, "password");
	const struct auth_waiter w = {.req = req, .signs_in = true};
	struct credentials c = {0};

	if (form_unknown(req->form, form_fields)) {
		auth_not_signed_in(a, req, reply, 400, "this form has a field that is not ours");
		return HTTP_REPLIED;
	}
	if (!user[0] || strlen(user) >= sizeof(c.user) || strlen(password) >= sizeof(c.password)) {
		metric_add(M_AUTH, AUTH_MISSING, 1);
		auth_not_signed_in(a, req, reply, 401, "a name and a password are needed, of at most 63 and 511 bytes");
		return HTTP_REPLIED;
	}
	memcpy(c.user, user, strlen(user) + 1);
	memcpy(c.password, password, strlen(password) + 1);
	int r = auth_check(a, w, &c);
	explicit_bzero(&c, sizeof(c));
	if (r == 1)
		auth_signed_in(a, req, reply, user);
	else if (r < 0)
		auth_say_busy(a, w, reply, r);
	return r == 0 ? HTTP_DEFERRED : HTTP_REPLIED;
}

static void show_sign_in(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	const char *next = req->param(req, "next");

	if (!next || !cookie_may_lead(next))
		next = "/";
	if (!auth_session(a, req)) {
		show_form(a, req, reply, 200, next, "");
		return;
	}
	const struct login_page page = {.host = host_of(req),
	                                .token = req->form_token,
	                                .user = req->user,
	                                .known = true,
	                                .next = next,
	                                .why = ""};
	show(reply, 200, &page);
}

static const char not_needed[] =
	"nobody signs in here: rollbackd runs without a web config, and whoever can connect has every role";

enum http_verdict auth_sign_in(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	enum http_verdict v = HTTP_REPLIED;

	assert(a && req && reply && (req->method == HTTP_POST) == (req->form != NULL));
	pthread_mutex_lock(&a->lock);
	if (!a->passwords)
		http_error(reply, 404, "not_found", not_needed);
	else if (req->form)
		v = sign_in(a, req, reply);
	else
		show_sign_in(a, req, reply);
	pthread_mutex_unlock(&a->lock);
	return v;
}

enum http_verdict auth_sign_out(struct auth *a, struct http_req *req, struct http_reply *reply)
{
	assert(a && req && reply && req->form);
	pthread_mutex_lock(&a->lock);
	const struct session *s = session_of(a, req);
	bool had = s != NULL;
	if (had) {
		set_cookie(reply, SESSION, s->secure, "", 0);
		end_session_of(a, req);
		log_info("signed out", "user", req->user);
	}
	pthread_mutex_unlock(&a->lock);
	reply->content_type = "text/html; charset=utf-8";
	reply->body.max = LOGIN_PAGE_MAX;
	logout_page(&reply->body, req->user, had);
	return HTTP_REPLIED;
}

/* --- a reload --- */

struct auth_change {
	const struct auth *a;
	const struct auth_people *before;
};

static bool keeps(const void *arg, const struct session *s)
{
	const struct auth_change *c = arg;

	return !strcmp(s->password, auth_hash_of(c->a, s->user)) && auth_same_roles(c->before, &c->a->people, s->user);
}

void auth_end_changed(struct auth *a, const struct auth_people *before)
{
	assert(a && before);
	const struct auth_change c = {a, before};
	size_t n = session_end_unless(&a->sessions, keeps, &c);

	if (n)
		log_info("sessions were ended, for the password or the roles have changed", "sessions",
		         log_num((int64_t)n));
}
