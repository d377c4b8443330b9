/*
 * An HTTP server for tests: one thread, one request per connection, answers from a table by the path's
 * beginning.
 */
#ifndef TESTS_UNIT_FAKE_HTTP_H
#define TESTS_UNIT_FAKE_HTTP_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKE_REQUEST_MAX 65536
#define FAKE_HELD_MAX    64

struct fake_answer {
	const char *path; /* how the request's target begins */
	int status;       /* 0: never answered, the connection stays open */
	const char *body;
};

static struct fake_http {
	int fd, port, n_requests, n_held;
	int held[FAKE_HELD_MAX];
	char last[FAKE_REQUEST_MAX]; /* the last request, whole */
	const struct fake_answer *answers;
	size_t n_answers;
	pthread_mutex_t lock; /* guards all above but fd and port */
	pthread_t thread;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline size_t fake_body_len(const char *request)
{
	const char *len = strcasestr(request, "\r\nContent-Length:");

	return len ? strtoul(len + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

static inline void fake_read(int fd, char *request)
{
	size_t n = 0;
	const char *end;

	request[0] = '\0';
	while (n < FAKE_REQUEST_MAX - 1) {
		ssize_t got = recv(fd, request + n, FAKE_REQUEST_MAX - 1 - n, 0);

		if (got <= 0)
			return;
		n += (size_t)got;
		request[n] = '\0';
		end = strstr(request, "\r\n\r\n");
		if (end && n >= (size_t)(end + 4 - request) + fake_body_len(request))
			return;
	}
}

static inline const struct fake_answer *fake_find(const char *request)
{
	const char *target = strchr(request, ' ');

	for (size_t i = 0; target && i < fake.n_answers; i++)
		if (strncmp(target + 1, fake.answers[i].path, strlen(fake.answers[i].path)) == 0)
			return &fake.answers[i];
	return NULL;
}

/* True: keep the connection. */
static inline int fake_serve(int fd, const char *request)
{
	const struct fake_answer *a = fake_find(request);
	char head[200];

	if (a && a->status == 0)
		return 1;
	snprintf(head, sizeof(head),
	         "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\nLocation: /elsewhere\r\n\r\n",
	         a ? a->status : 404, a ? strlen(a->body) : 0);
	(void)!send(fd, head, strlen(head), MSG_NOSIGNAL);
	if (a)
		(void)!send(fd, a->body, strlen(a->body), MSG_NOSIGNAL);
	return 0;
}

static inline void *fake_run(void *arg)
{
	static char request[FAKE_REQUEST_MAX];
	int fd;

	(void)arg;
	while ((fd = accept(fake.fd, NULL, NULL)) >= 0) {
		fake_read(fd, request);
		pthread_mutex_lock(&fake.lock);
		fake.n_requests++;
		memcpy(fake.last, request, strlen(request) + 1);
		if (fake_serve(fd, request) && fake.n_held < FAKE_HELD_MAX)
			fake.held[fake.n_held++] = fd;
		else
			close(fd);
		pthread_mutex_unlock(&fake.lock);
	}
	return NULL;
}

/* From now on; also forgets what was asked. answers must stay. */
static inline void fake_answers(const struct fake_answer *answers, size_t n)
{
	pthread_mutex_lock(&fake.lock);
	fake.answers = answers;
	fake.n_answers = n;
	fake.n_requests = 0;
	fake.last[0] = '\0';
	pthread_mutex_unlock(&fake.lock);
}

static inline int fake_start(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	fake.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fake.fd < 0 || bind(fake.fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fake.fd, 64) < 0 ||
	    getsockname(fake.fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	fake.port = ntohs(at.sin_port);
	return pthread_create(&fake.thread, NULL, fake_run, NULL) == 0 ? 0 : -1;
}

static inline void fake_stop(void)
{
	shutdown(fake.fd, SHUT_RDWR);
	pthread_join(fake.thread, NULL);
	close(fake.fd);
	for (int i = 0; i < fake.n_held; i++)
		close(fake.held[i]);
	fake.n_held = 0;
}

/* "http://127.0.0.1:PORT" and the path. */
static inline char *fake_url(char *out, size_t size, const char *path)
{
	snprintf(out, size, "http://127.0.0.1:%d%s", fake.port, path);
	return out;
}

#endif
