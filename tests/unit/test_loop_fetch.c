#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
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

static bool send_all(int fd, const char *data, size_t len)
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

static bool send_text(int fd, const char *text)
{
	return send_all(fd, text, strlen(text));
}

static void until_client_leaves(int fd)
{
	char c;

	while (recv(fd, &c, 1, 0) > 0)
		;
}

/* The request itself, head and body, as the body. */
static bool answer_echo(int fd, const char *request, size_t len)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
	return send_text(fd, head) && send_all(fd, request, len);
}

static bool answer_ok(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* What a HEAD gets: a length without a body. */
static bool answer_head(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
}

static bool answer_nothing(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	until_client_leaves(fd);
	return false;
}

static bool answer_drip(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	while (send_text(fd, "x"))
		nanosleep(&(struct timespec) {.tv_nsec = 20000000}, NULL);
	return false;
}

static bool answer_endless(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (send_text(fd, "a\r\n0123456789\r\n"))
		;
	return false;
}

static bool answer_redirect(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
}

static bool answer_busy(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	return send_text(fd, "HTTP/1.1 429 Slow Down\r\nretry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n"
	                     "Content-Length: 4\r\n\r\nbusy");
}

static bool answer_close(int fd, const char *request, size_t len)
{
	(void)fd;
	(void)request;
	(void)len;
	return false;
}

static bool answer_partly(int fd, const char *request, size_t len)
{
	(void)request;
	(void)len;
	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
	return false;
}

static bool answer_garbage(int fd, const char *request, size_t len)
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

static size_t request_length(const char *request)
{
	const char *end = strstr(request, "\r\n\r\n"), *length;

	if (!end)
		return SIZE_MAX;
	length = strcasestr(request, "\r\nContent-Length:");
	return (size_t)(end - request) + 4 + (length && length < end ? strtoul(strchr(length, ':') + 1, NULL, 10) : 0);
}

static bool answer(int fd, const char *request, size_t len)
{
	const char *path = strchr(request, ' ');

	for (size_t i = 0; path && i < ARRAY_LEN(misbehaviours); i++) {
		size_t n = strlen(misbehaviours[i].path);

		if (!strncmp(path + 1, misbehaviours[i].path, n) && path[1 + n] == ' ')
			return misbehaviours[i].answer(fd, request, len);
	}
	return false;
}

static void *serve(void *arg)
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

static void *listen_on(void *arg)
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

static int bind_somewhere(int *port)
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

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void forget_seen(void)
{
	free(seen.body);
	seen = (struct seen) {0};
}

static int setup(void **state)
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

static int teardown(void **state)
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

static void ended(void *arg, const struct fetch_result *r)
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

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void run_for(int64_t us)
{
	assert_non_null(loop_timer_at(loop, clock_mono_us() + us, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
}

static const char *url_of(const char *path)
{
	static char url[100];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server.port, path);
	return url;
}

static struct fetch_spec spec_of(const char *path)
{
	return (struct fetch_spec) {
		.method = "GET", .url = url_of(path), .timeout_us = 20 * US_PER_S, .max_body = 8 << 20};
}

static void run_spec(const struct fetch_spec *spec)
{
	int64_t start = clock_mono_us();

	forget_seen();
	assert_int_equal(loop_fetch(loop, spec, ended, NULL, NULL), 0);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.calls, 1);
	seen.took_us = clock_mono_us() - start;
}

static void run(const char *path)
{
	struct fetch_spec spec = spec_of(path);

	run_spec(&spec);
}

/* Answers. */

static void an_answer_comes_whole(void **state)
{
	(void)state;
	run("/ok");
	assert_int_equal(seen.r.error, 0);
	assert_string_equal(seen.error_text, "");
	assert_int_equal(seen.r.status, 200);
	assert_int_equal(seen.r.body_len, 5);
	assert_string_equal(seen.body, "hello");
	assert_string_equal(seen.retry_after, "none");
}

static void a_request_carries_what_was_asked_and_little_more(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json", "X-Signature: v1=abc", NULL};
	struct fetch_spec spec = spec_of("/echo");

	(void)state;
	spec.method = "PUT";
	spec.headers = headers;
	spec.body = "{\"a\":\"\0b\"}";
	spec.body_len = 10;
	run_spec(&spec);
	assert_int_equal(strncmp(seen.body, "PUT /echo HTTP/1.1\r\n", 20), 0);
	assert_non_null(strstr(seen.body, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(seen.body, "\r\nX-Signature: v1=abc\r\n"));
	assert_non_null(strstr(seen.body, "\r\nUser-Agent: rollbackd/"));
	assert_non_null(strstr(seen.body, "\r\nContent-Length: 10\r\n"));
	assert_null(strcasestr(seen.body, "Expect"));
	assert_null(strcasestr(seen.body, "Encoding"));
	assert_memory_equal(seen.body + seen.r.body_len - 10, "{\"a\":\"\0b\"}", 10);
}

static void a_body_is_not_called_a_web_form_and_may_be_empty(void **state)
{
	struct fetch_spec spec = spec_of("/echo");

	(void)state;
	spec.method = "POST";
	run_spec(&spec);
	assert_int_equal(strncmp(seen.body, "POST /echo ", 11), 0);
	assert_non_null(strstr(seen.body, "\r\nContent-Length: 0\r\n"));
	spec.body = "a=1";
	spec.body_len = 3;
	run_spec(&spec);
	assert_null(strcasestr(seen.body, "Content-Type"));
	spec = spec_of("/echo");
	run_spec(&spec);
	assert_null(strcasestr(seen.body, "Content-"));
}

static void a_long_body_is_sent_without_delay(void **state)
{
	struct fetch_spec spec = spec_of("/echo");
	char *body = malloc(3000000);

	(void)state;
	memset(body, 'z', 3000000);
	spec.method = "POST";
	spec.body = body;
	spec.body_len = 3000000;
	run_spec(&spec);
	assert_int_equal(seen.r.error, 0);
	assert_memory_equal(seen.body + seen.r.body_len - 3000000, body, 3000000);
	assert_true(seen.took_us < 900 * MS); /* curl's wait for "100 Continue" alone is 1 s */
	free(body);
}

static void head_waits_for_no_body(void **state)
{
	struct fetch_spec spec = spec_of("/head");

	(void)state;
	spec.method = "HEAD";
	spec.timeout_us = 5 * US_PER_S;
	run_spec(&spec);
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.status, 200);
	assert_int_equal(seen.r.body_len, 0);
}

static void the_spec_is_copied(void **state)
{
	char url[100], method[] = "POST", body[] = "body", header[] = "X-A: b";
	const char *headers[] = {header, NULL};
	struct fetch_spec spec = {.method = method,
	                          .url = url,
	                          .headers = headers,
	                          .body = body,
	                          .body_len = 4,
	                          .timeout_us = 5 * US_PER_S,
	                          .max_body = 1000};

	(void)state;
	snprintf(url, sizeof(url), "%s", url_of("/echo"));
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), 0);
	memset(url, 0, sizeof(url));
	memset(method, 0, sizeof(method));
	memset(body, 0, sizeof(body));
	memset(header, 0, sizeof(header));
	headers[0] = NULL;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.r.error, 0);
	assert_non_null(strstr(seen.body, "\r\nX-A: b\r\n"));
	assert_string_equal(seen.body + seen.r.body_len - 4, "body");
}

static void retry_after_comes_as_sent(void **state)
{
	(void)state;
	run("/busy");
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.status, 429);
	assert_string_equal(seen.retry_after, "Wed, 21 Oct 2015 07:28:00 GMT");
	assert_string_equal(seen.body, "busy");
}

static void a_redirect_is_an_answer_and_not_followed(void **state)
{
	(void)state;
	run("/redirect");
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.status, 302);
	assert_int_equal(server.n_requests, 1);
}

static void connections_are_used_again(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		run("/ok");
	assert_int_equal(server.n_requests, 5);
	assert_int_equal(server.n_connections, 1);
}

/* Failures. */

static void an_endless_body_is_cut_off_at_its_maximum(void **state)
{
	static const size_t maxima[] = {0, 1, 999, 100000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(maxima); i++) {
		struct fetch_spec spec = spec_of("/endless");

		spec.max_body = maxima[i];
		run_spec(&spec);
		assert_int_equal(seen.r.error, -EMSGSIZE);
		assert_true(strlen(seen.error_text) > 0);
		assert_int_equal(seen.r.status, 200);
		assert_int_equal(seen.r.body_len, maxima[i]);
		for (size_t k = 0; k < maxima[i]; k++)
			assert_int_equal(seen.body[k], '0' + (int)(k % 10));
	}
}

static void answers_that_come_in_together_are_bounded(void **state)
{
	struct fetch_spec spec = spec_of("/endless");

	(void)state;
	spec.max_body = 4 * LOOP_BODIES_MAX;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -EMSGSIZE);
	assert_non_null(strstr(seen.error_text, "together"));
	assert_true(seen.r.body_len <= LOOP_BODIES_MAX);
	run("/ok"); /* it was given back */
	assert_int_equal(seen.r.error, 0);
}

static void a_body_of_just_the_maximum_is_fine(void **state)
{
	struct fetch_spec spec = spec_of("/ok");

	(void)state;
	spec.max_body = 5;
	run_spec(&spec);
	assert_int_equal(seen.r.error, 0);
	spec.max_body = 4;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -EMSGSIZE);
	assert_string_equal(seen.body, "hell");
}

static void the_time_limit_holds_against_silence_and_drip(void **state)
{
	static const struct {
		const char *path, *text;
		int status;
	} rows[] = {
		{"/hang", "time limit reached: connected, but no answer", 0},
		{"/drip", "time limit reached in the middle of the answer", 200},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fetch_spec spec = spec_of(rows[i].path);

		spec.timeout_us = 250 * MS;
		run_spec(&spec);
		assert_int_equal(seen.r.error, -ETIMEDOUT);
		assert_string_equal(seen.error_text, rows[i].text);
		assert_int_equal(seen.r.status, rows[i].status);
		assert_true(seen.took_us >= 250 * MS);
		assert_true(seen.took_us < 1500 * MS);
	}
}

/* A full accept queue swallows connection requests like a dead network. */
static void the_time_limit_holds_against_a_connection_that_never_comes(void **state)
{
	int port, fd = bind_somewhere(&port), fill[8];
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	struct fetch_spec spec = spec_of("/");
	char url[100];

	(void)state;
	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(connect(fill[i], (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS);
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	spec.url = url;
	spec.timeout_us = 200 * MS;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -ETIMEDOUT);
	assert_string_equal(seen.error_text, "time limit reached: could not connect");
	assert_true(seen.took_us < 1500 * MS);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++)
		close(fill[i]);
	close(fd);
}

static void each_failure_has_its_errno_and_a_sentence(void **state)
{
	static const struct {
		const char *path;
		int error, status;
	} rows[] = {{"/close", -EIO, 0}, {"/partly", -EIO, 200}, {"/garbage", -EPROTO, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run(rows[i].path);
		assert_int_equal(seen.r.error, rows[i].error);
		assert_int_equal(seen.r.status, rows[i].status);
		assert_true(strlen(seen.error_text) > 0);
		assert_null(strstr(seen.error_text, rows[i].path));
	}
}

static void a_refused_connection_is_told(void **state)
{
	struct fetch_spec spec = spec_of("/");
	char url[100];
	int port, fd = bind_somewhere(&port); /* bound, not listening */

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/secret", port);
	spec.url = url;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -ECONNREFUSED);
	assert_string_equal(seen.error_text, "connection refused");
	assert_int_equal(seen.r.status, 0);
	assert_int_equal(seen.r.body_len, 0);
	assert_string_equal(seen.body, "");
	close(fd);
}

static void a_wrong_spec_is_refused(void **state)
{
	static const char *const split[] = {"X-A: b\r\nX-Evil: c", NULL}, *const nameless[] = {": b", NULL};
	static const char *const colonless[] = {"X-A", NULL}, *const spaced[] = {"X A: b", NULL};
	static const char *const del[] = {"X-A: \x7f", NULL};
	const struct fetch_spec good = spec_of("/ok");
	struct fetch_spec bad[] = {good, good, good, good, good, good, good, good, good, good, good, good, good, good};

	(void)state;
	bad[0].headers = split;
	bad[1].headers = nameless;
	bad[2].headers = colonless;
	bad[3].headers = spaced;
	bad[4].headers = del;
	bad[5].url = "file:///etc/hostname";
	bad[6].url = "ftp://127.0.0.1/";
	bad[7].url = "http://127.0.0.1/\r\nX-Evil: c";
	bad[8].url = NULL;
	bad[9].method = "";
	bad[10].method = "GET /x HTTP/1.1\r\n";
	bad[11].method = NULL;
	bad[12].timeout_us = 0;
	bad[13].share = LOOP_SHARE_N;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(loop_fetch(loop, &bad[i], ended, NULL, NULL), -EINVAL);
}

static void a_url_that_curl_refuses_is_told(void **state)
{
	static const char *const urls[] = {"http://", "http://user:hunter2@127.0.0.1/", "http://127.0.0.1:99999/"};
	struct fetch_spec spec = spec_of("/");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		spec.url = urls[i];
		run_spec(&spec);
		assert_int_equal(seen.r.error, -EINVAL);
		assert_true(strlen(seen.error_text) > 0);
		assert_null(strstr(seen.error_text, "hunter2"));
	}
}

static void proxies_of_the_environment_are_ignored(void **state)
{
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	run("/ok");
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	assert_int_equal(seen.r.status, 200);
}

static int sockets_to_server(int *without_cloexec)
{
	int n = 0;

	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_in a = {0};
		socklen_t len = sizeof(a);

		if (getpeername(fd, (struct sockaddr *)&a, &len) < 0 || ntohs(a.sin_port) != server.port)
			continue;
		n++;
		*without_cloexec += !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	return n;
}

static void sockets_are_closed_in_programs(void **state)
{
	struct fetch_spec spec = spec_of("/hang");
	int open_to_all = 0;

	(void)state;
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), 0);
	run_for(100 * MS);
	assert_int_equal(sockets_to_server(&open_to_all), 1);
	assert_int_equal(open_to_all, 0);
}

/* Shares. */

static int behind;

static void count_timeout(void *arg, const struct fetch_result *r)
{
	(void)arg;
	assert_int_equal(r->error, -ETIMEDOUT);
	behind += !strcmp(r->error_text, "time limit reached behind other transfers");
	if (--awaited == 0)
		loop_stop(loop);
}

static void a_share_runs_so_many_at_once_and_the_rest_times_out_in_the_queue(void **state)
{
	static const struct {
		enum loop_share share;
		int limit;
	} rows[] = {{LOOP_SHARE_ACT, 16}, {LOOP_SHARE_TELL, 8}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fetch_spec spec = spec_of("/hang");
		int64_t start = clock_mono_us();

		behind = 0;
		server.n_requests = 0;
		awaited = rows[i].limit + 3;
		spec.share = rows[i].share;
		for (int k = 0; k < rows[i].limit + 3; k++) {
			spec.timeout_us = k < rows[i].limit ? 500 * MS : 200 * MS;
			assert_int_equal(loop_fetch(loop, &spec, count_timeout, NULL, NULL), 0);
		}
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(behind, 3);
		assert_int_equal(server.n_requests, rows[i].limit);
		assert_true(clock_mono_us() - start < 2 * US_PER_S);
	}
}

static void a_dead_chat_does_not_hold_up_a_rollback(void **state)
{
	struct fetch_spec tell = spec_of("/hang"), act;
	struct loop_fetch *f;

	(void)state;
	tell.share = LOOP_SHARE_TELL;
	for (int i = 0; i < 100; i++)
		assert_int_equal(loop_fetch(loop, &tell, count_timeout, NULL, &f), 0);
	run_for(50 * MS);
	act = spec_of("/ok");
	run_spec(&act);
	assert_int_equal(seen.r.status, 200);
	assert_true(seen.took_us < US_PER_S);
}

static int order[40], n_order;

static void note_order(void *arg, const struct fetch_result *r)
{
	assert_int_equal(r->error, 0);
	order[n_order++] = (int)(intptr_t)arg;
	if (--awaited == 0)
		loop_stop(loop);
}

static void those_that_wait_get_their_turn(void **state)
{
	struct fetch_spec spec = spec_of("/ok");
	int64_t start = clock_mono_us();
	bool came[40] = {false};

	(void)state;
	n_order = 0;
	awaited = 40;
	spec.share = LOOP_SHARE_TELL;
	for (intptr_t i = 0; i < 40; i++)
		assert_int_equal(loop_fetch(loop, &spec, note_order, (void *)i, NULL), 0);
	assert_int_equal(loop_run(loop), 0);
	for (int i = 0; i < n_order; i++) {
		came[order[i]] = true;
		assert_true(order[i] < i + 8); /* started in order, at most seven beside it */
	}
	for (int i = 0; i < 40; i++)
		assert_true(came[i]);
	assert_true(clock_mono_us() - start < 2 * US_PER_S);
}

static void a_full_queue_is_refused(void **state)
{
	struct fetch_spec spec = spec_of("/ok");
	struct loop_fetch *f = NULL;

	(void)state;
	for (int i = 0; i < 1024; i++)
		assert_int_equal(loop_fetch(loop, &spec, ended, NULL, &f), 0);
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), -EAGAIN);
	loop_fetch_cancel(loop, f);
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), 0);
}

/* Callbacks. */

static void next_in_chain(void *arg, const struct fetch_result *r)
{
	int *left = arg;
	struct fetch_spec spec = spec_of("/ok");

	assert_int_equal(r->error, 0);
	if (--*left > 0)
		assert_int_equal(loop_fetch(loop, &spec, next_in_chain, left, NULL), 0);
	else
		loop_stop(loop);
}

/* Completions read after the wait cost 150 ms each. */
static void one_answer_may_start_the_next_request_without_delay(void **state)
{
	struct fetch_spec spec = spec_of("/ok");
	int left = 30;
	int64_t start = clock_mono_us();

	(void)state;
	assert_int_equal(loop_fetch(loop, &spec, next_in_chain, &left, NULL), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(left, 0);
	assert_true(clock_mono_us() - start < 2 * US_PER_S);
}

static struct loop_fetch *handles[12];

static void cancelled_fetch_called(void *arg, const struct fetch_result *r)
{
	(void)arg;
	(void)r;
	fail();
}

static void cancel_handles(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(handles); i++)
		loop_fetch_cancel(loop, handles[i]);
}

static void cancelled_ones_never_call_back(void **state)
{
	struct fetch_spec spec = spec_of("/hang");

	(void)state;
	spec.share = LOOP_SHARE_TELL; /* eight run, four wait */
	spec.timeout_us = 200 * MS;
	for (size_t i = 0; i < ARRAY_LEN(handles); i++)
		assert_int_equal(loop_fetch(loop, &spec, cancelled_fetch_called, NULL, &handles[i]), 0);
	assert_non_null(loop_timer_at(loop, clock_mono_us() + 50 * MS, cancel_handles, NULL));
	run_for(300 * MS);
	loop_fetch_cancel(loop, NULL);
	run("/ok");
	assert_int_equal(seen.r.status, 200);
}

static int pair_calls;

static void cancel_pair(void *arg, const struct fetch_result *r)
{
	(void)arg;
	assert_int_equal(r->error, -ECONNREFUSED);
	pair_calls++;
	loop_fetch_cancel(loop, handles[0]);
	loop_fetch_cancel(loop, handles[1]);
}

static void a_callback_may_cancel_itself_and_others(void **state)
{
	struct fetch_spec spec = spec_of("/");
	int port, fd = bind_somewhere(&port);
	char url[100];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	spec.url = url;
	pair_calls = 0;
	for (int i = 0; i < 2; i++)
		assert_int_equal(loop_fetch(loop, &spec, cancel_pair, NULL, &handles[i]), 0);
	run_for(200 * MS);
	assert_int_equal(pair_calls, 1);
	close(fd);
}

static void a_freed_loop_drops_running_and_waiting_ones(void **state)
{
	struct fetch_spec spec = spec_of("/drip");

	(void)state;
	spec.share = LOOP_SHARE_TELL;
	for (int i = 0; i < 12; i++)
		assert_int_equal(loop_fetch(loop, &spec, cancelled_fetch_called, NULL, NULL), 0);
	run_for(100 * MS);
}

/* TLS: a server whose certificate nobody vouches for. */

static struct {
	gnutls_certificate_credentials_t credentials;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
	int fd, port, result;
} tls;

static void tls_make_certificate(void)
{
	gnutls_x509_privkey_init(&tls.key);
	gnutls_x509_privkey_generate(tls.key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_init(&tls.cert);
	gnutls_x509_crt_set_version(tls.cert, 3);
	gnutls_x509_crt_set_serial(tls.cert, "\1", 1);
	gnutls_x509_crt_set_activation_time(tls.cert, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(tls.cert, time(NULL) + 3600);
	gnutls_x509_crt_set_subject_alt_name(tls.cert, GNUTLS_SAN_IPADDRESS, "\x7f\0\0\1", 4, GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_key(tls.cert, tls.key);
	assert_int_equal(gnutls_x509_crt_sign2(tls.cert, tls.cert, tls.key, GNUTLS_DIG_SHA256, 0), 0);
	gnutls_certificate_allocate_credentials(&tls.credentials);
	assert_int_equal(gnutls_certificate_set_x509_key(tls.credentials, &tls.cert, 1, tls.key), 0);
}

static void *tls_serve(void *priority)
{
	CLEANUP(cleanup_fd) int fd = accept4(tls.fd, NULL, NULL, SOCK_CLOEXEC);
	gnutls_session_t session;

	gnutls_init(&session, GNUTLS_SERVER);
	gnutls_priority_set_direct(session, priority, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls.credentials);
	gnutls_transport_set_int(session, fd);
	gnutls_handshake_set_timeout(session, 3000);
	do
		tls.result = gnutls_handshake(session);
	while (tls.result < 0 && !gnutls_error_is_fatal(tls.result));
	if (tls.result == 0)
		tls.result = (int)gnutls_record_recv(session, (char[1]) {0}, 1);
	gnutls_deinit(session);
	return NULL;
}

static void fetch_over_tls(const char *priority)
{
	struct fetch_spec spec = spec_of("/");
	char url[100];
	pthread_t t;

	tls.fd = bind_somewhere(&tls.port);
	assert_int_equal(listen(tls.fd, 1), 0);
	pthread_create(&t, NULL, tls_serve, (void *)priority);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/secret", tls.port);
	spec.url = url;
	spec.timeout_us = 5 * US_PER_S;
	run_spec(&spec);
	pthread_join(t, NULL);
	close(tls.fd);
	assert_int_equal(seen.r.error, -EPROTO);
	assert_int_equal(seen.r.status, 0);
	assert_true(strlen(seen.error_text) > 0);
	assert_null(strstr(seen.error_text, "secret"));
	assert_true(tls.result <= 0); /* no byte of the request was sent */
}

static void a_server_without_a_trusted_certificate_gets_no_request(void **state)
{
	(void)state;
	tls_make_certificate();
	fetch_over_tls("NORMAL");
	assert_non_null(strcasestr(seen.error_text, "certificate"));
	fetch_over_tls("NORMAL:-VERS-ALL:+VERS-TLS1.1:@SECLEVEL=0");
	gnutls_certificate_free_credentials(tls.credentials);
	gnutls_x509_crt_deinit(tls.cert);
	gnutls_x509_privkey_deinit(tls.key);
}

static void plain_text_where_tls_belongs_is_told(void **state)
{
	struct fetch_spec spec = spec_of("/");
	char url[100];

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/close", server.port);
	spec.url = url;
	spec.timeout_us = 300 * MS;
	run_spec(&spec); /* the server waits for the end of what it takes for a request */
	assert_int_equal(seen.r.error, -ETIMEDOUT);
	assert_ptr_equal(strstr(seen.error_text, "time limit reached"), seen.error_text);
	assert_non_null(strstr(seen.error_text, "the TLS handshake"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_comes_whole),
		T(a_request_carries_what_was_asked_and_little_more),
		T(a_body_is_not_called_a_web_form_and_may_be_empty),
		T(a_long_body_is_sent_without_delay),
		T(head_waits_for_no_body),
		T(the_spec_is_copied),
		T(retry_after_comes_as_sent),
		T(a_redirect_is_an_answer_and_not_followed),
		T(connections_are_used_again),
		T(an_endless_body_is_cut_off_at_its_maximum),
		T(answers_that_come_in_together_are_bounded),
		T(a_body_of_just_the_maximum_is_fine),
		T(the_time_limit_holds_against_silence_and_drip),
		T(the_time_limit_holds_against_a_connection_that_never_comes),
		T(each_failure_has_its_errno_and_a_sentence),
		T(a_refused_connection_is_told),
		T(a_wrong_spec_is_refused),
		T(a_url_that_curl_refuses_is_told),
		T(proxies_of_the_environment_are_ignored),
		T(sockets_are_closed_in_programs),
		T(a_share_runs_so_many_at_once_and_the_rest_times_out_in_the_queue),
		T(a_dead_chat_does_not_hold_up_a_rollback),
		T(those_that_wait_get_their_turn),
		T(a_full_queue_is_refused),
		T(one_answer_may_start_the_next_request_without_delay),
		T(cancelled_ones_never_call_back),
		T(a_callback_may_cancel_itself_and_others),
		T(a_freed_loop_drops_running_and_waiting_ones),
		T(a_server_without_a_trusted_certificate_gets_no_request),
		T(plain_text_where_tls_belongs_is_told),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
