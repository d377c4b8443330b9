/*
 * What server.c (thread, start, end), conn.c (connections), head.c and request.c (requests), stream.c know of each
 * other.
 *
 * Http thread only, but what stands under the lock and the functions that say so.
 */
#ifndef SERVER_HTTP_PRIVATE_H
#define SERVER_HTTP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <microhttpd.h>
#include "server/core/text.h"
#include "server/http/server.h"
#include "server/http/guard.h"
#include "server/http/listen.h"
#include "server/http/origin.h"
#include "server/web/form.h"

#define METHOD_NAME_MAX 24
#define ACCEPT_TURN     32 /* connections taken from one listener before others get a turn */

enum conn_stage { STAGE_RUN, STAGE_DRAIN, STAGE_GIVE_UP, STAGE_STOP };

/* STREAM: a piece of a stream is being sent; WAITING: it has nothing to send, and is suspended. */
enum phase { PHASE_HEAD, PHASE_BODY, PHASE_DEFERRED, PHASE_REPLY, PHASE_STREAM, PHASE_WAITING, PHASE_IDLE };

/* The address of a peer as far as it counts for the limit per IP; all zero for unix sockets. */
struct peer_ip {
	int family;
	unsigned char bytes[16];
};

/* How a body in chunks comes along: the library says nothing of the lines between the data. */
struct chunks {
	int64_t begin;    /* bytes of the connection that it had read when the body began; -1: not to be found out */
	uint64_t seen;    /* of the body, in the turn before … */
	int waiting;      /* … and what waited then in the kernel */
	unsigned in_vain; /* turns in which it could have read, and did not */
};

struct conn {
	LIST_ENTRY(conn) link;
	int fd; /* the library's, which closes it after conn_closed */
	enum phase phase;
	int64_t since_us;        /* mono: start of the phase … */
	int64_t active_us;       /* … and the last byte of a body */
	uint64_t bytes;          /* of a body: come; of a reply, or a piece: to go */
	struct request *request; /* NULL between requests */
	bool announced;          /* the library has said that it is there: conn_notify */
	bool doomed;             /* shut down, no longer counted */
	struct chunks chunks;    /* of a body in chunks */
	bool watched;            /* a stream: whether the peer goes away is looked at … */
	bool gone;               /* … and it has */
	struct peer_ip ip;
	struct http_peer peer;
	char local[HTTP_ADDRESS_MAX]; /* the address that it came to */
};

/* KNOCKING: who asks is being found out; then ADMITTED or REFUSED, until the library asks again. */
enum request_state { REQ_NEW, REQ_KNOCKING, REQ_ADMITTED, REQ_REFUSED, REQ_BODY, REQ_DEFERRED, REQ_ANSWERED };

struct stream {
	LIST_ENTRY(request) link;
	bool open;
	struct buf piece; /* what is being sent … */
	size_t sent;      /* … and how much of it the library has taken */
	int64_t until_us; /* mono */
};

struct request {
	/* First: handlers know only this. All it points to is ours, so it outlives the connection. */
	struct http_req req;
	LIST_ENTRY(request) link;
	STAILQ_ENTRY(request) done_link;
	struct http *http;
	struct conn *conn; /* both NULL once the connection is gone */
	struct MHD_Connection *mhd;
	enum request_state state;
	bool lent;    /* a deferred handler holds it: its completion is still to come */
	bool close;   /* the connection cannot be used again */
	bool known;   /* who asks has been asked for */
	bool chunked; /* its body comes in chunks, and it is counted in http.n_chunked */
	struct http_admission admission;
	struct http_body_head body_head;
	struct http_reply reply;
	struct http_reply given; /* by the completion, until the http thread takes it */
	struct http_fields headers, query;
	struct buf body;
	struct form form;
	size_t charged, reply_charged; /* bytes counted in http.in_flight and http.replies */
	uint64_t body_seen;            /* bytes come, kept or not */
	int body_error;                /* what stopped the keeping: -EMSGSIZE, -EDQUOT, -ENOMEM */
	char method[METHOD_NAME_MAX];
	unsigned generation; /* of http, when it came */
	struct stream stream;
	const char *raw_target;       /* in the library's memory, until the first call is over */
	char *target;                 /* as sent */
	struct http_authority called; /* by which name; host "": none */
	char *path;
};

LIST_HEAD(conns, conn);
LIST_HEAD(requests, request);
STAILQ_HEAD(done_requests, request);

struct http {
	struct http_options o;
	struct http_limits limits;
	struct MHD_Daemon *mhd;
	bool strict_library; /* libmicrohttpd >= 1.0 */
	int epfd, bell;
	pthread_t thread;
	bool threaded;
	pthread_t self; /* of the http thread, set by it … */
	bool turns;     /* … while it turns */

	pthread_mutex_t lock; /* guards the next six */
	pthread_cond_t emptied;
	struct http_origin external;
	bool has_external;
	struct done_requests done;
	enum conn_stage wanted;
	bool empty; /* no connections while draining */

	/* Any thread. */
	atomic_llong busy_since; /* mono; 0: it waits */
	atomic_uint n_streams;   /* only the http thread changes it */
	atomic_bool woken;       /* the streams are to be looked at … */
	atomic_bool ready;       /* … and at once: one has found something */
	atomic_uint generation;  /* of those who may ask: http_end_streams */

	enum conn_stage stage;
	struct http_listener listeners[HTTP_LISTENERS_MAX]; /* ports: fixed after the start */
	size_t n_listeners;
	bool listening;
	int64_t now_us; /* mono, at the beginning of the turn */
	int64_t listen_again_us;
	int64_t reap_us; /* no deadline before this */
	struct conns conns;
	unsigned n_conns;    /* without the doomed */
	unsigned n_chunked;  /* requests with a body in chunks */
	unsigned n_arriving; /* of conns: handed to the library, which has not said yet that they are there */
	struct requests requests;
	struct requests streams; /* by stream.link */
	int64_t wake_us;         /* the streams are not looked at again before this */
	size_t in_flight, replies;
	int64_t warned_us; /* start of the time in which … */
	int n_warned;      /* … so many lines were logged */
};

/* What is not said to be for any thread is for this one. */
static inline bool on_http_thread(const struct http *h)
{
	return h->turns && pthread_equal(h->self, pthread_self());
}

/* --- conn.c --- */

/* Takes what waits at a listener, as far as the limits allow. */
void conn_accept(struct http *h, const struct http_listener *l);
void conn_phase(struct http *h, struct conn *c, enum phase phase, uint64_t bytes);
/* The library sees the end of the connection in its next turn and closes it. */
void conn_doom(struct http *h, struct conn *c);
/* Closes what is over its time, gives 503 to what is deferred for too long. */
void conn_reap(struct http *h);
/* How many connections there may be now. */
unsigned conn_limit(const struct http *h);
/* Notices, through http.epfd, when the peer goes away. */
void conn_watch(struct http *h, struct conn *c);
/* Listens, or not: for ever (again_us INT64_MAX), or until then. */
void conn_listen(struct http *h, bool on, int64_t again_us);
void conn_notify(void *http, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);
/* After the library's turn: forgets what it took and then refused. */
void conn_forget_refused(struct http *h);

/* --- chunks.c --- */

/* A body in chunks begins. */
void chunks_begin(struct request *r);
/* After the library's turn: closes those whose chunks cost more than their data is worth. */
void chunks_turn(struct http *h);

/* --- request.c --- */

void *request_begin(void *http, const char *target, struct MHD_Connection *mhd);
enum MHD_Result request_step(void *http, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **context);
void request_ended(void *http, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode why);
/* The library is done with it; a handler may not be. */
void request_end(struct request *r);
/* Resumes the requests that were completed since the last turn. */
void request_take_completed(struct http *h);
/* Answers a deferred request with 503; its completion may still come and changes nothing. */
void request_give_up(struct request *r, const char *why);
void request_free(struct request *r);

/* --- head.c --- */

/* Whether the head is refused; the reply is filled then. Else the admission and body_head are known. */
bool head_refuse(struct request *r, const char *method, const char *version);
/* The same for a parameter that its route does not know. */
bool head_refuse_query(struct request *r);

/* --- stream.c --- */

/* The response that reply.stream stands for. NULL: the reply says why not. */
struct MHD_Response *stream_open(struct request *r);
/* When streams are to be looked at; INT64_MAX: nobody said so. */
int64_t stream_wake_at(const struct http *h);
/* Looks at them, if it is time to. */
void stream_turn(struct http *h);
/* One has waited for its time: a sign of life, or the end. */
void stream_due(struct request *r);
/* The peer of one has gone. */
void stream_gone(struct conn *c);
void stream_end_all(struct http *h);
/* Gives back what a request's stream holds, if it has one. */
void stream_free(struct request *r);

/* --- server.c --- */

/* Wakes the http thread. Any thread. */
void http_ring(struct http *h);
/* Logs what clients can bring about, so a few lines at a time are enough. */
void http_warn(struct http *h, const char *msg, const char *key, const char *value);

#endif
