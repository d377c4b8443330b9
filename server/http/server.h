/*
 * The HTTP server: libmicrohttpd on one thread of its own, turned into http_req and http_reply.
 *
 * One libmicrohttpd daemon in external epoll mode; the sockets are accepted here, so that limits, deadlines
 * and the shortage of descriptors are decided here. Every call of the library is made on the http thread: a
 * deferred request is suspended after its handler returned and resumed when its completion, from whatever
 * thread, was taken off a queue.
 *
 * What the library lets through and should not (two Content-Lengths, blanks in names) is refused before the
 * body is read: http_guard.h.
 */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/http_types.h"

#define HTTP_LISTENERS_MAX 16
/* Whoever is in it may connect to a unix socket that was opened here. */
#define HTTP_SOCKET_GROUP "rollbackctl"

/* What is known of a request before its body is read. */
struct http_admission {
	int status;        /* 200, or 404, 405: answered at once */
	const char *allow; /* static; for 405 */
	unsigned roles;    /* any of these may call it, else 403; 0: everybody */
	bool takes_body;   /* JSON, or a form; else a request with a body is refused */
	bool form;         /* a form of a page, with the token of who asks: else 403 */
	/* The query parameters that it knows, "limit,cursor"; NULL: none. Static. */
	const char *params;
};
typedef struct http_admission http_admit_fn(void *arg, enum http_method method, const char *path);

typedef enum http_verdict http_handle_fn(void *arg, struct http_req *req, struct http_reply *reply);

/* A request that its route would take was refused before its handler saw it: reply says why. sure: whoever can connect
 * may call it, or who asks is known. */
typedef void http_refused_fn(void *arg, const struct http_req *req, const struct http_reply *reply, bool sure);

/* Who asks, from the headers and the peer, before the body is read; not asked for routes that are open to
 * everybody. HTTP_ADMITTED: req's user, authenticated and roles are set. HTTP_REFUSED: the reply is filled.
 * HTTP_ASKED: it comes through req->complete, as from a handler that defers: status 200 admits (the three of
 * req were set before), any other status is the answer. */
enum http_access { HTTP_ADMITTED, HTTP_REFUSED, HTTP_ASKED };
typedef enum http_access http_authenticate_fn(void *arg, struct http_req *req, struct http_reply *reply);

/* Bounds; the deadlines are absolute, not of inactivity: one byte a second must not hold a connection.
 * Without the time that size / bytes_per_s grants a request ends within 5 + 15 + 20 + 20 = 60 s. */
struct http_limits {
	size_t body;          /* of one request: 16 MiB (a group of 10,000 alerts is 8 MB) */
	size_t in_flight;     /* of all requests together: 64 MiB, beyond it 503 */
	size_t replies;       /* of all replies being sent together: 64 MiB, beyond it 503 */
	unsigned connections; /* 1024, or less when the process may open fewer files */
	/* 256: Alertmanager, Prometheus, the page and a proxy in front may all come from 127.0.0.1 */
	unsigned per_ip;
	int64_t head_us;     /* from accept, or the request line, to the end of the headers: 5 s */
	int64_t body_us;     /* for the body: 15 s, … */
	int64_t pause_us;    /* … and no pause in it longer than 10 s */
	int64_t defer_us;    /* until a deferred request gets 503: 20 s */
	int64_t reply_us;    /* 20 s */
	int64_t idle_us;     /* between two requests: 360 s */
	int64_t bytes_per_s; /* at least this fast: 64 kB/s */
	/* Streams: at most 32, and never more than a quarter of the connections; beyond it 503. */
	unsigned streams;
	int64_t stream_us; /* then it ends, and the client comes again: 1 h */
	int64_t beat_us;   /* after so long without anything a sign of life, so that the dead are noticed: 15 s */
};
extern const struct http_limits http_default_limits;

/* An error is about to be sent: it may be put into another form for who asks for one. HTTP thread; asks nobody. */
typedef void http_dress_fn(void *arg, const struct http_req *req, struct http_reply *reply);

struct http_options {
	/* "127.0.0.1:9595", "[::1]:0", "unix:/path"; numbers and "localhost" only */
	const char *const *addresses;
	size_t n_addresses;
	/* Sockets that listen already: they win over addresses, and belong to a successful start. */
	const int *fds;
	size_t n_fds;
	/* Else all must be loopback or unix sockets: without passwords whoever connects has every role. */
	bool allow_remote;
	/* Names by which it may be called beside its addresses, localhost and external_url's; kept by the caller. What
	 * is open to everybody is open by every name: probes and scrapes come by whatever leads here, and whoever can
	 * read it here can read it without a browser. */
	const char *const *allowed_hosts;
	size_t n_allowed_hosts;
	const char *external_url; /* NULL or "": none; copied. http_set_external_url */
	http_admit_fn *admit;
	http_authenticate_fn *authenticate; /* NULL: all are "local", with ROLE_ALL */
	http_handle_fn *handle;
	http_refused_fn *refused;         /* may be NULL */
	http_dress_fn *dress;             /* may be NULL */
	void *arg;                        /* of the five */
	const struct http_limits *limits; /* NULL: http_default_limits */
};

struct http;

/* Listens and starts the thread. 0, or -errno with why. */
int http_start(const struct http_options *o, struct http **ret, char *why, size_t size) MUST_CHECK;

/* Appends all of its addresses, also those that the service manager handed over. After the start, before the stop. */
void http_where(const struct http *h, struct buf *b);
/* Of the index-th address: its port, 0 for a unix socket. */
int http_port(const struct http *h, size_t index);

/* Monotonic time since when its thread has been at one turn; 0: it waits. For the watchdog; any thread. */
int64_t http_busy_since_us(const struct http *h);

/* From now on. Any thread. */
void http_set_external_url(struct http *h, const char *url);

/* There may be something new for streams. Any thread, as long as the server is there; cheap without streams. */
void http_wake(struct http *h);

/* Ends every stream whose request came before this call: who asks, and what he may do, has changed. Any thread. */
void http_end_streams(struct http *h);

/* Stops listening, ends the streams and lets what is under way end, for at most bound_us; then every deferred request
 * gets 503 and the replies another second. Handlers may still complete later, until http_stop. Any other thread. */
void http_drain(struct http *h, int64_t bound_us);

/* Ends the thread and closes everything. Nothing may complete a request from here on. NULL is fine. */
void http_stop(struct http *h);

/* Whether it can be listened on. */
bool http_is_address(const char *address);
/* Whether only this machine can reach the address: 127/8, ::1, localhost or a unix socket. */
bool http_is_loopback(const char *address);

#endif
