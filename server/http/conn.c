#include "server/http/private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "server/core/clock.h"
#include "server/core/log.h"

#define SPARE_FILES     128 /* left to the database, the engine's transfers and its children */
#define CONNECTIONS_MIN 8
#define SHORTAGE_US     (100 * US_PER_MS) /* nothing is accepted for so long when there is no room */
#define SHORTAGE_MAKES  16                /* connections closed when descriptors are short */
#define GRACE_US        (100 * US_PER_MS) /* younger ones are not closed to make room */
#define DRAIN_HEAD_US   US_PER_S          /* for headers under way while draining */
#define DRAIN_PIECE_US  (250 * US_PER_MS) /* for a piece of a stream */

/* --- deadlines --- */

static int64_t size_us(const struct http *h, uint64_t bytes)
{
	return (int64_t)(bytes / (uint64_t)h->limits.bytes_per_s) * US_PER_S;
}

static int64_t min_us(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t deadline(const struct http *h, const struct conn *c)
{
	const struct http_limits *l = &h->limits;
	bool draining = h->stage >= STAGE_DRAIN;

	switch (c->phase) {
	case PHASE_HEAD:
		return c->since_us + (draining ? min_us(l->head_us, DRAIN_HEAD_US) : l->head_us);
	case PHASE_BODY:
		return min_us(c->since_us + l->body_us + size_us(h, c->bytes), c->active_us + l->pause_us);
	case PHASE_DEFERRED:
		return c->since_us + l->defer_us;
	case PHASE_REPLY:
		return c->since_us + l->reply_us + size_us(h, c->bytes);
	case PHASE_STREAM:
		return c->since_us + (draining ? DRAIN_PIECE_US : l->reply_us + size_us(h, c->bytes));
	case PHASE_WAITING:
		return min_us(c->since_us + l->beat_us, c->request->stream.until_us);
	case PHASE_IDLE:
		break;
	}
	return draining ? 0 : c->since_us + l->idle_us;
}

void conn_phase(struct http *h, struct conn *c, enum phase phase, uint64_t bytes)
{
	assert(on_http_thread(h));
	c->phase = phase;
	c->since_us = c->active_us = h->now_us;
	c->bytes = bytes;
	h->reap_us = min_us(h->reap_us, deadline(h, c));
}

void conn_doom(struct http *h, struct conn *c)
{
	assert(on_http_thread(h) && !c->doomed && h->n_conns > 0);
	c->doomed = true;
	h->n_conns--;
	shutdown(c->fd, SHUT_RDWR);
}

void conn_reap(struct http *h)
{
	assert(on_http_thread(h));
	if (h->now_us < h->reap_us)
		return;
	h->reap_us = INT64_MAX;
	for (struct conn *c = LIST_FIRST(&h->conns); c; c = LIST_NEXT(c, link)) {
		int64_t at = deadline(h, c);

		if (c->doomed)
			continue;
		if (at > h->now_us)
			h->reap_us = min_us(h->reap_us, at);
		else if (c->phase == PHASE_DEFERRED)
			request_give_up(c->request, "this took too long");
		else if (c->phase == PHASE_WAITING)
			stream_due(c->request);
		else
			conn_doom(h, c);
	}
}

/* --- room --- */

/* Asked every time: the limit of a running process can be changed. */
unsigned conn_limit(const struct http *h)
{
	struct rlimit files;
	rlim_t most = h->limits.connections;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY &&
	    files.rlim_cur < most + SPARE_FILES)
		most = files.rlim_cur > SPARE_FILES + CONNECTIONS_MIN ? files.rlim_cur - SPARE_FILES : CONNECTIONS_MIN;
	return (unsigned)most;
}

static bool same_ip(const struct peer_ip *a, const struct peer_ip *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Waits for its client, which is slower than it should be. */
static bool may_yield(const struct http *h, const struct conn *c)
{
	int64_t age = h->now_us - c->since_us;

	if (c->doomed || age < GRACE_US)
		return false;
	return c->phase == PHASE_HEAD || c->phase == PHASE_IDLE ||
	       (c->phase == PHASE_BODY && size_us(h, c->bytes) < age);
}

/* Closes the connection that has waited longest for its client (of that IP, if given): a flood of slow
 * clients displaces itself, not those who send their request at once. */
static bool make_room(struct http *h, const struct peer_ip *ip)
{
	struct conn *oldest = NULL;

	for (struct conn *c = LIST_FIRST(&h->conns); c; c = LIST_NEXT(c, link))
		if (may_yield(h, c) && (!ip || same_ip(ip, &c->ip)) && (!oldest || c->since_us < oldest->since_us))
			oldest = c;
	if (oldest)
		conn_doom(h, oldest);
	return oldest != NULL;
}

static bool ip_has_room(struct http *h, const struct peer_ip *ip)
{
	unsigned n = 0;

	if (!ip->family)
		return true;
	for (struct conn *c = LIST_FIRST(&h->conns); c; c = LIST_NEXT(c, link))
		n += !c->doomed && same_ip(ip, &c->ip);
	if (n < h->limits.per_ip || make_room(h, ip))
		return true;
	http_warn(h, "a connection was refused: too many from one address", "limit", log_num(h->limits.per_ip));
	return false;
}

/* --- accept --- */

void conn_listen(struct http *h, bool on, int64_t again_us)
{
	struct epoll_event ev = {.events = EPOLLIN};

	h->listen_again_us = again_us;
	if (h->listening == on)
		return;
	h->listening = on;
	for (size_t i = 0; i < h->n_listeners; i++) {
		ev.data.ptr = &h->listeners[i];
		if (epoll_ctl(h->epfd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, h->listeners[i].fd, &ev) < 0)
			log_error("a listening socket could not be watched", "err", strerror(errno));
	}
}

static struct peer_ip ip_of(const struct sockaddr_storage *a)
{
	struct peer_ip ip = {0};

	if (a->ss_family == AF_INET) {
		ip.family = AF_INET;
		memcpy(ip.bytes, &((const struct sockaddr_in *)a)->sin_addr, 4);
	} else if (a->ss_family == AF_INET6) {
		ip.family = AF_INET6;
		memcpy(ip.bytes, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
	}
	return ip;
}

/* The kernel gives up on a peer that takes nothing for so long, whatever window it shows (slow read). */
static void set_options(const struct http *h, int fd, const struct peer_ip *ip)
{
	unsigned ms = (unsigned)(h->limits.pause_us / US_PER_MS);

	if (ip->family)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

/* Of a connection that the library refused, and closed. */
static void forget(struct http *h, struct conn *c)
{
	assert(!c->announced && !c->request);
	LIST_REMOVE(c, link);
	h->n_conns -= !c->doomed;
	h->n_arriving--;
	free(c);
}

/* Takes fd in any case. libmicrohttpd 0.9 announces the connection during MHD_add_connection, 1.0 in its next
 * turn; so it is found by its file number then. */
static void conn_add(struct http *h, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	assert(fd >= 0 && h->mhd);
	struct peer_ip ip = ip_of(peer);
	struct conn *c = ip_has_room(h, &ip) ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->ip = ip;
	c->peer.uid = ip.family ? -1 : http_peer_uid(fd);
	memcpy(c->peer.ip, ip.bytes, sizeof(c->peer.ip));
	http_local_host(fd, c->local);
	set_options(h, fd, &ip);
	LIST_INSERT_HEAD(&h->conns, c, link);
	h->n_conns++;
	h->n_arriving++;
	conn_phase(h, c, PHASE_HEAD, 0);
	if (MHD_add_connection(h->mhd, fd, (const struct sockaddr *)peer, len) != MHD_YES)
		forget(h, c);
}

/* Nothing is accepted during the library's turn, so no file number of what it closed was given out again. */
void conn_forget_refused(struct http *h)
{
	struct conn *c = LIST_FIRST(&h->conns), *next;

	for (; h->n_arriving > 0; c = next) {
		assert(c);
		next = LIST_NEXT(c, link);
		if (!c->announced)
			forget(h, c);
	}
}

/* Tells whether to go on: at a shortage nobody may turn in circles, and what waits stays in the kernel's
 * queue. */
static bool accept_failed(struct http *h, int error)
{
	if (error == EINTR || error == ECONNABORTED)
		return true;
	if (error == EAGAIN)
		return false;
	if (error == EMFILE || error == ENFILE)
		for (int i = 0; i < SHORTAGE_MAKES && make_room(h, NULL); i++)
			;
	http_warn(h, "no connection can be accepted for a moment", "error", strerror(error));
	conn_listen(h, false, h->now_us + SHORTAGE_US);
	return false;
}

void conn_accept(struct http *h, const struct http_listener *l)
{
	assert(on_http_thread(h) && h->stage == STAGE_RUN && l->fd >= 0);
	for (int i = 0; i < ACCEPT_TURN; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof(peer);

		if (h->n_conns >= conn_limit(h) && !make_room(h, NULL)) {
			http_warn(h, "no connection is accepted for a moment: too many", "limit",
			          log_num(conn_limit(h)));
			conn_listen(h, false, h->now_us + SHORTAGE_US);
			return;
		}
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			conn_add(h, fd, &peer, len);
		else if (!accept_failed(h, errno))
			return;
	}
}

/* Edge-triggered: told once, whatever becomes of it. */
void conn_watch(struct http *h, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};

	assert(on_http_thread(h) && c->announced);
	if (!c->watched && epoll_ctl(h->epfd, EPOLL_CTL_ADD, c->fd, &ev) == 0)
		c->watched = true;
}

static struct conn *arriving(const struct http *h, int fd)
{
	struct conn *c;

	LIST_FOREACH(c, &h->conns, link)
	if (!c->announced && c->fd == fd)
		return c;
	return NULL;
}

static void conn_open(struct http *h, struct MHD_Connection *mhd, void **context)
{
	struct conn *c = arriving(h, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);

	assert(c && h->n_arriving > 0);
	c->announced = true;
	h->n_arriving--;
	*context = c;
}

static void conn_closed(struct http *h, void **context)
{
	struct conn *c = *context;

	assert(c && c->announced);
	*context = NULL;
	if (c->request) /* libmicrohttpd 1.0 says nothing of a request that it answered with an error itself */
		request_end(c->request);
	if (c->watched) /* a child between fork and exec has the file open, too: closing it would not be enough */
		epoll_ctl(h->epfd, EPOLL_CTL_DEL, c->fd, NULL);
	LIST_REMOVE(c, link);
	h->n_conns -= !c->doomed;
	free(c);
}

void conn_notify(void *http, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_open(http, mhd, context);
	else
		conn_closed(http, context);
}
