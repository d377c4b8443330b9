#include "server/http/private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/web/web.h"

#define OVERRUN_MAX   (1024 * 1024) /* read and dropped of a body over the limit before it is cut off */
#define REPLY_ALWAYS  (64 * 1024)   /* a reply up to this size is sent however many are under way */
#define RETRY_AFTER_S 5

static const char *const drain_text = "rollbackd is stopping";

/* --- a request's data --- */

static const char *param_of(const struct http_req *req, const char *name)
{
	return http_fields_get(&((const struct request *)req)->query, name);
}

static const char *header_of(const struct http_req *req, const char *name)
{
	return http_fields_get(&((const struct request *)req)->headers, name);
}

static size_t headers_of(const struct http_req *req, const char *name)
{
	return http_fields_count(&((const struct request *)req)->headers, name);
}

/* Any thread. Nothing may be touched after the lock: the http thread may free the request at once. */
static void complete(struct http_req *req, struct http_reply *reply)
{
	struct request *r = (struct request *)req;
	struct http *h = r->http;

	assert(h);
	r->given = *reply;
	reply->body = BUF(reply->body.max);
	reply->stream = NULL;
	pthread_mutex_lock(&h->lock);
	bool first = STAILQ_EMPTY(&h->done);
	STAILQ_INSERT_TAIL(&h->done, r, done_link);
	pthread_mutex_unlock(&h->lock);
	if (first)
		http_ring(h);
}

/* Called with the raw request line: the only moment at which %00 can be seen. NULL: out of memory, and
 * request_step refuses. */
void *request_begin(void *http, const char *target, struct MHD_Connection *mhd)
{
	struct http *h = http;

	assert(on_http_thread(h));
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->http = h;
	r->mhd = mhd;
	r->generation = atomic_load(&h->generation);
	r->conn = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	r->raw_target = target;
	r->target = strdup(target ? target : "");
	r->path = calloc(1, strlen(target ? target : "") + 1);
	r->body = BUF(h->limits.body);
	r->req = (struct http_req) {.path = r->path,
	                            .target = "",
	                            .user = "local",
	                            .roles = ROLE_ALL,
	                            .peer = r->conn->peer,
	                            .method_name = r->method,
	                            .param = param_of,
	                            .header = header_of,
	                            .headers = headers_of,
	                            .complete = complete};
	LIST_INSERT_HEAD(&h->requests, r, link);
	r->conn->request = r;
	if (r->conn->phase == PHASE_IDLE)
		conn_phase(h, r->conn, PHASE_HEAD, 0);
	return r;
}

void request_free(struct request *r)
{
	LIST_REMOVE(r, link);
	stream_free(r);
	assert(!r->conn && !r->mhd);
	assert(r->http->in_flight >= r->charged && r->http->replies >= r->reply_charged);
	assert(r->http->n_chunked >= r->chunked);
	r->http->n_chunked -= r->chunked;
	r->http->in_flight -= r->charged;
	r->http->replies -= r->reply_charged;
	buf_free(&r->reply.body);
	buf_free(&r->given.body);
	if (r->given.stream)
		r->given.stream->free(TAKE(r->given.stream));
	buf_free(&r->body);
	form_free(&r->form);
	http_fields_free(&r->headers);
	http_fields_free(&r->query);
	free(r->target);
	free(r->path);
	free(r);
}

void request_end(struct request *r)
{
	assert(r->conn && r->conn->request == r && r->mhd);
	r->conn->request = NULL;
	conn_phase(r->http, r->conn, PHASE_IDLE, 0);
	r->conn = NULL;
	r->mhd = NULL;
	if (!r->lent)
		request_free(r);
}

void request_ended(void *http, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode why)
{
	struct request *r = *context;

	(void)http;
	(void)mhd;
	(void)why;
	*context = NULL;
	if (r)
		request_end(r);
}

/* --- replies --- */

static void unavailable(struct request *r, const char *why)
{
	r->reply.retry_after_s = RETRY_AFTER_S;
	http_error(&r->reply, 503, "unavailable", "%s", why);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (value && *value)
		MHD_add_response_header(response, name, value);
}

/* Of a page: whatever somebody gets into it, it runs nothing, loads nothing from elsewhere, sends nothing elsewhere,
 * and nobody frames it. With no-referrer browsers would send "Origin: null" with its forms. */
static void add_page_headers(struct MHD_Response *response)
{
	add_header(response, "Content-Security-Policy", web_policy());
	add_header(response, "X-Frame-Options", "DENY");
	add_header(response, "Referrer-Policy", "same-origin");
	add_header(response, "Cross-Origin-Opener-Policy", "same-origin");
}

/* Who may keep it: what has an ETag is asked for every time; what depends on who asks is nobody else's. */
static void add_cache_headers(const struct request *r, struct MHD_Response *response)
{
	const struct http_reply *reply = &r->reply;
	bool personal = r->admission.roles != 0;

	add_header(response, "Cache-Control",
	           reply->cache      ? reply->cache
	           : !reply->etag[0] ? "no-store"
	           : personal        ? "private, no-cache"
	                             : "no-cache");
	if (personal && !reply->cache)
		add_header(response, "Vary", "Accept, Authorization, Cookie");
}

static void add_headers(const struct request *r, struct MHD_Response *response)
{
	const struct http_reply *reply = &r->reply;
	char seconds[24] = "";

	if (reply->retry_after_s > 0)
		snprintf(seconds, sizeof(seconds), "%d", reply->retry_after_s);
	add_header(response, "Content-Type", reply->content_type ? reply->content_type : "application/json");
	add_header(response, "X-Content-Type-Options", "nosniff");
	add_header(response, "Content-Encoding", reply->encoding);
	add_cache_headers(r, response);
	if (reply->content_type && !strncmp(reply->content_type, "text/html", strlen("text/html")))
		add_page_headers(response);
	add_header(response, "Location", reply->location);
	add_header(response, "Set-Cookie", reply->cookie);
	add_header(response, "Vary", reply->vary);
	add_header(response, "ETag", reply->etag);
	add_header(response, "Retry-After", seconds);
	add_header(response, "Allow", reply->allow);
	add_header(response, "X-Accel-Buffering", r->stream.open ? "no" : NULL); /* nginx would hold it back */
	add_header(response, "WWW-Authenticate", reply->challenge);
	add_header(response, "Connection", r->close || r->http->stage >= STAGE_DRAIN ? "close" : NULL);
}

/* A handler that overran its buffer, or replies that nobody fetches, must not become a torn answer or all the
 * memory. */
static void check_reply(struct request *r)
{
	struct http *h = r->http;
	size_t len = r->reply.body.len;

	if (r->reply.body.error)
		http_error(&r->reply, 500, "internal", "the answer is too large");
	else if (len > REPLY_ALWAYS && (len > h->limits.replies || h->replies > h->limits.replies - len))
		unavailable(r, "too many answers are waiting to be fetched");
	r->reply_charged = r->reply.body.len;
	h->replies += r->reply_charged;
}

static struct MHD_Response *whole_reply(struct request *r)
{
	check_reply(r);
	size_t len = r->reply.body.len;
	char *text = len ? buf_take(&r->reply.body) : NULL;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, text, len ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!response)
		free(text);
	return response;
}

static void dress(struct request *r)
{
	const struct http_options *o = &r->http->o;

	if (o->dress && r->reply.status >= 400 && !r->reply.content_type && r->req.path[0])
		o->dress(o->arg, &r->req, &r->reply);
}

static enum MHD_Result send_reply(struct request *r)
{
	dress(r);
	struct MHD_Response *response = r->reply.stream ? stream_open(r) : NULL;

	if (!response)
		response = whole_reply(r);
	if (!response)
		return MHD_NO;
	assert(r->state != REQ_KNOCKING && r->state != REQ_DEFERRED);
	add_headers(r, response);
	conn_phase(r->http, r->conn, PHASE_REPLY, r->reply_charged);
	enum MHD_Result sent = MHD_queue_response(r->mhd, r->reply.status ? (unsigned)r->reply.status : 200, response);
	MHD_destroy_response(response);
	return sent;
}

/* --- before the body --- */

static bool refuse_roles(struct request *r, const struct http_admission *a)
{
	if (!a->roles || (r->req.roles & a->roles))
		return false;
	http_forbidden(&r->reply, &r->req, a->roles);
	return true;
}

static bool over_budget(const struct http *h, uint64_t more)
{
	return more > h->limits.in_flight || h->in_flight > h->limits.in_flight - more;
}

static void too_long(struct request *r)
{
	http_error(&r->reply, 413, "bad_data", "the body is longer than %zu bytes", r->http->limits.body);
}

/* Where its sender may be told no for ever, and drops what it sends. */
static void tell_refused(const struct request *r)
{
	const struct http_options *o = &r->http->o;

	if (o->refused && r->admission.status == 200)
		o->refused(o->arg, &r->req, &r->reply, r->known || !o->allow_remote);
}

static bool refuse_body(struct request *r, const struct http_admission *a, const struct http_body_head *body)
{
	const char *encoding = http_fields_get(&r->headers, "Content-Encoding");
	const char *type = http_fields_get(&r->headers, "Content-Type");
	const char *wanted = a->form ? "application/x-www-form-urlencoded" : "application/json";
	struct http *h = r->http;

	if (!a->takes_body)
		http_error(&r->reply, 400, "bad_data", "%s takes no body", r->method);
	else if (!http_is_type(&r->headers, wanted))
		http_error(&r->reply, 415, "bad_data",
		           "the body must come with the header Content-Type: %s, not %.100s", wanted,
		           type ? type : "without a type");
	else if (encoding && strcasecmp(encoding, "identity") != 0)
		http_error(&r->reply, 415, "bad_data", "a body with Content-Encoding is not understood");
	else if (body->length > h->limits.body)
		too_long(r);
	else if (over_budget(h, body->length))
		unavailable(r, "too many bodies are being received");
	else
		return false;
	return true;
}

static enum http_access auth_request(struct request *r)
{
	const struct http_options *o = &r->http->o;

	if (!o->authenticate || !r->admission.roles)
		return HTTP_ADMITTED;
	r->req.open = r->admission.roles & ROLE_ANYBODY;
	r->req.roles |= r->admission.roles & ROLE_ANYBODY;
	if (r->http->stage >= STAGE_GIVE_UP) {
		unavailable(r, drain_text);
		return HTTP_REFUSED;
	}
	return o->authenticate(o->arg, &r->req, &r->reply);
}

/* A reply queued in the first call ends the connection, so one that need not waits for the last call. */
static enum MHD_Result refused(struct request *r)
{
	r->state = REQ_ANSWERED;
	r->close = r->close || r->body_head.any;
	tell_refused(r);
	return r->close ? send_reply(r) : MHD_YES;
}

static enum MHD_Result admitted(struct request *r)
{
	r->state = REQ_BODY;
	r->known = true;
	if (refuse_roles(r, &r->admission) || head_refuse_query(r) ||
	    (r->body_head.any && refuse_body(r, &r->admission, &r->body_head)))
		return refused(r);
	if (r->body_head.any)
		conn_phase(r->http, r->conn, PHASE_BODY, 0);
	if (r->body_head.any && !r->body_head.known)
		chunks_begin(r);
	return MHD_YES;
}

/* A completion that came first waits in the queue for this thread. */
static enum MHD_Result suspend(struct request *r, enum request_state state)
{
	assert(!r->lent && (state == REQ_KNOCKING || state == REQ_DEFERRED));
	r->state = state;
	r->lent = true;
	conn_phase(r->http, r->conn, PHASE_DEFERRED, 0);
	MHD_suspend_connection(r->mhd);
	return MHD_YES;
}

/* The first call, with all headers and no body; made again after a suspension. */
static enum MHD_Result judge(struct request *r, const char *method, const char *version)
{
	if (!r->target || !r->path)
		return MHD_NO;
	snprintf(r->method, sizeof(r->method), "%s", method);
	r->req.method = http_method_find(method);
	r->req.received_us = clock_wall_us();
	if (head_refuse(r, method, version))
		return refused(r);
	enum http_access k = auth_request(r);
	if (k == HTTP_ASKED)
		return suspend(r, REQ_KNOCKING);
	return k == HTTP_ADMITTED ? admitted(r) : refused(r);
}

/* --- the body --- */

static void drop_body(struct request *r, int error)
{
	r->body_error = error;
	buf_free(&r->body);
	r->http->in_flight -= r->charged;
	r->charged = 0;
}

static void keep_body(struct request *r, const char *data, size_t len)
{
	struct http *h = r->http;

	if (r->body.len + len > h->limits.body) {
		drop_body(r, -EMSGSIZE);
	} else if (over_budget(h, len)) {
		drop_body(r, -EDQUOT);
	} else if (buf_add(&r->body, data, len) < 0) {
		drop_body(r, -ENOMEM);
	} else {
		r->charged += len;
		h->in_flight += len;
	}
}

/* No reply can be queued in the middle of a body: what is too long is read on, for a while, to be refused at
 * its end. */
static enum MHD_Result take_body(struct request *r, const char *data, size_t len)
{
	assert(len > 0 && r->conn && r->body_head.any);
	r->body_seen += len;
	r->conn->bytes = r->body_seen;
	r->conn->active_us = r->http->now_us;
	if (r->body_seen > (uint64_t)r->http->limits.body + OVERRUN_MAX)
		return MHD_NO;
	if (!r->body_error && r->state == REQ_BODY)
		keep_body(r, data, len);
	return MHD_YES;
}

static void answer_body_error(struct request *r)
{
	if (r->body_error == -EMSGSIZE)
		too_long(r);
	else
		unavailable(r, r->body_error == -EDQUOT ? "too many bodies are being received" : "out of memory");
	r->close = true;
	tell_refused(r);
}

/* --- the handler, and later --- */

/* Every route that takes a form passes here, so none can forget to look. */
static bool refuse_form(struct request *r)
{
	const char *why = NULL;
	int error = form_parse(r->req.body, r->req.body_len, &r->form, &why);

	if (error < 0)
		http_error(&r->reply, error == -E2BIG ? 413 : error == -ENOMEM ? 503 : 400, "bad_data", "%s", why);
	else if (!form_token_fits(&r->form, &r->req))
		http_error(&r->reply, 403, "forbidden",
		           "this form is not from a page that was made for %s, or the page is from before a restart or "
		           "another "
		           "sign-in: load the page again, and send it from there",
		           r->req.user);
	else
		r->req.form = &r->form;
	return !r->req.form;
}

static enum http_verdict handle(struct request *r)
{
	const struct http_options *o = &r->http->o;

	if (r->http->stage >= STAGE_GIVE_UP) {
		unavailable(r, drain_text);
		return HTTP_REPLIED;
	}
	assert(r->state == REQ_ANSWERED && !r->body_error);
	r->req.body = buf_text(&r->body);
	r->req.body_len = r->body.len;
	if (r->admission.form && refuse_form(r))
		return HTTP_REPLIED;
	return o->handle(o->arg, &r->req, &r->reply);
}

/* The last call, with the whole body; again after a resume. */
static enum MHD_Result finish(struct request *r)
{
	if (r->state == REQ_BODY) {
		r->state = REQ_ANSWERED;
		if (r->body_error) {
			answer_body_error(r);
		} else if (handle(r) == HTTP_DEFERRED) {
			return suspend(r, REQ_DEFERRED);
		}
	}
	return send_reply(r);
}

enum MHD_Result request_step(void *http, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **context)
{
	struct request *r = *context;

	(void)http;
	(void)mhd;
	(void)url;
	if (!r)
		return MHD_NO;
	if (r->state == REQ_NEW)
		return judge(r, method, version);
	if (r->state == REQ_ADMITTED)
		return admitted(r);
	if (r->state == REQ_REFUSED)
		return refused(r);
	if (*size > 0) {
		size_t len = *size;

		*size = 0;
		return take_body(r, data, len);
	}
	return finish(r);
}

static void resume(struct request *r, enum request_state state)
{
	assert(r->conn && r->conn->phase == PHASE_DEFERRED);
	r->state = state;
	conn_phase(r->http, r->conn, PHASE_REPLY, r->reply.body.len);
	MHD_resume_connection(r->mhd);
}

static void take_reply(struct request *r)
{
	buf_free(&r->reply.body);
	r->reply = r->given;
	r->given.body = BUF(0);
	r->given.stream = NULL;
}

static void take(struct request *r)
{
	assert(r->lent);
	r->lent = false;
	if (r->state == REQ_KNOCKING && r->given.status == 200) {
		resume(r, REQ_ADMITTED);
	} else if (r->state == REQ_KNOCKING || r->state == REQ_DEFERRED) {
		take_reply(r);
		resume(r, r->state == REQ_KNOCKING ? REQ_REFUSED : REQ_ANSWERED);
	} else if (!r->mhd) {
		request_free(r);
	}
}

void request_take_completed(struct http *h)
{
	struct done_requests done = STAILQ_HEAD_INITIALIZER(done);

	assert(on_http_thread(h));

	pthread_mutex_lock(&h->lock);
	STAILQ_CONCAT(&done, &h->done);
	pthread_mutex_unlock(&h->lock);
	while (!STAILQ_EMPTY(&done)) {
		struct request *r = STAILQ_FIRST(&done);

		STAILQ_REMOVE_HEAD(&done, done_link);
		take(r);
	}
}

void request_give_up(struct request *r, const char *why)
{
	assert(r && (r->state == REQ_KNOCKING || r->state == REQ_DEFERRED));
	unavailable(r, why);
	resume(r, r->state == REQ_KNOCKING ? REQ_REFUSED : REQ_ANSWERED);
}
