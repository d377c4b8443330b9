/*
 * arrival: how long it takes from a webhook that was sent until its effect is on disk. The rollouts are called r000,
 * r001 …; NAME.env in DIR holds "PERCENTAGE=0" then, NAME.done is there when the reload command has run.
 *
 *   arrival -p 9595 -d DIR -n 50 /webhook       one rollout after the other; the times of both, in one line of JSON
 *   arrival -p 9595 -d DIR -n 100 -t /webhook   all in one webhook: when the last is there
 *
 * -f M: the first is r0M. A name's two files are awaited. Where one of them is there (or holds 0) before its webhook
 * was sent, somebody else makes them: nothing was measured then, and it fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/body.h"
#include "tests/bench/histogram.h"

#define PATIENCE_MS 30000
#define NAMES_MAX   1000

static int port, n = 1, first, together, at, notes;
static long pause_us = 20000;
static const char *dir, *path;
static int64_t zero_us[NAMES_MAX], done_us[NAMES_MAX];

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fail(const char *why)
{
	fprintf(stderr, "arrival: %s: %s\n", why, strerror(errno));
	exit(1);
}

static int connect_to(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		fail("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* --- what is on disk --- */

static bool holds_zero(const char *name)
{
	char text[512];
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (len < 0)
		return false;
	text[len] = '\0';
	return strstr(text, "PERCENTAGE=0\n") != NULL;
}

static void look_at(const char *name, int64_t now)
{
	char *kind = NULL;
	long i = name[0] == 'r' ? strtol(name + 1, &kind, 10) - first : -1;

	if (i < 0 || i >= n || !kind)
		return;
	if (!strcmp(kind, ".env") && !zero_us[i] && holds_zero(name))
		zero_us[i] = now;
	if (!strcmp(kind, ".done") && !done_us[i])
		done_us[i] = now;
}

static void look(int patience_ms)
{
	_Alignas(struct inotify_event) char events[65536];
	struct pollfd p = {.fd = notes, .events = POLLIN};

	if (poll(&p, 1, patience_ms) <= 0) {
		if (patience_ms)
			fail("nothing happens on disk");
		return;
	}
	int64_t now = now_us();
	ssize_t len = read(notes, events, sizeof(events));
	for (char *e = events; e < events + len;) {
		struct inotify_event *ev = (struct inotify_event *)e;

		if (ev->len)
			look_at(ev->name, now);
		e += sizeof(*ev) + ev->len;
	}
}

/* What is seen until now is not the webhook's doing: neither of its files may be there. */
static void must_not_be_there(int i)
{
	char name[32];
	struct stat st;

	look(0);
	snprintf(name, sizeof(name), "r%03d.env", first + i);
	bool there = zero_us[i] || done_us[i] || holds_zero(name);
	snprintf(name, sizeof(name), "r%03d.done", first + i);
	if (there || fstatat(at, name, &st, 0) == 0) {
		fprintf(stderr, "arrival: r%03d is done before its webhook was sent\n", first + i);
		exit(1);
	}
}

/* --- the webhooks --- */

static void make_labels(char *out, size_t size, int i)
{
	snprintf(out, size, "\"action\":\"auto_rollback\",\"rollout\":\"r%03d\",", first + i);
}

static void send_all(int fd, const char *text, size_t len)
{
	for (size_t sent = 0; sent < len;) {
		ssize_t k = send(fd, text + sent, len - sent, MSG_NOSIGNAL);

		if (k < 0)
			fail("cannot send");
		sent += (size_t)k;
	}
}

static void post(int fd, const char *text, size_t len)
{
	char head[512];
	int k = snprintf(head, sizeof(head),
	                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\nContent-Type: "
	                 "application/json\r\n\r\n",
	                 path, port, len);
	char *whole = malloc((size_t)k + len);

	if (!whole)
		fail("out of memory");
	memcpy(whole, head, (size_t)k);
	memcpy(whole + k, text, len);
	send_all(fd, whole, (size_t)k + len);
	free(whole);
}

static void drain(int fd)
{
	char answer[65536];
	ssize_t k = recv(fd, answer, sizeof(answer) - 1, 0);

	if (k < 12 || strncmp(answer, "HTTP/1.1 200", 12) != 0) {
		fprintf(stderr, "arrival: the answer is %.*s\n", (int)(k > 0 ? k : 0), answer);
		exit(1);
	}
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
}

static struct body body_of(int i)
{
	char labels[200];
	struct body_shape s = {.alerts = 1, .labels = labels};
	struct body b;

	make_labels(labels, sizeof(labels), i);
	if (body_make(&s, &b) < 0)
		fail("out of memory");
	body_number(&b, b.text, (uint64_t)now_us() << 12 | (uint64_t)i);
	return b;
}

static void one_by_one(int fd, struct histogram *zero, struct histogram *done)
{
	for (int i = 0; i < n; i++) {
		struct body b = body_of(i);

		must_not_be_there(i);
		int64_t begun = now_us();
		post(fd, b.text, b.len);
		while (!zero_us[i] || !done_us[i])
			look(PATIENCE_MS);
		drain(fd);
		histogram_add(zero, (uint64_t)(zero_us[i] - begun));
		histogram_add(done, (uint64_t)(done_us[i] - begun));
		body_free(&b);
		usleep((useconds_t)pause_us);
	}
}

/* The alerts of n bodies in the frame of the first. */
static char *join(size_t *ret_len)
{
	size_t room = (size_t)n * 2000 + 4000, len = 0;
	char *all = malloc(room);

	for (int i = 0; all && i < n; i++) {
		struct body b = body_of(i);
		const char *from = strstr(b.text, "\"alerts\":["), *to = strstr(b.text, "],\"groupLabels\"");

		from += strlen("\"alerts\":[");
		len += (size_t)snprintf(all + len, room - len, "%s%.*s", i ? "," : "{\"alerts\":[", (int)(to - from),
		                        from);
		if (i + 1 == n)
			len += (size_t)snprintf(all + len, room - len, "%s", to);
		body_free(&b);
	}
	*ret_len = len;
	return all;
}

static bool all_there(void)
{
	for (int i = 0; i < n; i++)
		if (!zero_us[i] || !done_us[i])
			return false;
	return true;
}

static void all_at_once(int fd, struct histogram *zero, struct histogram *done)
{
	size_t len = 0;
	char *text = join(&len);

	if (!text)
		fail("out of memory");
	for (int i = 0; i < n; i++)
		must_not_be_there(i);
	int64_t begun = now_us();
	post(fd, text, len);
	while (!all_there())
		look(PATIENCE_MS);
	drain(fd);
	for (int i = 0; i < n; i++) {
		histogram_add(zero, (uint64_t)(zero_us[i] - begun));
		histogram_add(done, (uint64_t)(done_us[i] - begun));
	}
	free(text);
}

static void print_times(const char *name, const struct histogram *h, const char *after)
{
	printf("\"%s\":{\"p50_us\":%llu,\"p99_us\":%llu,\"max_us\":%llu}%s", name,
	       (unsigned long long)histogram_at(h, 0.5), (unsigned long long)histogram_at(h, 0.99),
	       (unsigned long long)h->most, after);
}

static void read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "p:d:n:f:w:t")) != -1)
		switch (c) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'd':
			dir = optarg;
			break;
		case 'n':
			n = atoi(optarg);
			break;
		case 'f':
			first = atoi(optarg);
			break;
		case 'w':
			pause_us = atol(optarg);
			break;
		case 't':
			together = 1;
			break;
		default:
			port = 0;
		}
	if (port <= 0 || !dir || n < 1 || n > NAMES_MAX || optind + 1 != argc) {
		fprintf(stderr, "usage: arrival -p PORT -d DIR [-n N] [-f FIRST] [-w PAUSE_US] [-t] PATH\n");
		exit(2);
	}
	path = argv[optind];
}

int main(int argc, char **argv)
{
	static struct histogram zero, done;

	read_options(argc, argv);
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	notes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (at < 0 || notes < 0 || inotify_add_watch(notes, dir, IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE) < 0)
		fail("cannot watch the directory");
	int fd = connect_to();
	(together ? all_at_once : one_by_one)(fd, &zero, &done);
	printf("{");
	print_times("zero", &zero, ",");
	print_times("done", &done, "}\n");
	close(fd);
	return 0;
}
