/*
 * load: asks a server on this machine over n connections that stay open, each with its next request as soon as the last
 * was answered, and prints one line of JSON. One thread, epoll.
 *
 *   load -p 9595 -c 32 -s 5 /webhook                 alerts that nobody has seen before
 *   load -p 9595 -c 32 -s 5 -k 64 /webhook           copies of 64 alerts
 *   load -p 9595 -c 4 -n 100 -g /metrics /api/v1/rollouts     GET, in turns
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/body.h"
#include "tests/bench/histogram.h"

#define CONNECTIONS_MAX 1024
#define SECONDS_MAX     600
#define ANSWER_MAX      (64 * 1024) /* of an answer's head, and as much of its body as is looked at */
#define SILENCE_MS      30000
#define PATHS_MAX       64

struct options {
	int port;
	unsigned connections;
	double seconds;    /* or … */
	uint64_t requests; /* … so many in all */
	uint64_t copies;   /* of so many alerts; 0: all distinct */
	uint64_t seed;
	long pause_us; /* between an answer and the next request */
	bool get;
	struct body_shape shape;
	char *const *paths;
	unsigned n_paths;
};

struct conn {
	int fd;
	char *out; /* owned: head and body */
	size_t out_len, out_at, body_at;
	char in[ANSWER_MAX];
	size_t in_len, head_len, left; /* left: bytes of the body still to come */
	bool chunked, busy;
	int64_t sent_us, due_us;
	int status;
};

static struct load {
	struct options o;
	struct body body;
	struct conn *conns;
	int epfd;
	uint64_t sent, answered, failed, reopened, bytes;
	int64_t begun_us, ended_us;
	uint64_t by_second[SECONDS_MAX];
	struct histogram times;
	char fault[200];
} l;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fail(const char *why, int error)
{
	fprintf(stderr, "load: %s%s%s\n", why, error ? ": " : "", error ? strerror(error) : "");
	exit(1);
}

/* --- requests --- */

static bool more_to_send(int64_t now)
{
	if (l.o.requests)
		return l.sent < l.o.requests;
	return now < l.begun_us + (int64_t)(l.o.seconds * 1e6);
}

static void write_head(struct conn *c)
{
	const char *path = l.o.paths[l.sent % l.o.n_paths];
	char head[2048];
	int n = l.o.get ? snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path, l.o.port)
	                : snprintf(head, sizeof(head),
	                           "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Alertmanager/0.25.0\r\n"
	                           "Content-Length: %zu\r\nContent-Type: application/json\r\n\r\n",
	                           path, l.o.port, l.body.len);

	if (n < 0 || (size_t)n >= sizeof(head))
		fail("a path is too long", 0);
	memcpy(c->out, head, (size_t)n);
	c->body_at = c->out_len = (size_t)n;
	if (l.o.get)
		return;
	memcpy(c->out + n, l.body.text, l.body.len);
	c->out_len += l.body.len;
}

static void ready_request(struct conn *c)
{
	if (l.o.get || !c->out_len)
		write_head(c);
	if (!l.o.get)
		body_number(&l.body, c->out + c->body_at,
		            l.o.seed + (l.o.copies ? l.sent % l.o.copies : l.sent) * l.body.alerts);
	l.sent++;
	c->out_at = c->in_len = c->head_len = c->left = 0;
	c->chunked = false;
	c->busy = true;
}

static void watch(struct conn *c, bool writes)
{
	struct epoll_event ev = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = c};

	if (epoll_ctl(l.epfd, EPOLL_CTL_MOD, c->fd, &ev) < 0)
		fail("epoll", errno);
}

static void reopen(struct conn *c, const char *why);

static void send_on(struct conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		reopen(c, strerror(errno));
		return;
	}
	bool was_waiting = c->out_at > 0;
	c->out_at += n > 0 ? (size_t)n : 0;
	if (c->out_at < c->out_len || was_waiting)
		watch(c, c->out_at < c->out_len);
}

static void next_request(struct conn *c)
{
	int64_t now = now_us();

	c->busy = false;
	if (!more_to_send(now))
		return;
	if (l.o.pause_us && c->due_us > now)
		return;
	ready_request(c);
	c->sent_us = now;
	send_on(c);
}

/* --- connections --- */

static void open_conn(struct conn *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((in_port_t)l.o.port)};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int on = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		fail("cannot connect", errno);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(l.epfd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		fail("epoll", errno);
}

/* A request that was under way counts as failed. */
static void reopen(struct conn *c, const char *why)
{
	if (c->busy) {
		l.failed++;
		if (!l.fault[0])
			snprintf(l.fault, sizeof(l.fault), "%s", why);
	}
	l.reopened++;
	close(c->fd);
	open_conn(c);
	next_request(c);
}

/* --- answers --- */

static const char *header(const struct conn *c, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = c->in; (at = memchr(at, '\n', (size_t)(c->in + c->head_len - at))) != NULL;)
		if (!strncasecmp(++at, name, len) && at[len] == ':')
			return at + len + 1;
	return NULL;
}

static bool read_head(struct conn *c)
{
	const char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
	const char *length, *coding;

	if (!end)
		return false;
	c->head_len = (size_t)(end - c->in) + 4;
	c->status = atoi(c->in + strlen("HTTP/1.1 "));
	length = header(c, "Content-Length");
	coding = header(c, "Transfer-Encoding");
	c->chunked = coding && !length;
	c->left = length ? strtoul(length, NULL, 10) : 0;
	return true;
}

static void note_answer(struct conn *c)
{
	int64_t now = now_us(), second = (now - l.begun_us) / 1000000;

	l.answered++;
	l.ended_us = now;
	histogram_add(&l.times, (uint64_t)(now - c->sent_us));
	if (second < SECONDS_MAX)
		l.by_second[second]++;
	if (c->status < 200 || c->status > 299) {
		l.failed++;
		if (!l.fault[0])
			snprintf(l.fault, sizeof(l.fault), "%.*s", (int)(c->in_len < 190 ? c->in_len : 190), c->in);
	}
	c->due_us = now + l.o.pause_us;
	next_request(c);
}

/* The buffer holds as much of the body as fits; only its length counts, or the last chunk. */
static void take_bytes(struct conn *c, size_t before)
{
	if (!c->head_len) {
		if (!read_head(c))
			return;
		before = c->head_len;
	}
	size_t got = c->in_len - before;

	if (c->chunked) {
		if (c->in_len >= 5 && !memcmp(c->in + c->in_len - 5, "0\r\n\r\n", 5))
			note_answer(c);
		return;
	}
	c->left -= got < c->left ? got : c->left;
	if (c->left == 0)
		note_answer(c);
}

static void receive(struct conn *c)
{
	if (c->in_len == sizeof(c->in)) { /* the rest is counted only; the last bytes tell the end of chunks */
		memmove(c->in, c->in + c->in_len - 8, 8);
		c->in_len = 8;
	}
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		reopen(c, n < 0 ? strerror(errno) : "the server closed the connection");
		return;
	}
	size_t before = c->in_len;
	c->in_len += (size_t)n;
	l.bytes += (uint64_t)n;
	if (c->busy)
		take_bytes(c, before);
}

/* --- the run --- */

static bool any_busy(void)
{
	for (unsigned i = 0; i < l.o.connections; i++)
		if (l.conns[i].busy)
			return true;
	return false;
}

static void send_due(void)
{
	for (unsigned i = 0; i < l.o.connections; i++)
		if (!l.conns[i].busy)
			next_request(&l.conns[i]);
}

static void run(void)
{
	struct epoll_event ev[CONNECTIONS_MAX];

	l.begun_us = l.ended_us = now_us();
	send_due();
	while (any_busy() || more_to_send(now_us())) {
		int n = epoll_wait(l.epfd, ev, CONNECTIONS_MAX, l.o.pause_us ? 1 : SILENCE_MS);

		if (n == 0 && !l.o.pause_us)
			fail("the server is silent", 0);
		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (ev[i].events & EPOLLOUT)
				send_on(c);
			else
				receive(c);
		}
		if (l.o.pause_us)
			send_due();
	}
}

static void print_text(const char *text)
{
	putchar('"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < ' ' || *p == '"' || *p == '\\')
			printf("\\u%04x", *p);
		else
			putchar(*p);
	putchar('"');
}

static void print_result(void)
{
	double seconds = (double)(l.ended_us - l.begun_us) / 1e6;
	int n = (int)seconds; /* whole ones */

	printf("{\"requests\":%llu,\"failed\":%llu,\"reopened\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"bytes\":%llu,"
	       "\"us\":{\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu},\"by_second\":[",
	       (unsigned long long)l.answered, (unsigned long long)l.failed, (unsigned long long)l.reopened, seconds,
	       seconds > 0 ? (double)(l.answered - l.failed) / seconds : 0, (unsigned long long)l.bytes,
	       (unsigned long long)histogram_at(&l.times, 0.5), (unsigned long long)histogram_at(&l.times, 0.9),
	       (unsigned long long)histogram_at(&l.times, 0.99), (unsigned long long)histogram_at(&l.times, 0.999),
	       (unsigned long long)l.times.most);
	for (int i = 0; i < n && i < SECONDS_MAX; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)l.by_second[i]);
	printf("],\"fault\":");
	print_text(l.fault);
	printf("}\n");
}

static void usage(void)
{
	fprintf(stderr,
	        "usage: load -p PORT [-c CONNECTIONS] [-s SECONDS | -n REQUESTS] [-a ALERTS] [-k COPIES_OF] [-l LABELS]"
	        " [-w PAUSE_US] [-i SEED] [-A] [-g] PATH…\n");
	exit(2);
}

static void read_options(int argc, char **argv)
{
	int c;

	l.o = (struct options) {.connections = 1, .seconds = 5, .shape = {.alerts = 1, .labels = ""}};
	l.o.seed = (uint64_t)time(NULL) << 32;
	while ((c = getopt(argc, argv, "p:c:s:n:a:k:l:w:i:Ag")) != -1)
		switch (c) {
		case 'p':
			l.o.port = atoi(optarg);
			break;
		case 'c':
			l.o.connections = (unsigned)atoi(optarg);
			break;
		case 's':
			l.o.seconds = atof(optarg);
			break;
		case 'n':
			l.o.requests = strtoull(optarg, NULL, 10);
			break;
		case 'a':
			l.o.shape.alerts = (unsigned)atoi(optarg);
			break;
		case 'k':
			l.o.copies = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			l.o.shape.labels = optarg;
			break;
		case 'w':
			l.o.pause_us = atol(optarg);
			break;
		case 'i':
			l.o.seed = strtoull(optarg, NULL, 10) << 24;
			break;
		case 'A':
			l.o.shape.array = true;
			break;
		case 'g':
			l.o.get = true;
			break;
		default:
			usage();
		}
	l.o.paths = argv + optind;
	l.o.n_paths = (unsigned)(argc - optind);
	if (l.o.port <= 0 || !l.o.n_paths || l.o.n_paths > PATHS_MAX || !l.o.connections ||
	    l.o.connections > CONNECTIONS_MAX || !l.o.shape.alerts || l.o.seconds > SECONDS_MAX)
		usage();
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	if (body_make(&l.o.shape, &l.body) < 0)
		fail("out of memory", 0);
	l.epfd = epoll_create1(EPOLL_CLOEXEC);
	l.conns = calloc(l.o.connections, sizeof(*l.conns));
	if (l.epfd < 0 || !l.conns)
		fail("cannot begin", errno);
	for (unsigned i = 0; i < l.o.connections; i++) {
		l.conns[i].out = malloc(l.body.len + 2048);
		if (!l.conns[i].out)
			fail("out of memory", 0);
		open_conn(&l.conns[i]);
	}
	run();
	print_result();
	for (unsigned i = 0; i < l.o.connections; i++) {
		close(l.conns[i].fd);
		free(l.conns[i].out);
	}
	free(l.conns);
	body_free(&l.body);
	return l.failed ? 1 : 0;
}
