/*
 * What a request may look like before anything else looks at it. Pure; any thread.
 *
 * libmicrohttpd 0.9.75 takes Transfer-Encoding with Content-Length, several Content-Lengths, blanks in names,
 * and cuts the path at %00: behind a proxy that reads them otherwise, the tail of one request runs as another
 * (RFC 9112, 11.2). Two things it does before anyone can look: a line that begins with a colon ends the
 * headers, and a folded line is added to the name. A proxy in front must refuse both, as the usual ones do.
 */
#ifndef SERVER_HTTP_GUARD_H
#define SERVER_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/http_types.h"

#define HTTP_FIELDS_MAX   256
#define HTTP_FIELDS_BYTES (64 * 1024)

/* Headers, or query parameters. */
struct http_fields {
	struct buf text; /* name NUL value NUL, and so on; max set by the first http_fields_add */
	size_t n;
};

/* What http_fields_get returned before becomes invalid. -ENOMEM; -ENOSPC: too many, or too long. */
int http_fields_add(struct http_fields *f, const char *name, const char *value) MUST_CHECK;
/* The first of that name in letters of any case; NULL when there is none. */
const char *http_fields_get(const struct http_fields *f, const char *name);
size_t http_fields_count(const struct http_fields *f, const char *name);
void http_fields_free(struct http_fields *f);

enum http_method http_method_find(const char *name);

/* What is wrong with the headers, in a sentence: then 400, and the connection must be closed. NULL: nothing.
 */
const char *http_guard_headers(const struct http_fields *headers, bool http_1_1);

struct http_body_head {
	bool any;   /* a body follows */
	bool known; /* and its length is known */
	uint64_t length;
};
/* For headers that http_guard_headers liked. */
struct http_body_head http_body_head(const struct http_fields *headers);

/* A method that changes something, asked for by the page of another site (Fetch Metadata). */
bool http_from_other_site(const struct http_fields *headers, enum http_method method);

/* The decoded path of a request target; out has room for as many bytes as the target. -EINVAL: nothing we
 * would serve (no path, %00, control characters, malformed escapes or UTF-8, an encoded slash, "//", "." or
 * ".." as a segment). */
int http_path_decode(const char *target, char *out) MUST_CHECK;

/* The decoded parameters behind the '?'. -EINVAL: malformed; -ENOSPC, -ENOMEM. */
int http_query_parse(const char *target, struct http_fields *ret) MUST_CHECK;

#endif
