/*
 * Replies without an end. A stream that has nothing to send is suspended, and costs a connection and nothing
 * else: no thread, no buffer. What makes it go on: http_wake (something may be new), its beat, its end, a
 * peer that goes away. Each stream reads on from where it is only when the client took what was sent before.
 */
#include "server/http/private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/metrics.h"

#define PIECE_MAX     (1024 * 1024)    /* the usual piece is 32 kB */
#define BLOCK         (16 * 1024)      /* asked for at once by the library, at most */
#define WAKE_GAP_US   (50 * US_PER_MS) /* in a storm of commits; webhooks come first */
#define OF_CONNS      4                /* a quarter */
#define RETRY_AFTER_S 5

static void resume(struct request *r)
{
	assert(on_http_thread(r->http) && r->stream.open);
	conn_phase(r->http, r->conn, PHASE_STREAM, r->stream.piece.len);
	MHD_resume_connection(r->mhd);
}

static bool is_waiting(const struct request *r)
{
	return r->conn->phase == PHASE_WAITING;
}

static bool is_over(const struct request *r)
{
	const struct http *h = r->http;

	return r->conn->gone || h->stage != STAGE_RUN || h->now_us >= r->stream.until_us ||
	       r->generation != atomic_load(&h->generation);
}

/* 1: there is something to send, 0: nothing for now, -errno: the end. */
static int take(struct request *r)
{
	struct stream *s = &r->stream;

	if (is_over(r))
		return -ESHUTDOWN;
	buf_free(&s->piece);
	s->piece = BUF(PIECE_MAX);
	s->sent = 0;
	int n = r->reply.stream->next(r->reply.stream, &s->piece);
	if (n < 0 || s->piece.error) {
		buf_free(&s->piece);
		return n < 0 ? n : s->piece.error;
	}
	return s->piece.len > 0;
}

/* The same; what has nothing looks for more. */
static int refill(struct request *r)
{
	int n = take(r);

	if (n == 0 && r->reply.stream->look)
		r->reply.stream->look(r->reply.stream);
	return n;
}

static ssize_t end(struct request *r, int error)
{
	if (error == -ESHUTDOWN)
		return MHD_CONTENT_READER_END_OF_STREAM;
	http_warn(r->http, "a stream was cut off", "error", strerror(-error));
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The library wants more: all it had is with the kernel. */
static ssize_t read_on(void *request, uint64_t pos, char *out, size_t max)
{
	struct request *r = request;
	struct stream *s = &r->stream;

	assert(s->open && s->sent <= s->piece.len && max > 0);
	(void)pos;
	int n = s->sent < s->piece.len ? 1 : refill(r);
	if (n < 0)
		return end(r, n);
	if (n == 0) {
		buf_free(&s->piece);
		conn_phase(r->http, r->conn, PHASE_WAITING, 0);
		MHD_suspend_connection(r->mhd);
		return 0;
	}
	size_t len = s->piece.len - s->sent < max ? s->piece.len - s->sent : max;
	memcpy(out, s->piece.data + s->sent, len);
	s->sent += len;
	conn_phase(r->http, r->conn, PHASE_STREAM, len);
	return (ssize_t)len;
}

/* --- begin and end --- */

static unsigned most(const struct http *h)
{
	unsigned part = conn_limit(h) / OF_CONNS;

	return h->limits.streams < part ? h->limits.streams : part;
}

static void refuse(struct request *r, const char *why)
{
	r->reply.retry_after_s = RETRY_AFTER_S;
	http_error(&r->reply, 503, "unavailable", "%s", why);
}

/* Any thread. */
static void ready(struct http_stream *s)
{
	struct http *h = s->server;

	if (!atomic_exchange(&h->ready, true))
		http_ring(h);
}

struct MHD_Response *stream_open(struct request *r)
{
	struct http *h = r->http;
	struct MHD_Response *response = NULL;

	assert(on_http_thread(h) && !r->stream.open && r->reply.stream && r->reply.stream->next &&
	       r->reply.stream->beat);
	if (h->stage != STAGE_RUN)
		refuse(r, "rollbackd is stopping");
	else if (atomic_load(&h->n_streams) >= most(h))
		refuse(r, "as many streams are open as there may be; try again later");
	else if (!(response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_on, r, NULL)))
		refuse(r, "out of memory");
	if (!response)
		return NULL;
	r->close = true;
	r->stream.open = true;
	r->reply.stream->server = h;
	r->reply.stream->ready = ready;
	r->stream.until_us = h->now_us + h->limits.stream_us;
	LIST_INSERT_HEAD(&h->streams, r, stream.link);
	/* Before the first look into the record: what is committed after that look finds a stream to wake. */
	metric_set(M_STREAMS, 0, (int64_t)atomic_fetch_add(&h->n_streams, 1) + 1);
	conn_watch(h, r->conn);
	return response;
}

void stream_free(struct request *r)
{
	if (r->stream.open) {
		LIST_REMOVE(r, stream.link);
		metric_set(M_STREAMS, 0, (int64_t)atomic_fetch_sub(&r->http->n_streams, 1) - 1);
	}
	buf_free(&r->stream.piece);
	if (r->reply.stream)
		r->reply.stream->free(TAKE(r->reply.stream));
}

/* --- what makes them go on --- */

void http_wake(struct http *h)
{
	if (atomic_load(&h->n_streams) > 0 && !atomic_exchange(&h->woken, true))
		http_ring(h);
}

void http_end_streams(struct http *h)
{
	atomic_fetch_add(&h->generation, 1);
	http_wake(h);
}

int64_t stream_wake_at(const struct http *h)
{
	return atomic_load(&h->ready) ? 0 : atomic_load(&h->woken) ? h->wake_us : INT64_MAX;
}

static void go_on(struct http *h)
{
	for (struct request *r = LIST_FIRST(&h->streams); r; r = LIST_NEXT(r, stream.link))
		if (is_waiting(r) && take(r) != 0)
			resume(r);
}

static void wake(struct request *r)
{
	if (r->reply.stream->look && !is_over(r))
		r->reply.stream->look(r->reply.stream);
	else if (take(r) != 0)
		resume(r);
}

void stream_turn(struct http *h)
{
	if (atomic_exchange(&h->ready, false))
		go_on(h);
	if (!atomic_load(&h->woken) || h->now_us < h->wake_us)
		return;
	atomic_store(&h->woken, false);
	h->wake_us = h->now_us + WAKE_GAP_US;
	for (struct request *r = LIST_FIRST(&h->streams); r; r = LIST_NEXT(r, stream.link))
		if (is_waiting(r))
			wake(r);
}

/* When that is sent it looks for more, too: the wakening is a shortcut. */
void stream_due(struct request *r)
{
	assert(r->stream.open && is_waiting(r));
	if (take(r) == 0)
		buf_str(&r->stream.piece, r->reply.stream->beat);
	resume(r);
}

void stream_gone(struct conn *c)
{
	assert(c->watched);
	c->gone = true;
	if (c->phase == PHASE_WAITING)
		resume(c->request);
}

void stream_end_all(struct http *h)
{
	for (struct request *r = LIST_FIRST(&h->streams); r; r = LIST_NEXT(r, stream.link))
		if (is_waiting(r))
			resume(r);
}
