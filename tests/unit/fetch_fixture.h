/*
 * What the tests of fetch share: a server of misbehaviours, a loop, and what the callbacks saw.
 */
#ifndef TESTS_UNIT_FETCH_FIXTURE_H
#define TESTS_UNIT_FETCH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "server/core/clock.h"
#include "server/core/loop.h"

#define MS US_PER_MS

/* A server of misbehaviours: the path says which. A thread per connection; each ends when its client leaves.
 */

enum { CONNECTIONS_MAX = 64, REQUEST_MAX = 4 << 20 };

static struct {
	int fd, port;
	pthread_t listener, connections[CONNECTIONS_MAX];
	int n;
	atomic_int n_connections, n_requests;
} server;

struct misbehaviour {
	const char *path;
	/* False: the connection is closed. */
	bool (*answer)(int fd, const char *request, size_t len);
};

static inline bool send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool send_text(int fd, const char *text)
{
	return send_all(fd, text, strlen(text));
}

static inline void until_client_leaves(int fd)
{
	char c;

	while (recv(fd, &c, 1, 0) > 0)
		;
}

/* The request itself, head and body, as the body. */
static inline bool answer_echo(int fd, const char *request, size_t len)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
	return send_text(fd, head) && send_all(fd, request, len);
}

static inline bool answer_ok(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* What a HEAD gets: a length without a body. */
static inline bool answer_head(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
}

static inline bool answer_nothing(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	until_client_leaves(fd);
	return false;
}

static inline bool answer_drip(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	while (send_text(fd, "x"))
		nanosleep(&(struct timespec) {.tv_nsec = 20000000}, NULL);
	return false;
}

static inline bool answer_endless(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (send_text(fd, "a\r\n0123456789\r\n"))
		;
	return false;
}

static inline bool answer_redirect(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
}

static inline bool answer_busy(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 429 Slow Down\r\nretry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n"
	                     "Content-Length: 4\r\n\r\nbusy");
}

static inline bool answer_close(int fd, const char *request, size_t len)
{
	(void)fd;
	(void)request;
	(void)len;
	return false;
}

static inline bool answer_partly(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
	return false;
}

static inline bool answer_garbage(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	send_text(fd, "SSH-2.0-OpenSSH_9.2\r\n");
	return false;
}

static const struct misbehaviour misbehaviours[] = {
	{"/echo", answer_echo},         {"/ok", answer_ok},           {"/head", answer_head},
	{"/hang", answer_nothing},      {"/drip", answer_drip},       {"/endless", answer_endless},
	{"/redirect", answer_redirect}, {"/busy", answer_busy},       {"/close", answer_close},
	{"/partly", answer_partly},     {"/garbage", answer_garbage},
};

static inline size_t request_length(const char *request)
{
	const char *end = strstr(request, "\r\n\r\n"), *length;

	if (!end)
		return SIZE_MAX;
	length = strcasestr(request, "\r\nContent-Length:");
	return (size_t)(end - request) + 4 + (length && length < end ? strtoul(strchr(length, ':') + 1, NULL, 10) : 0);
}

static inline bool answer(int fd, const char *request, size_t len)
{
	const char *path = strchr(request, ' ');

	for (size_t i = 0; path && i < ARRAY_LEN(misbehaviours); i++) {
		size_t n = strlen(misbehaviours[i].path);

		if (!strncmp(path + 1, misbehaviours[i].path, n) && path[1 + n] == ' ')
			return misbehaviours[i].answer(fd, request, len);
	}
	return false;
}

static inline void *serve(void *arg)
{
	CLEANUP(cleanup_fd) int fd = (int)(intptr_t)arg;
	CLEANUP(cleanup_free) char *request = malloc(REQUEST_MAX + 1);
	size_t len = 0;

	while (request && len < REQUEST_MAX) {
		ssize_t n = recv(fd, request + len, REQUEST_MAX - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		request[len] = '\0';
		if (request_length(request) > len)
			continue;
		atomic_fetch_add(&server.n_requests, 1);
		if (!answer(fd, request, len))
			break;
		len = 0;
	}
	return NULL;
}

static inline void *listen_on(void *arg)
{
	int fd;

	while ((fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (server.n == CONNECTIONS_MAX)
			abort();
		atomic_fetch_add(&server.n_connections, 1);
		pthread_create(&server.connections[server.n++], NULL, serve, (void *)(intptr_t)fd);
	}
	return arg;
}

static inline int bind_somewhere(int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* The client's side: a loop, and what the callbacks saw. */

static struct loop *loop;
static int fds_before;

static struct seen {
	int calls;
	struct fetch_result r;
	char *body, error_text[300], retry_after[100];
	int64_t took_us;
} seen;

static int awaited; /* callbacks until the loop stops */

static inline int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline void forget_seen(void)
{
	free(seen.body);
	seen = (struct seen) {0};
}

static inline int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	awaited = 0;
	server.n = 0;
	server.n_connections = server.n_requests = 0;
	server.fd = bind_somewhere(&server.port);
	assert_int_equal(listen(server.fd, CONNECTIONS_MAX), 0);
	pthread_create(&server.listener, NULL, listen_on, NULL);
	return loop_new(&loop);
}

static inline int teardown(void **state)
{
	(void)state;
	loop_free(loop); /* closes its connections, so the server's threads end */
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.listener, NULL);
	for (int i = 0; i < server.n; i++)
		pthread_join(server.connections[i], NULL);
	close(server.fd);
	forget_seen();
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

static inline void ended(void *arg, const struct fetch_result *r)
{
	int calls = seen.calls + 1;

	(void)arg;
	forget_seen();
	seen.calls = calls;
	seen.r = *r;
	seen.body = malloc(r->body_len + 1);
	memcpy(seen.body, r->body, r->body_len + 1);
	snprintf(seen.error_text, sizeof(seen.error_text), "%s", r->error_text);
	snprintf(seen.retry_after, sizeof(seen.retry_after), "%s", r->retry_after ? r->retry_after : "none");
	if (--awaited <= 0)
		loop_stop(loop);
}

static inline void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static inline void run_for(int64_t us)
{
	assert_non_null(loop_timer_at(loop, clock_mono_us() + us, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
}

static inline const char *url_of(const char *path)
{
	static char url[100];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server.port, path);
	return url;
}

static inline struct fetch_spec spec_of(const char *path)
{
	return (struct fetch_spec) {
		.method = "GET", .url = url_of(path), .timeout_us = 20 * US_PER_S, .max_body = 8 << 20};
}

static inline void run_spec(const struct fetch_spec *spec)
{
	int64_t start = clock_mono_us();

	forget_seen();
	assert_int_equal(loop_fetch(loop, spec, ended, NULL, NULL), 0);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.calls, 1);
	seen.took_us = clock_mono_us() - start;
}

static inline void run(const char *path)
{
	struct fetch_spec spec = spec_of(path);

	run_spec(&spec);
}

#endif
