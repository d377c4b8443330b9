/*
 * A request and a reply as handlers see them; no HTTP library in sight, so a test calls handlers directly.
 *
 * Everything in http_req is borrowed and lives until the reply was given (for a deferred reply: until
 * http_defer_complete returns). Handlers run on the http thread and never wait.
 */
#ifndef SERVER_CORE_HTTP_TYPES_H
#define SERVER_CORE_HTTP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/buf.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

/* A body without an end, that is asked for piece by piece, on the http thread. */
struct http_stream {
	/* Adds what there is now, some 32 kB of it, to out, which is empty. 0: nothing means nothing for now, and it is
	 * asked again after ready or, without look, after http_wake. -errno ends the stream. */
	int (*next)(struct http_stream *s, struct buf *out);
	/* Frees the whole stream. */
	void (*free)(struct http_stream *s);
	const char *beat; /* static; sent when there was nothing else for a while */
	/* Begins to look for more elsewhere: after http_wake, and when next had nothing. NULL: next knows all there is.
	 */
	void (*look)(struct http_stream *s);
	/* The server's, set when it takes the stream over: look has found something. Any thread, until free. */
	void (*ready)(struct http_stream *s);
	void *server;
};

#define HTTP_LOCATION_MAX 512
#define HTTP_COOKIE_MAX   200

struct http_reply {
	int status;               /* 200 unless set */
	const char *content_type; /* static; application/json unless set */
	const char *encoding;     /* static; the Content-Encoding that the body has already */
	const char *cache; /* static; Cache-Control of what is the same for everybody. NULL: nobody keeps it, or what
	                      has an ETag asks for it again */
	const char *vary;  /* static; which headers of the question the answer follows */
	char location[HTTP_LOCATION_MAX]; /* "" or where a 303 leads: a path of ours */
	char cookie[HTTP_COOKIE_MAX];     /* "" or the value of Set-Cookie */
	const char *allow;                /* static; the Allow header of a 405 */
	const char *challenge;            /* static; the WWW-Authenticate header of a 401 */
	int retry_after_s;                /* > 0: Retry-After */
	char etag[72];                    /* "" or a quoted ETag */
	struct buf body;
	struct http_stream *stream; /* owned; NULL, or instead of the body. Not for HEAD */
};

#define HTTP_USER_MAX       64 /* bytes of a name, with its NUL */
#define HTTP_FORM_TOKEN_MAX 65

/* The other end of the connection. */
struct http_peer {
	int64_t uid;          /* of a unix socket; -1: TCP, or not to be found out */
	unsigned char ip[16]; /* IPv4 in the first four; all zero on a unix socket */
};

struct http_req;
struct form;
typedef void http_complete_fn(struct http_req *req, struct http_reply *reply);

struct http_req {
	enum http_method method;
	const char *method_name;
	const char *path;   /* decoded, no query */
	const char *target; /* path and query as they were sent */
	bool open;          /* nobody needs to be known for it */
	/* Who asks: "local" on loopback without passwords. Only when authenticated is it a person, or a machine, that
	 * can answer for something (a password was right, or it is the peer of the unix socket). */
	char user[HTTP_USER_MAX];
	bool authenticated;
	unsigned roles; /* bits of enum http_role; the roles that approve: api_may() */
	/* What each form on a page for who asks must send back (server/web/form.h); "": he can send none. */
	char form_token[HTTP_FORM_TOKEN_MAX];
	struct http_peer peer;
	const char *body; /* NUL-terminated */
	size_t body_len;
	/* Of a route that takes a form: its fields, with a token that fits. Else NULL. */
	const struct form *form;
	int64_t received_us; /* wall */
	/* The query parameter or header, decoded; NULL if absent. */
	const char *(*param)(const struct http_req *req, const char *name);
	const char *(*header)(const struct http_req *req, const char *name);
	size_t (*headers)(const struct http_req *req, const char *name); /* how many there are of it */
	/* Answers a deferred request: any thread, exactly once. The body buffer is taken over. */
	http_complete_fn *complete;
};

/* What a route can ask for. ROLE_USER: everybody who is known, whatever his roles; the handler looks closer. */
enum http_role {
	ROLE_WEBHOOK = 1,
	ROLE_VIEWER = 2,
	ROLE_OPERATOR = 4,
	ROLE_USER = 8,
	ROLE_EVIDENCE = 16,
	ROLE_ALL = 31,
	/* Whoever asks, known or not, but by a name of ours alone: what people sign in by. */
	ROLE_ANYBODY = 32
};

/* What a handler returns: the reply is filled, or it will come through req->complete. */
enum http_verdict { HTTP_REPLIED, HTTP_DEFERRED };

#endif
