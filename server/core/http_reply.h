/*
 * The error envelope that every part of the HTTP side answers with. Any thread.
 */
#ifndef SERVER_CORE_HTTP_REPLY_H
#define SERVER_CORE_HTTP_REPLY_H

#include "server/core/http_types.h"

/* Replaces status, type and body by {"status":"error","errorType":type,"error":"one sentence"}; what was set
 * of allow, challenge, cookie, retry_after_s stays. Types as in Prometheus: bad_data, not_found, conflict, forbidden,
 * unavailable, internal. */
void http_error(struct http_reply *reply, int status, const char *type, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* 403 with a sentence that names the roles, any of which would do. */
void http_forbidden(struct http_reply *reply, const struct http_req *req, unsigned roles);

/* "webhook", "viewer", "operator"; 0: no such role. */
unsigned http_role_find(const char *name);

#endif
