#include "server/http/listen.h"

#include <assert.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "server/core/log.h"
#include "server/http/server.h"

#define UNIX_PREFIX "unix:"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
	struct sockaddr_storage room;
};

struct target {
	union address a;
	socklen_t len;
	bool both_families; /* ":9595": IPv4 too */
};

/* --- addresses --- */

static int parse_port(const char *s, in_port_t *ret)
{
	size_t len = strlen(s);

	if (len == 0 || len > 5 || strspn(s, "0123456789") != len || atoi(s) > 65535)
		return -EINVAL;
	*ret = htons((in_port_t)atoi(s));
	return 0;
}

static int parse_host(const char *host, size_t len, in_port_t port, struct target *t)
{
	char text[64];

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, host, len);
	text[len] = '\0';
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		t->a.v6 = (struct sockaddr_in6) {.sin6_family = AF_INET6, .sin6_port = port};
		t->len = sizeof(t->a.v6);
		return inet_pton(AF_INET6, text + 1, &t->a.v6.sin6_addr) == 1 ? 0 : -EINVAL;
	}
	if (len == 0) {
		t->a.v6 = (struct sockaddr_in6) {.sin6_family = AF_INET6, .sin6_port = port};
		t->len = sizeof(t->a.v6);
		t->both_families = true;
		return 0;
	}
	t->a.v4 = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = port};
	t->len = sizeof(t->a.v4);
	return inet_pton(AF_INET, strcmp(text, "localhost") != 0 ? text : "127.0.0.1", &t->a.v4.sin_addr) == 1
	               ? 0
	               : -EINVAL;
}

static int parse_unix(const char *path, struct target *t)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(t->a.local.sun_path))
		return -ENAMETOOLONG;
	t->a.local = (struct sockaddr_un) {.sun_family = AF_UNIX};
	memcpy(t->a.local.sun_path, path, len + 1);
	t->len = sizeof(t->a.local);
	return 0;
}

static int parse(const char *address, struct target *t)
{
	const char *colon = strrchr(address, ':');
	in_port_t port;

	*t = (struct target) {0};
	if (!strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)))
		return parse_unix(address + strlen(UNIX_PREFIX), t);
	if (!colon || parse_port(colon + 1, &port) < 0)
		return -EINVAL;
	return parse_host(address, (size_t)(colon - address), port, t);
}

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (a->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr) && a->v6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
	return a->any.sa_family == AF_UNIX;
}

bool http_is_address(const char *address)
{
	struct target t;

	return parse(address, &t) == 0;
}

bool http_is_loopback(const char *address)
{
	struct target t;

	return parse(address, &t) == 0 && is_loopback(&t.a);
}

/* --- listening --- */

/* A file left behind by a process that died: a socket to which nobody listens. Asked once, the connection is
 * dropped. */
static bool is_stale(const struct sockaddr_un *a)
{
	struct stat st;

	if (lstat(a->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 && errno == ECONNREFUSED;
}

/* A group of its own, where the machine has it and we are in it: who may connect need not be able to read what else is
 * our group's. */
static void give_to_group(const char *path)
{
	const struct group *g = getgrnam(HTTP_SOCKET_GROUP);

	if (g && chown(path, (uid_t)-1, g->gr_gid) < 0)
		log_warn("the unix socket stays with our own group: we are not in the one for it", "path", path,
		         "group", HTTP_SOCKET_GROUP);
}

static int bind_unix(int fd, const struct target *t)
{
	const char *path = t->a.local.sun_path;

	int r = bind(fd, &t->a.any, t->len) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && is_stale(&t->a.local))
		r = unlink(path) < 0 || bind(fd, &t->a.any, t->len) < 0 ? -errno : 0;
	if (r < 0)
		return r;
	/* The owner and the group may connect; nobody can before listen(2). */
	give_to_group(path);
	return chmod(path, 0660) < 0 ? -errno : 0;
}

static int bind_tcp(int fd, const struct target *t)
{
	int on = 1, v6_only = !t->both_families;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (t->a.any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0)
		return -errno;
	return bind(fd, &t->a.any, t->len) < 0 ? -errno : 0;
}

static int open_target(const struct target *t)
{
	CLEANUP(cleanup_fd)
	int fd = socket(t->a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int r = t->a.any.sa_family == AF_UNIX ? bind_unix(fd, t) : bind_tcp(fd, t);
	if (r < 0)
		return r;
	return listen(fd, SOMAXCONN) < 0 ? -errno : take_fd(&fd);
}

/* A machine without IPv6 still listens on all of IPv4. */
static int open_any(struct target *t)
{
	int fd = open_target(t);

	if (!t->both_families || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL))
		return fd;
	in_port_t port = t->a.v6.sin6_port;
	t->a.v4 = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = port};
	t->len = sizeof(t->a.v4);
	return open_target(t);
}

static int local_address(int fd, union address *a)
{
	socklen_t len = sizeof(*a);

	return getsockname(fd, &a->any, &len) < 0 ? -errno : 0;
}

static int port_of(const union address *a)
{
	return a->any.sa_family == AF_INET    ? ntohs(a->v4.sin_port)
	       : a->any.sa_family == AF_INET6 ? ntohs(a->v6.sin6_port)
	                                      : 0;
}

static int refuse_remote(const char *what, char *why, size_t size)
{
	snprintf(why, size, "%s is reachable from other machines and nothing here asks for a password", what);
	return -EACCES;
}

int http_listen_open(const char *address, bool allow_remote, struct http_listener *ret, char *why, size_t size)
{
	assert(address && ret && why);
	struct http_listener l = {.fd = -1};
	struct target t;
	int r = parse(address, &t);

	if (r < 0) {
		snprintf(why, size, "%s is no address: 127.0.0.1:9595, [::1]:9595 or unix:/path are", address);
		return r;
	}
	if (!allow_remote && !is_loopback(&t.a))
		return refuse_remote(address, why, size);
	if (t.a.any.sa_family == AF_UNIX) {
		l.unlink_path = strdup(t.a.local.sun_path);
		if (!l.unlink_path)
			return -ENOMEM;
	}
	r = open_any(&t);
	if (r < 0) {
		snprintf(why, size, "cannot listen on %s: %s", address, strerror(-r));
		free(l.unlink_path);
		return r;
	}
	l.fd = r;
	l.port = local_address(l.fd, &t.a) == 0 ? port_of(&t.a) : 0;
	http_local_host(l.fd, l.host);
	*ret = l;
	return 0;
}

int http_listen_adopt(int fd, bool allow_remote, struct http_listener *ret, char *why, size_t size)
{
	assert(fd >= 0 && ret && why);
	union address a = {0};
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening ||
	    local_address(fd, &a) < 0) {
		snprintf(why, size, "file descriptor %d is no socket that listens", fd);
		return -ENOTSOCK;
	}
	if (!allow_remote && !is_loopback(&a))
		return refuse_remote("the socket that was handed over", why, size);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		int r = -errno;

		snprintf(why, size, "file descriptor %d: %s", fd, strerror(-r));
		return r;
	}
	*ret = (struct http_listener) {.fd = fd, .port = port_of(&a)};
	http_local_host(fd, ret->host);
	return 0;
}

void http_listen_close(struct http_listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->unlink_path)
		unlink(l->unlink_path);
	free(TAKE(l->unlink_path));
}

/* --- the other end --- */

int64_t http_peer_uid(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? -1 : (int64_t)peer.uid;
}

/* --- this end --- */

static void print_v6(const struct in6_addr *a, char out[HTTP_ADDRESS_MAX])
{
	char text[INET6_ADDRSTRLEN] = "";

	if (IN6_IS_ADDR_UNSPECIFIED(a))
		return;
	if (IN6_IS_ADDR_V4MAPPED(a)) {
		inet_ntop(AF_INET, a->s6_addr + 12, out, HTTP_ADDRESS_MAX);
		return;
	}
	inet_ntop(AF_INET6, a, text, sizeof(text));
	snprintf(out, HTTP_ADDRESS_MAX, "[%s]", text);
}

void http_local_host(int fd, char out[HTTP_ADDRESS_MAX])
{
	union address a = {0};

	out[0] = '\0';
	if (local_address(fd, &a) < 0)
		return;
	if (a.any.sa_family == AF_INET && a.v4.sin_addr.s_addr != htonl(INADDR_ANY))
		inet_ntop(AF_INET, &a.v4.sin_addr, out, HTTP_ADDRESS_MAX);
	else if (a.any.sa_family == AF_INET6)
		print_v6(&a.v6.sin6_addr, out);
}

void http_listen_where(int fd, struct buf *b)
{
	assert(fd >= 0 && b);
	char host[HTTP_ADDRESS_MAX];
	union address a = {0};

	if (local_address(fd, &a) < 0)
		return;
	http_local_host(fd, host);
	if (a.any.sa_family == AF_UNIX)
		buf_printf(b, "unix:%s", a.local.sun_path);
	else
		buf_printf(b, "%s:%d", host[0] ? host : "*", port_of(&a));
}
