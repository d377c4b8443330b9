/*
 * A server with a few routes and raw clients on loopback, shared by the tests of the HTTP server.
 */
#ifndef TESTS_UNIT_HTTP_BENCH_H
#define TESTS_UNIT_HTTP_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/http/server.h"
#include "server/web/form.h"

#define HELD_MAX 256

/* --- the server's side --- */

struct bench_stream;

static bool bench_elsewhere; /* what a stream has is found by the worker, and a stream's reply is a deferred one */

struct bench {
	struct http *http;
	pthread_t worker;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct http_req *queue[HELD_MAX], *held[HELD_MAX]; /* /defer waits for the worker, /hold for the test */
	size_t n_queue, n_held;
	LIST_HEAD(bench_looking, bench_stream) looking; /* streams for the worker */
	bool stop;
	struct buf feed;    /* what /stream sends, from the beginning; under the lock, as are the next two */
	int feed_error;     /* what ends it after that; 0: nothing */
	int looks;          /* how often a stream was asked for more */
	int streams;        /* open ones */
	atomic_int handled; /* calls of any handler */
};

struct bench_stream {
	struct http_stream base; /* first */
	struct bench *bench;
	size_t at, found; /* found: by the worker */
	bool looking, looks;
	LIST_ENTRY(bench_stream) link;
};

static inline struct http_stream *bench_stream_new(struct bench *b);

static inline void bench_answer_with(struct bench *b, struct http_req *req)
{
	struct http_reply reply = {.body = BUF(1 << 20)};

	if (!strncmp(req->path, "/stream", strlen("/stream"))) {
		reply.content_type = "text/event-stream";
		reply.stream = bench_stream_new(b);
	} else {
		buf_add(&reply.body, req->body, req->body_len);
	}
	req->complete(req, &reply);
}

static inline void bench_answer(struct http_req *req)
{
	bench_answer_with(NULL, req);
}

/* Under the lock. */
static inline void bench_look_one(struct bench *b)
{
	struct bench_stream *s = LIST_FIRST(&b->looking);

	LIST_REMOVE(s, link);
	s->looking = false;
	b->looks++;
	if (s->found < b->feed.len || b->feed_error) {
		s->found = b->feed.len;
		s->base.ready(&s->base);
	}
}

static inline void *bench_work(void *arg)
{
	struct bench *b = arg;

	pthread_mutex_lock(&b->lock);
	while (!b->stop) {
		if (!LIST_EMPTY(&b->looking)) {
			bench_look_one(b);
			continue;
		}
		struct http_req *req = b->n_queue ? b->queue[--b->n_queue] : NULL;

		if (!req) {
			pthread_cond_wait(&b->changed, &b->lock);
			continue;
		}
		pthread_mutex_unlock(&b->lock);
		bench_answer_with(b, req);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static inline void bench_keep(struct bench *b, struct http_req **list, size_t *n, struct http_req *req)
{
	pthread_mutex_lock(&b->lock);
	assert_true(*n < HELD_MAX);
	list[(*n)++] = req;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

static inline void bench_wait_held(struct bench *b, size_t n)
{
	pthread_mutex_lock(&b->lock);
	while (b->n_held < n)
		pthread_cond_wait(&b->changed, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

static inline void bench_release(struct bench *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->n_held) {
		struct http_req *req = b->held[--b->n_held];

		pthread_mutex_unlock(&b->lock);
		bench_answer_with(b, req);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
}

static inline void *bench_answer_thread(void *req)
{
	bench_answer(req);
	return NULL;
}

/* --- a stream --- */

#define FEED_MAX   (64 << 20)
#define FEED_PIECE 32768

static inline int bench_next(struct http_stream *stream, struct buf *out)
{
	struct bench_stream *s = (struct bench_stream *)stream;
	struct bench *b = s->bench;

	pthread_mutex_lock(&b->lock);
	size_t left = (s->looks ? s->found : b->feed.len) - s->at, n = left < FEED_PIECE ? left : FEED_PIECE;
	if (n)
		buf_add(out, b->feed.data + s->at, n);
	s->at += n;
	b->looks += !s->looks;
	int r = n ? 0 : b->feed_error;
	pthread_mutex_unlock(&b->lock);
	return r;
}

static inline void bench_look(struct http_stream *stream)
{
	struct bench_stream *s = (struct bench_stream *)stream;

	pthread_mutex_lock(&s->bench->lock);
	if (!s->looking)
		LIST_INSERT_HEAD(&s->bench->looking, s, link);
	s->looking = true;
	pthread_cond_broadcast(&s->bench->changed);
	pthread_mutex_unlock(&s->bench->lock);
}

static inline void bench_stream_free(struct http_stream *stream)
{
	struct bench_stream *s = (struct bench_stream *)stream;
	struct bench *b = s->bench;

	pthread_mutex_lock(&b->lock);
	if (s->looking)
		LIST_REMOVE(s, link);
	b->streams--;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	free(stream);
}

static inline struct http_stream *bench_stream_new(struct bench *b)
{
	struct bench_stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	*s = (struct bench_stream) {.base = {.next = bench_next, .free = bench_stream_free, .beat = ": beat\n\n"},
	                            .bench = b};
	s->looks = bench_elsewhere;
	s->base.look = bench_elsewhere ? bench_look : NULL;
	pthread_mutex_lock(&b->lock);
	b->streams++;
	pthread_mutex_unlock(&b->lock);
	return &s->base;
}

static inline void bench_wait_streams(struct bench *b, int n)
{
	pthread_mutex_lock(&b->lock);
	while (b->streams != n)
		pthread_cond_wait(&b->changed, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

static inline void bench_feed(struct bench *b, const char *text)
{
	pthread_mutex_lock(&b->lock);
	assert_int_equal(buf_str(&b->feed, text), 0);
	pthread_mutex_unlock(&b->lock);
	http_wake(b->http);
}

static inline enum http_verdict bench_handle(void *arg, struct http_req *req, struct http_reply *reply)
{
	struct bench *b = arg;
	pthread_t other;

	atomic_fetch_add(&b->handled, 1);
	reply->body.max = 32 << 20;
	if (!strcmp(req->path, "/echo") || !strcmp(req->path, "/deposit")) {
		buf_add(&reply->body, req->body, req->body_len);
		return HTTP_REPLIED;
	}
	if (!strcmp(req->path, "/defer")) {
		bench_keep(b, b->queue, &b->n_queue, req);
		return HTTP_DEFERRED;
	}
	if (!strcmp(req->path, "/stream") && bench_elsewhere) {
		bench_keep(b, b->queue, &b->n_queue, req);
		return HTTP_DEFERRED;
	}
	if (!strcmp(req->path, "/hold") || !strcmp(req->path, "/stream-held")) {
		bench_keep(b, b->held, &b->n_held, req);
		return HTTP_DEFERRED;
	}
	if (!strcmp(req->path, "/at-once")) {
		assert_int_equal(pthread_create(&other, NULL, bench_answer_thread, req), 0);
		pthread_join(other, NULL);
		return HTTP_DEFERRED;
	}
	if (!strcmp(req->path, "/stream")) {
		reply->content_type = "text/event-stream";
		reply->stream = bench_stream_new(b);
		return HTTP_REPLIED;
	}
	if (!strcmp(req->path, "/overrun")) {
		reply->body.max = 3;
		buf_str(&reply->body, "too long");
		return HTTP_REPLIED;
	}
	if (!strcmp(req->path, "/big")) {
		while (reply->body.len < 200000)
			buf_str(&reply->body, "0123456789");
		return HTTP_REPLIED;
	}
	if (!strcmp(req->path, "/tagged")) {
		snprintf(reply->etag, sizeof(reply->etag), "\"7\"");
		reply->status = req->header(req, "If-None-Match") ? 304 : 200;
		return HTTP_REPLIED;
	}
	const char *a = req->form ? form_get(req->form, "a") : req->param(req, "a"), *x = req->header(req, "x-thing");
	reply->content_type = "text/plain; charset=utf-8";
	buf_printf(&reply->body, "%s %s user=%s a=%s x=%s", req->method_name, req->path, req->user, a ? a : "none",
	           x ? x : "none");
	return HTTP_REPLIED;
}

static inline struct http_admission bench_admit(void *arg, enum http_method asked, const char *wanted)
{
	static const struct {
		const char *path;
		enum http_method method;
		unsigned roles;
		bool form;
	} routes[] = {
		{"/hello", HTTP_GET, 0, false},
		{"/tagged", HTTP_GET, 0, false},
		{"/big", HTTP_GET, 0, false},
		{"/overrun", HTTP_GET, 0, false},
		{"/echo", HTTP_POST, 0, false},
		{"/defer", HTTP_POST, 0, false},
		{"/hold", HTTP_POST, 0, false},
		{"/at-once", HTTP_POST, 0, false},
		{"/secret", HTTP_GET, 1024, false},
		{"/stream", HTTP_GET, 0, false},
		{"/stream-held", HTTP_GET, 0, false},
		{"/private", HTTP_GET, ROLE_VIEWER, false},
		{"/deposit", HTTP_POST, ROLE_VIEWER, false},
		{"/form", HTTP_POST, ROLE_VIEWER, true},
	};

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (strcmp(routes[i].path, wanted) != 0)
			continue;
		if (asked != routes[i].method && (asked != HTTP_HEAD || routes[i].method != HTTP_GET))
			return (struct http_admission) {.status = 405,
			                                .allow = routes[i].method == HTTP_GET ? "GET, HEAD" : "POST"};
		return (struct http_admission) {.status = 200,
		                                .roles = routes[i].roles,
		                                .takes_body = asked == HTTP_POST,
		                                .form = routes[i].form,
		                                .params = "a"};
	}
	return (struct http_admission) {.status = 404};
}

/* o may be NULL. */
static inline struct bench *bench_start(const struct http_options *o)
{
	static const char *const loopback[] = {"127.0.0.1:0"}, *const host[] = {"a"};
	struct http_options options = {.addresses = loopback, .n_addresses = 1};
	struct bench *b = calloc(1, sizeof(*b));
	char why[300] = "";

	assert_non_null(b);
	if (o)
		options = *o;
	if (!options.addresses) {
		options.addresses = loopback;
		options.n_addresses = 1;
	}
	if (!options.allowed_hosts) {
		options.allowed_hosts = host;
		options.n_allowed_hosts = 1;
	}
	options.admit = bench_admit;
	options.handle = bench_handle;
	options.arg = b;
	b->feed = BUF(FEED_MAX);
	LIST_INIT(&b->looking);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	if (http_start(&options, &b->http, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(pthread_create(&b->worker, NULL, bench_work, b), 0);
	return b;
}

static inline void bench_stop(struct bench *b)
{
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->worker, NULL);
	http_stop(b->http);
	buf_free(&b->feed);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* --- the client's side: nothing waits longer than 10 s --- */

static inline int client_socket(int family)
{
	struct timeval bound = {.tv_sec = 10};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	return fd;
}

static inline int client_try(int fd, int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons((in_port_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};

	return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
}

static inline int client_open(const struct bench *b)
{
	int fd = client_socket(AF_INET);

	assert_int_equal(client_try(fd, http_port(b->http, 0)), 0);
	return fd;
}

/* The server may have closed already: that is no failure here. */
static inline void client_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

static inline void PRINTF_LIKE(2, 3) client_say(int fd, const char *fmt, ...)
{
	struct buf b = BUF(1 << 20);
	va_list ap;

	va_start(ap, fmt);
	assert_int_equal(buf_vprintf(&b, fmt, ap), 0);
	va_end(ap);
	client_send(fd, b.data, b.len);
	buf_free(&b);
}

struct answer {
	int status; /* 0: closed without an answer */
	struct buf head, body;
};

static inline void answer_free(struct answer *a)
{
	buf_free(&a->head);
	buf_free(&a->body);
}

static inline bool read_head(int fd, struct answer *a)
{
	char c;

	while (!a->head.data || !strstr(a->head.data, "\r\n\r\n")) {
		ssize_t n = recv(fd, &c, 1, 0);

		if (n < 0 && errno == EAGAIN)
			fail_msg("no answer within 10 s");
		if (n <= 0)
			return false;
		assert_int_equal(buf_char(&a->head, c), 0);
	}
	return true;
}

/* The value of a header, in static memory; NULL when it is missing. */
static inline const char *answer_header(const struct answer *a, const char *name)
{
	static _Thread_local char value[300];
	char line[64];

	snprintf(line, sizeof(line), "\n%s:", name);
	const char *at = strcasestr(a->head.data, line);
	if (!at)
		return NULL;
	at += strlen(line);
	at += strspn(at, " ");
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}

/* One answer; of a HEAD request without a body. */
static inline struct answer client_read(int fd, bool head)
{
	struct answer a = {.head = BUF(100000), .body = BUF(1 << 20)};
	char room[4096];

	if (!read_head(fd, &a))
		return a;
	assert_int_equal(sscanf(a.head.data, "HTTP/1.%*d %d", &a.status), 1);
	const char *length = answer_header(&a, "Content-Length");
	size_t left = length && !head && a.status != 304 ? (size_t)atol(length) : 0;
	while (left > 0) {
		ssize_t n = recv(fd, room, left < sizeof(room) ? left : sizeof(room), 0);

		if (n <= 0)
			break;
		buf_add(&a.body, room, (size_t)n);
		left -= (size_t)n;
	}
	assert_int_equal(left, 0);
	return a;
}

/* True once the server has closed; false when it sent more instead. */
static inline bool client_is_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	if (n < 0 && errno == EAGAIN)
		fail_msg("the server did not close within 10 s");
	return n <= 0;
}

/* One request over a connection of its own. */
static inline struct answer PRINTF_LIKE(2, 3) client_ask(const struct bench *b, const char *fmt, ...)
{
	struct buf text = BUF(1 << 20);
	va_list ap;

	va_start(ap, fmt);
	assert_int_equal(buf_vprintf(&text, fmt, ap), 0);
	va_end(ap);
	int fd = client_open(b);
	client_send(fd, text.data, text.len);
	struct answer a = client_read(fd, !strncmp(text.data, "HEAD", 4));
	close(fd);
	buf_free(&text);
	return a;
}

#endif
