#include "server/http/private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/thread.h"

#define MEMORY_PER_CONN 32768                     /* longer headers: 431 or 414 */
#define BACKSTOP_S      420                       /* the library's own time limit; ours are shorter */
#define EVENTS_MAX      (HTTP_LISTENERS_MAX + 32) /* one turn; the rest comes in the next */
#define TURN_MAX_MS     60000
#define LAST_REPLIES_US US_PER_S
#define LOG_PER_WINDOW  10
#define LOG_WINDOW_US   (10 * US_PER_S)

const struct http_limits http_default_limits = {
	.body = 16 * 1024 * 1024,
	.in_flight = 64 * 1024 * 1024,
	.replies = 64 * 1024 * 1024,
	.connections = 1024,
	.per_ip = 256,
	.head_us = 5 * US_PER_S,
	.body_us = 15 * US_PER_S,
	.pause_us = 10 * US_PER_S,
	.defer_us = 20 * US_PER_S,
	.reply_us = 20 * US_PER_S,
	.idle_us = 360 * US_PER_S, /* Alertmanager closes after 300: whoever closes first never meets a request */
	.bytes_per_s = 64 * 1000,
	.streams = 32,
	.stream_us = 3600 * US_PER_S,
	.beat_us = 15 * US_PER_S,
};

/* --- what the library says --- */

void http_warn(struct http *h, const char *msg, const char *key, const char *value)
{
	if (h->now_us - h->warned_us > LOG_WINDOW_US) {
		h->warned_us = h->now_us;
		h->n_warned = 0;
	}
	if (h->n_warned++ < LOG_PER_WINDOW)
		log_warn(msg, key, value);
}

/* It tries the options of TCP on every socket, and unix sockets have none. */
static bool is_noise(const char *text)
{
	return !strncmp(text, "Setting TCP_", strlen("Setting TCP_"));
}

static void PRINTF_LIKE(2, 0) on_log(void *http, const char *fmt, va_list ap)
{
	char text[300];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (is_noise(text))
		return;
	text[strcspn(text, "\n")] = '\0';
	http_warn(http, "the HTTP library says", "text", text);
}

static void on_panic(void *cls, const char *file, unsigned line, const char *why)
{
	(void)cls;
	log_error("the HTTP library found itself broken; stopping at once", "file", file, "line", log_num(line), "err",
	          why);
	abort();
}

/* --- the thread --- */

void http_ring(struct http *h)
{
	assert(h && h->bell >= 0);
	eventfd_write(h->bell, 1);
}

static int timeout_ms(const struct http *h)
{
	int64_t at = h->reap_us < h->listen_again_us ? h->reap_us : h->listen_again_us;
	int64_t wake = stream_wake_at(h);
	unsigned long long library = 0, ms = TURN_MAX_MS;
	int64_t left = (at < wake ? at : wake) - clock_mono_us();

	if (MHD_get_timeout(h->mhd, &library) == MHD_YES && library < ms)
		ms = library;
	if (left <= 0)
		return 0;
	if ((unsigned long long)left / 1000 < ms)
		ms = (unsigned long long)left / 1000 + 1;
	return (int)ms;
}

static void end_deferred(struct http *h, const char *why)
{
	assert(on_http_thread(h) && h->stage >= STAGE_GIVE_UP);
	for (struct conn *c = LIST_FIRST(&h->conns); c; c = LIST_NEXT(c, link))
		if (c->phase == PHASE_DEFERRED)
			request_give_up(c->request, why);
}

static void close_listeners(struct http *h)
{
	assert(on_http_thread(h));
	conn_listen(h, false, INT64_MAX);
	for (size_t i = 0; i < h->n_listeners; i++)
		http_listen_close(&h->listeners[i]);
}

static void follow_stage(struct http *h)
{
	pthread_mutex_lock(&h->lock);
	enum conn_stage wanted = h->wanted;
	pthread_mutex_unlock(&h->lock);
	if (wanted == h->stage)
		return;
	assert(wanted > h->stage); /* it only goes on */
	if (h->stage == STAGE_RUN)
		close_listeners(h);
	h->stage = wanted;
	h->reap_us = 0;
	stream_end_all(h);
	if (wanted >= STAGE_GIVE_UP)
		end_deferred(h, "rollbackd is stopping");
}

static void tell_empty(struct http *h)
{
	if (h->stage == STAGE_RUN || !LIST_EMPTY(&h->conns))
		return;
	pthread_mutex_lock(&h->lock);
	h->empty = true;
	pthread_cond_signal(&h->emptied);
	pthread_mutex_unlock(&h->lock);
}

static bool is_listener(const struct http *h, const void *what)
{
	for (size_t i = 0; i < h->n_listeners; i++)
		if (what == &h->listeners[i])
			return true;
	return false;
}

static void take_event(struct http *h, const struct epoll_event *ev)
{
	eventfd_t rings;

	if (ev->data.ptr == &h->bell)
		eventfd_read(h->bell, &rings);
	else if (is_listener(h, ev->data.ptr))
		conn_accept(h, ev->data.ptr);
	else if (ev->data.ptr != h)
		stream_gone(ev->data.ptr);
}

static void turn(struct http *h)
{
	struct epoll_event ev[EVENTS_MAX];
	int ms = timeout_ms(h);

	atomic_store(&h->busy_since, 0);
	int n = epoll_wait(h->epfd, ev, EVENTS_MAX, ms);
	h->now_us = clock_mono_us();
	atomic_store(&h->busy_since, h->now_us);
	for (int i = 0; i < n; i++)
		take_event(h, &ev[i]);
	if (!h->listening && h->now_us >= h->listen_again_us)
		conn_listen(h, true, INT64_MAX);
	request_take_completed(h);
	follow_stage(h);
	stream_turn(h);
	conn_reap(h);
	MHD_run(h->mhd);
	conn_forget_refused(h);
	chunks_turn(h);
	tell_empty(h);
}

/* A suspended connection would make the library abort: follow_stage has ended them all. */
static void *thread_main(void *arg)
{
	struct http *h = arg;

	thread_is(THREAD_HTTP);
	h->self = pthread_self();
	h->turns = true;
	while (h->stage != STAGE_STOP)
		turn(h);
	MHD_stop_daemon(TAKE(h->mhd));
	h->turns = false;
	return NULL;
}

/* --- start --- */

static int listen_all(struct http *h, char *why, size_t size)
{
	const struct http_options *o = &h->o;
	size_t n = o->n_fds ? o->n_fds : o->n_addresses;

	if (n == 0 || n > HTTP_LISTENERS_MAX) {
		snprintf(why, size, "from 1 to %d addresses can be listened on, not %zu", HTTP_LISTENERS_MAX, n);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		struct http_listener *l = &h->listeners[i];
		int r = o->n_fds ? http_listen_adopt(o->fds[i], o->allow_remote, l, why, size)
		                 : http_listen_open(o->addresses[i], o->allow_remote, l, why, size);
		if (r < 0)
			return r;
		h->n_listeners++;
	}
	return 0;
}

void http_where(const struct http *h, struct buf *b)
{
	assert(h && b);
	for (size_t i = 0; i < h->n_listeners; i++) {
		buf_str(b, i ? ", " : "");
		http_listen_where(h->listeners[i].fd, b);
	}
}

static int watch(struct http *h, int fd, void *what)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(h->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int start_library(struct http *h)
{
	MHD_set_panic_func(on_panic, NULL);
	/* From 1.0 on it can refuse by itself what RFC 9112 forbids: bare LF, folded lines, blanks in the target. */
	h->strict_library = strtol(MHD_get_version(), NULL, 10) >= 1;
	/* Room above our own limit: what is shut down counts there until it is closed. */
	unsigned most = h->limits.connections + 2 * ACCEPT_TURN * HTTP_LISTENERS_MAX;

	h->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL, NULL,
		request_step, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, h, MHD_OPTION_CONNECTION_LIMIT, most,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONN, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)BACKSTOP_S, MHD_OPTION_URI_LOG_CALLBACK, request_begin, h, MHD_OPTION_NOTIFY_COMPLETED,
		request_ended, h, MHD_OPTION_NOTIFY_CONNECTION, conn_notify, h, MHD_OPTION_STRICT_FOR_CLIENT,
		(int)h->strict_library, MHD_OPTION_END);
	if (!h->mhd)
		return -ENOMEM;
	return watch(h, MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, h);
}

static int start_waiting(struct http *h)
{
	h->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (h->epfd < 0)
		return -errno;
	h->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->bell < 0)
		return -errno;
	return watch(h, h->bell, &h->bell);
}

static struct http *new_http(const struct http_options *o)
{
	struct http *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h)
		return NULL;
	h->o = *o;
	h->limits = o->limits ? *o->limits : http_default_limits;
	h->epfd = h->bell = -1;
	h->reap_us = h->listen_again_us = INT64_MAX;
	STAILQ_INIT(&h->done);
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->emptied, &attr);
	pthread_condattr_destroy(&attr);
	http_set_external_url(h, o->external_url);
	return h;
}

static int start_all(struct http *h, char *why, size_t size)
{
	int r = listen_all(h, why, size);

	if (r < 0)
		return r;
	h->now_us = clock_mono_us();
	r = start_waiting(h);
	if (r == 0)
		r = start_library(h);
	if (r == 0) {
		conn_listen(h, true, INT64_MAX);
		r = -pthread_create(&h->thread, NULL, thread_main, h);
	}
	h->threaded = r == 0;
	if (r < 0)
		snprintf(why, size, "the HTTP server could not start: %s", strerror(-r));
	return r;
}

/* Sockets handed over stay the caller's. */
static void leave_fds(struct http *h)
{
	if (h->o.n_fds)
		for (size_t i = 0; i < h->n_listeners; i++)
			h->listeners[i].fd = -1;
}

int http_start(const struct http_options *o, struct http **ret, char *why, size_t size)
{
	assert(o && o->admit && o->handle && ret && why && size > 0);
	struct http *h = new_http(o);

	if (!h)
		return -ENOMEM;
	int r = start_all(h, why, size);
	if (r < 0) {
		leave_fds(h);
		http_stop(h);
		return r;
	}
	*ret = h;
	return 0;
}

void http_set_external_url(struct http *h, const char *url)
{
	struct http_origin o = {0};
	bool has = url && http_origin_parse(url, true, &o) == 0;

	pthread_mutex_lock(&h->lock);
	h->external = o;
	h->has_external = has;
	pthread_mutex_unlock(&h->lock);
}

int64_t http_busy_since_us(const struct http *h)
{
	assert(h);
	return atomic_load(&h->busy_since);
}

int http_port(const struct http *h, size_t index)
{
	return index < h->n_listeners ? h->listeners[index].port : 0;
}

/* --- end --- */

static void set_stage(struct http *h, enum conn_stage stage)
{
	pthread_mutex_lock(&h->lock);
	h->wanted = stage;
	pthread_mutex_unlock(&h->lock);
	http_ring(h);
}

static bool wait_until_empty(struct http *h, int64_t bound_us)
{
	int64_t at = clock_mono_us() + bound_us;
	struct timespec t = {.tv_sec = at / US_PER_S, .tv_nsec = at % US_PER_S * 1000};

	pthread_mutex_lock(&h->lock);
	while (!h->empty && pthread_cond_timedwait(&h->emptied, &h->lock, &t) == 0)
		;
	bool empty = h->empty;
	pthread_mutex_unlock(&h->lock);
	return empty;
}

void http_drain(struct http *h, int64_t bound_us)
{
	assert(h->threaded && !pthread_equal(h->thread, pthread_self()) && bound_us >= 0);
	set_stage(h, STAGE_DRAIN);
	if (wait_until_empty(h, bound_us))
		return;
	set_stage(h, STAGE_GIVE_UP);
	wait_until_empty(h, LAST_REPLIES_US);
}

void http_stop(struct http *h)
{
	struct request *r;

	if (!h)
		return;
	assert(!h->threaded || !pthread_equal(h->thread, pthread_self()));
	if (h->threaded) {
		set_stage(h, STAGE_STOP);
		pthread_join(h->thread, NULL);
	}
	if (h->mhd)
		MHD_stop_daemon(h->mhd);
	/* Completed too late, or never. */
	while ((r = LIST_FIRST(&h->requests)))
		request_free(r);
	assert(LIST_EMPTY(&h->conns) && h->n_conns == 0);
	for (size_t i = 0; i < h->n_listeners; i++)
		http_listen_close(&h->listeners[i]);
	cleanup_fd(&h->bell);
	cleanup_fd(&h->epfd);
	pthread_cond_destroy(&h->emptied);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
