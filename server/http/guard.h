/*
 * What a request may look like before anything else looks at it. Pure; any thread.
 *
 * libmicrohttpd 0.9.75 takes Transfer-Encoding with Content-Length, several Content-Lengths, blanks in names,
 * and cuts the path at %00: behind a proxy that reads them otherwise, the tail of one request runs as another
 * (RFC 9112, 11.2). Before anyone can look it also cuts a value at a NUL, takes a bare LF for the end of a line, adds a
 * folded line to the name of the header before, and ends the headers at a line that begins with a colon or a NUL. But
 * it does all that in the memory into which the head was read, and only puts a NUL where a piece ends: so whether the
 * pieces and the separators between them are all that came can be computed from where they lie (struct http_cut).
 * One thing is not to be seen there: NUL LF for CR LF at the end of a line.
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

/* A head that was cut in place: "GET NUL /path NUL HTTP/1.1 NUL NUL Host NUL" and so on. */
struct http_cut {
	const char *next; /* where the next piece must begin … */
	bool torn;        /* … and one did not */
};
/* target: its first byte counts and target_len, for it may have been decoded since. */
struct http_cut http_cut_line(const char *method, const char *target, size_t target_len, const char *version);
void http_cut_header(struct http_cut *c, const char *name, const char *value);
/* end: behind the empty line. */
bool http_cut_is_whole(const struct http_cut *c, const char *end);

struct http_body_head {
	bool any;   /* a body follows */
	bool known; /* and its length is known */
	uint64_t length;
};
/* For headers that http_guard_headers liked. */
struct http_body_head http_body_head(const struct http_fields *headers);

bool http_changes_something(enum http_method method);
/* Asked for by the page of another site, as far as browsers say so (Fetch Metadata). */
bool http_from_other_site(const struct http_fields *headers);
/* Whether Content-Type is this one ("application/json"); its parameters do not count. */
bool http_is_type(const struct http_fields *headers, const char *type);

/* The decoded path of a request target; out has room for as many bytes as the target. -EINVAL: nothing we
 * would serve (no path, %00, control characters, malformed escapes or UTF-8, an encoded slash, "//", "." or
 * ".." as a segment). */
int http_path_decode(const char *target, char *out) MUST_CHECK;

/* The first parameter that is not one of known ("limit,cursor"; NULL: none), or that is there twice; NULL: all are
 * well. */
const char *http_query_fault(const struct http_fields *query, const char *known);

/* The decoded parameters behind the '?'. -EINVAL: malformed; -ENOSPC, -ENOMEM. */
int http_query_parse(const char *target, struct http_fields *ret) MUST_CHECK;

#endif
