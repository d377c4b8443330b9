/*
 * A service with a canary, for the demo and the tests: it stands for lapce-ai-service.
 *
 * It serves a new pipeline (cst) and an old one (legacy) to traffic of its own making. How many of its keys
 * take the new one stands in its flags file, read at start and again on SIGHUP: then it does not know rollbackd.
 * With --flags-url it asks rollbackd every second, and at once on SIGHUP; it then says which generation of the
 * flags it runs. With both, the file is what helps while rollbackd is away.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "deploy/demo/service.h"

#define FLAG      "CST_ROLLOUT_PERCENTAGE"
#define FLAGS_MAX 65536u
#define RATE_MAX  100000

int percentage_parse(const char *s, int32_t *ret)
{
	static const char digits[] = "0123456789";
	size_t whole = strspn(s, digits), cents = 0;

	if (s[whole] == '.')
		cents = strspn(s + whole + 1, digits);
	if (whole < 1 || whole > 3 || cents > 2 || s[whole + (cents ? cents + 1 : 0)] != '\0')
		return -EINVAL;
	int32_t pct = (int32_t)strtol(s, NULL, 10) * 100;
	if (cents > 0)
		pct += (int32_t)strtol(s + whole + 1, NULL, 10) * (cents == 1 ? 10 : 1);
	if (pct > PCT_MAX)
		return -ERANGE;
	*ret = pct;
	return 0;
}

/* The value of KEY=VALUE without blanks and quotes around it, or NULL. Cuts line. */
static char *assignment(char *line, const char *key)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n) != 0 || line[n] != '=')
		return NULL;
	char *value = line + n + 1 + strspn(line + n + 1, " \t");
	size_t len = strlen(value);
	while (len > 0 && strchr(" \t\r", value[len - 1]))
		value[--len] = '\0';
	if (len >= 2 && strchr("\"'", value[0]) && value[len - 1] == value[0]) {
		value[len - 1] = '\0';
		value++;
	}
	return value;
}

/* text of the flags file, for the caller to free. -EFBIG above FLAGS_MAX. */
static int file_read(const char *path, char **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	char *text = calloc(1, FLAGS_MAX + 2);
	size_t n = 0;
	ssize_t got = text ? 1 : -1;
	while (got > 0 && n <= FLAGS_MAX) {
		got = read(fd, text + n, FLAGS_MAX + 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	int r = got < 0 ? -errno : n > FLAGS_MAX ? -EFBIG : 0;
	close(fd);
	if (r < 0) {
		free(text);
		return r;
	}
	*ret = text;
	return 0;
}

/* As systemd reads an EnvironmentFile: the last assignment counts. -ENOKEY if there is none. */
static int flags_read(const char *path, int32_t *ret_pct)
{
	char *text = NULL, *rest, *line;
	int r = file_read(path, &text);

	if (r < 0)
		return r;
	r = -ENOKEY;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		const char *value = assignment(line, FLAG);
		if (value)
			r = percentage_parse(value, ret_pct);
	}
	free(text);
	return r;
}

static const char *flags_error(int r)
{
	switch (r) {
	case -ENOKEY:
		return "it has no " FLAG;
	case -EINVAL:
	case -ERANGE:
		return "its " FLAG " is no percentage from 0 to 100";
	default:
		return strerror(-r);
	}
}

static void file_reload(struct service *s)
{
	int32_t before = traffic_percentage(s->traffic), pct = before;
	int r = flags_read(s->flags_path, &pct);

	if (r < 0) {
		fprintf(stderr, "cannot use %s: %s; still at %g%%\n", s->flags_path, flags_error(r), before / 100.0);
		return;
	}
	traffic_set_percentage(s->traffic, pct);
	fprintf(stderr, "read %s: %g%% (before: %g%%)\n", s->flags_path, pct / 100.0, before / 100.0);
}

void service_reload(struct service *s)
{
	if (s->flags_path)
		file_reload(s);
	poll_now(s->poll);
}

static void on_hangup(struct service *s)
{
	pthread_mutex_lock(&s->lock);
	bool ignored = s->ignore_reload;
	s->reload_missed |= ignored;
	pthread_mutex_unlock(&s->lock);
	if (ignored)
		fprintf(stderr, "told to reload: ignored, as ordered\n");
	else
		service_reload(s);
}

struct options {
	struct sockaddr_in listen;
	const char *flags, *flags_url, *pid_file;
	int rate;
};

/* ADDRESS:PORT, IPv4. */
static int address_parse(const char *s, struct sockaddr_in *ret)
{
	char host[INET_ADDRSTRLEN + 1];
	unsigned port;
	int end = 0;

	if (sscanf(s, "%16[0-9.]:%5u%n", host, &port, &end) != 2 || s[end] || port > 65535)
		return -EINVAL;
	*ret = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return inet_pton(AF_INET, host, &ret->sin_addr) == 1 ? 0 : -EINVAL;
}

static int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"listen", required_argument, NULL, 'l'},    {"flags", required_argument, NULL, 'f'},
		{"flags-url", required_argument, NULL, 'u'}, {"rate", required_argument, NULL, 'r'},
		{"pid-file", required_argument, NULL, 'p'},  {0}};
	int c, bad = 0;
	char *end;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'l')
			bad |= address_parse(optarg, &o->listen) < 0;
		else if (c == 'f')
			o->flags = optarg;
		else if (c == 'u')
			o->flags_url = optarg;
		else if (c == 'p')
			o->pid_file = optarg;
		else if (c == 'r')
			o->rate = (int)strtol(optarg, &end, 10), bad |= *end || o->rate < 0 || o->rate > RATE_MAX;
		else
			bad = 1;
	}
	return bad || optind < argc || (!o->flags && !o->flags_url) ? -EINVAL : 0;
}

static int pid_write(const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	int r = fprintf(f, "%d\n", (int)getpid()) < 0 ? -EIO : 0;
	return fclose(f) == 0 ? r : -errno;
}

/* Until SIGTERM or SIGINT. */
static void wait_for_signals(struct service *s, const sigset_t *signals)
{
	int sig;

	while (sigwait(signals, &sig) == 0 && sig == SIGHUP)
		on_hangup(s);
}

static int serve(const struct options *o, struct service *s, const sigset_t *signals)
{
	struct web *web = NULL;
	uint16_t port;
	int r = web_start(s, &o->listen, &web, &port);

	if (r < 0) {
		fprintf(stderr, "cannot listen: %s\n", strerror(-r));
		return 1;
	}
	r = o->pid_file ? pid_write(o->pid_file) : 0;
	if (r < 0) {
		fprintf(stderr, "cannot write %s: %s\n", o->pid_file, strerror(-r));
	} else {
		char host[INET_ADDRSTRLEN] = "";
		inet_ntop(AF_INET, &o->listen.sin_addr, host, sizeof(host));
		printf("listening on %s:%u\n", host, port);
		fflush(stdout);
		wait_for_signals(s, signals);
	}
	web_stop(web);
	return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = {.rate = 100};
	sigset_t signals;

	address_parse("127.0.0.1:8080", &o.listen);
	if (options_parse(argc, argv, &o) < 0) {
		fprintf(stderr,
		        "usage: %s --flags FILE and/or --flags-url http://HOST/api/v1/rollouts/NAME/flags "
		        "[--listen 127.0.0.1:PORT] [--rate REQUESTS_PER_SECOND] [--pid-file FILE]\n",
		        argv[0]);
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: all inherit it */

	struct service s = {.flags_path = o.flags, .lock = PTHREAD_MUTEX_INITIALIZER};
	int r = traffic_start(SALT, o.rate, &s.traffic);
	if (r < 0) {
		fprintf(stderr, "cannot start: %s\n", strerror(-r));
		return 1;
	}
	service_reload(&s); /* without usable flags: 0%, everything to legacy */
	r = o.flags_url ? poll_start(&s, o.flags_url, &s.poll) : 0;
	if (r < 0)
		fprintf(stderr, "cannot poll: %s\n", strerror(-r));
	r = r < 0 ? 1 : serve(&o, &s, &signals);
	poll_stop(s.poll);
	traffic_stop(s.traffic);
	return r;
}
