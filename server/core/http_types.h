/*
 * A request and a reply as handlers see them; no HTTP library in sight, so a test calls handlers directly.
 *
 * Everything in http_req is borrowed and lives until the reply was given (for a deferred reply: until
 * http_defer_complete returns). Handlers run on the http thread and never wait.
 */
#ifndef SERVER_CORE_HTTP_TYPES_H
#define SERVER_CORE_HTTP_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include "server/core/buf.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

struct http_reply {
	int status;                     /* 200 unless set */
	const char *content_type;       /* static; application/json unless set */
	const char *allow;              /* static; the Allow header of a 405 */
	int retry_after_s;              /* > 0: Retry-After */
	char etag[72];                  /* "" or a quoted ETag */
	struct buf body;
};

struct http_req;
typedef void http_complete_fn(struct http_req *req, struct http_reply *reply);

struct http_req {
	enum http_method method;
	const char *method_name;
	const char *path;               /* decoded, no query */
	const char *user;               /* who asks: a name, never NULL ("local" on loopback without passwords) */
	unsigned roles;                 /* bits of enum http_role */
	const char *body;               /* NUL-terminated */
	size_t body_len;
	int64_t received_us;            /* wall */
	/* The query parameter or header, decoded; NULL if absent. */
	const char *(*param)(const struct http_req *req, const char *name);
	const char *(*header)(const struct http_req *req, const char *name);
	/* Answers a deferred request: any thread, exactly once. The body buffer is taken over. */
	http_complete_fn *complete;
};

enum http_role { ROLE_WEBHOOK = 1, ROLE_VIEWER = 2, ROLE_OPERATOR = 4, ROLE_ALL = 7 };

/* What a handler returns: the reply is filled, or it will come through req->complete. */
enum http_verdict { HTTP_REPLIED, HTTP_DEFERRED };

#endif
