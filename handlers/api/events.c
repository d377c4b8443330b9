/*
 * The audit trail: GET /api/v1/events, a list or, for who asks for text/event-stream, a stream that goes on (WHATWG
 * HTML, 9.2).
 *
 *   retry: 3000             once, with the id that the stream begins behind
 *   id: 41
 *
 *   id: 42                  an event: data is what the list has as an item, on one line
 *   data: {"id":42,…}
 *
 *   : keep-alive            when nothing happened for a while
 *
 * Events have no "event:" line: onmessage gets all of them, also of kinds that a client never heard of; the kind is
 * "what" in data.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "handlers/api/accept.h"
#include "handlers/api/api.h"
#include "server/core/http_reply.h"
#include "server/core/thread.h"

#define RETRY_MS   3000
#define PIECE      (32 * 1024) /* bytes of a piece, but for its last event */
#define PIECE_ROWS 32
#define FOUND_MAX  (1024 * 1024)
#define ID_DIGITS  18 /* fit into 63 bits */

/* --- an event --- */

static struct json_object *event_json(const struct event *e)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "id", e->id);
	json_add_time(o, "at", e->at_us);
	json_add(o, "incident", e->incident_id ? json_object_new_int64(e->incident_id) : NULL);
	json_add_str(o, "rollout", e->rollout && e->rollout[0] ? e->rollout : NULL);
	json_add_str(o, "who", e->who);
	json_add_str(o, "what", e->what);
	json_add_str(o, "note", e->note ? e->note : "");
	return o;
}

/* --- the stream ---
 *
 * One read at a time is under way for it; what that finds waits in found until the client has taken what came before.
 */

struct event_stream {
	struct http_stream base; /* first */
	struct db *db;
	char *rollout; /* owned; NULL: all */
	int64_t last;  /* the id that was found last; of the read that is under way */
	struct db_read_job job;
	pthread_mutex_t lock; /* guards the rest */
	bool reading;
	bool again;       /* there may be more than that read has seen */
	bool closed;      /* freed while it was reading */
	int error;        /* ends it */
	struct buf found; /* whoever reads, while it reads */
};

static struct event_stream *of_job(struct db_read_job *job)
{
	return (struct event_stream *)((char *)job - offsetof(struct event_stream, job));
}

static void tell(struct event_stream *s, const struct event *e, struct buf *out)
{
	assert(s && e && out);
	CLEANUP(json_cleanup) struct json_object *o = event_json(e);

	buf_printf(out, "id: %lld\ndata: %s\n\n", (long long)e->id, json_text(o));
	s->last = e->id;
}

static int read_on(struct db_conn *c, struct db_read_job *job)
{
	struct event_stream *s = of_job(job);
	struct event_filter f = {.rollout = s->rollout, .after_id = s->last, .oldest_first = true, .limit = PIECE_ROWS};
	struct event_list l = {0};
	int r = event_find(c, &f, &l);

	assert(s->found.len == 0);
	for (size_t i = 0; r == 0 && i < l.n && s->found.len < PIECE; i++)
		tell(s, &l.item[i], &s->found);
	event_list_free(&l);
	return r;
}

static void destroy(struct event_stream *s)
{
	assert(!s->reading);
	pthread_mutex_destroy(&s->lock);
	buf_free(&s->found);
	free(s->rollout);
	free(s);
}

static void read_ended(struct db_read_job *job, int result);

/* Under the lock. What finds no room, or no time, is tried again when it is asked next: at the next beat at the latest.
 */
static void begin_read(struct event_stream *s)
{
	assert(!s->reading && s->found.len == 0);
	s->again = false;
	s->job = (struct db_read_job) {.run = read_on, .done = read_ended};
	s->reading = true;
	int r = db_read(s->db, &s->job, DB_READ_CHEAP);
	s->reading = r == 0; /* it ends under the lock */
	if (r == -ESHUTDOWN)
		s->error = r;
}

static void read_ended(struct db_read_job *job, int result)
{
	struct event_stream *s = of_job(job);

	pthread_mutex_lock(&s->lock);
	bool closed = s->closed;
	s->reading = false;
	if (result < 0 && result != -EAGAIN && result != -ETIMEDOUT)
		s->error = result;
	if (!closed && (s->found.len || s->error))
		s->base.ready(&s->base);
	else if (!closed && s->again)
		begin_read(s);
	pthread_mutex_unlock(&s->lock);
	if (closed)
		destroy(s);
}

static void look(struct http_stream *stream)
{
	assert(thread_may(THREAD_HTTP));
	struct event_stream *s = (struct event_stream *)stream;

	pthread_mutex_lock(&s->lock);
	if (s->reading)
		s->again = true;
	else if (!s->error && s->found.len == 0)
		begin_read(s);
	pthread_mutex_unlock(&s->lock);
}

static int next(struct http_stream *stream, struct buf *out)
{
	assert(out && out->len == 0 && thread_may(THREAD_HTTP));
	struct event_stream *s = (struct event_stream *)stream;

	pthread_mutex_lock(&s->lock);
	int r = s->reading || s->found.len ? 0 : s->error;
	if (!s->reading && s->found.len) {
		buf_free(out);
		*out = s->found;
		s->found = BUF(FOUND_MAX);
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void stream_free(struct http_stream *stream)
{
	struct event_stream *s = (struct event_stream *)stream;

	pthread_mutex_lock(&s->lock);
	s->closed = true;
	bool reading = s->reading;
	pthread_mutex_unlock(&s->lock);
	if (!reading)
		destroy(s);
}

/* Where the stream begins. An id that is not there yet is of another record (a state directory that was restored or
 * made anew), or of events that are no longer kept: then it is from now on, too. */
static int first_id(const struct api_read *q, struct http_reply *reply, int64_t *ret)
{
	assert(ret);
	const char *text = q->req->header(q->req, "Last-Event-ID");
	size_t len = text ? strlen(text) : 0;
	int64_t newest = 0;
	int r = event_newest(q->conn, &newest);

	if (r < 0) {
		api_answer_errno(reply, r, "");
		return r;
	}
	if (len > ID_DIGITS || (len && strspn(text, "0123456789") != len)) {
		http_error(reply, 400, "bad_data",
		           "Last-Event-ID must be the id of an event, or 0 for all that are kept");
		return -EINVAL;
	}
	int64_t id = len ? strtoll(text, NULL, 10) : newest;
	*ret = id < newest ? id : newest;
	return 0;
}

static struct event_stream *stream_new(struct db *db, const char *rollout, int64_t first)
{
	struct event_stream *s = calloc(1, sizeof(*s));

	if (!s || (rollout && !(s->rollout = strdup(rollout)))) {
		free(s);
		return NULL;
	}
	s->base = (struct http_stream) {.next = next, .free = stream_free, .beat = ": keep-alive\n\n", .look = look};
	s->db = db;
	s->last = first;
	s->found = BUF(FOUND_MAX);
	pthread_mutex_init(&s->lock, NULL);
	/* An id without data is no event, and is remembered: who was cut off before the first event misses nothing. */
	buf_printf(&s->found, "retry: %d\nid: %lld\n\n", RETRY_MS, (long long)first);
	return s;
}

static enum http_verdict events_stream(const struct api_read *q, struct http_reply *reply)
{
	const struct http_req *req = q->req;
	int64_t first = 0;

	if (req->param(req, "limit") || req->param(req, "cursor")) {
		http_error(reply, 400, "bad_data",
		           "a stream has no limit and no cursor: the header Last-Event-ID says where it goes on");
		return HTTP_REPLIED;
	}
	if (first_id(q, reply, &first) < 0)
		return HTTP_REPLIED;
	struct event_stream *s = stream_new(q->api->db, req->param(req, "rollout"), first);
	if (!s) {
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	reply->content_type = "text/event-stream";
	reply->stream = &s->base;
	return HTTP_REPLIED;
}

/* --- the list --- */

enum http_verdict events_list(const struct api_read *q, struct http_reply *reply)
{
	struct event_filter f = {.rollout = q->req->param(q->req, "rollout")};
	struct event_list l = {0};

	if (q->req->method == HTTP_GET &&
	    accept_prefers(q->req->header(q->req, "Accept"), "text/event-stream", "application/json"))
		return events_stream(q, reply);
	if (api_page(q->req, reply, &f.limit, &f.before_id) < 0)
		return HTTP_REPLIED;
	struct api_list page = api_list_begin(reply, f.limit++);
	int r = event_find(q->conn, &f, &l);
	if (r < 0) {
		buf_free(&reply->body);
		api_answer_errno(reply, r, "");
		return HTTP_REPLIED;
	}
	for (size_t i = 0; i < l.n && api_list_add(&page, event_json(&l.item[i]), l.item[i].id); i++)
		;
	event_list_free(&l);
	api_list_end(&page);
	return HTTP_REPLIED;
}
