/*
 * By which names this server may be called, and from the pages of which sites. Pure; any thread.
 *
 * The browser is a door, too: a page of another site can make it send requests here, with the password that it
 * knows; and by a name that is made to lead here (DNS rebinding) it can read the answers as well. So a request
 * must call us by a name of ours, and one that changes something may not come from the page of another origin.
 */
#ifndef SERVER_HTTP_ORIGIN_H
#define SERVER_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include "server/core/scope.h"

#define HTTP_HOST_MAX 256

/* The value of Host, or what stands for it in a URL. */
struct http_authority {
	char host[HTTP_HOST_MAX]; /* small letters, no dot at the end; IPv6 in brackets, as inet_ntop writes it */
	int port;                 /* -1: none is given */
};

struct http_origin {
	char scheme[6]; /* http or https */
	struct http_authority at;
};

/* Who we are. Everything is borrowed. */
struct http_names {
	const char *const *allowed; /* hosts, as given by --web.allowed-host */
	size_t n_allowed;
	const struct http_origin *external; /* of global.external_url; NULL: none */
};

/* -EINVAL: none (empty, with a user, with odd characters, a port that is none). */
int http_authority_parse(const char *text, size_t len, struct http_authority *ret) MUST_CHECK;
/* "http://host:port", and if path is true whatever behind it. -EINVAL: none. */
int http_origin_parse(const char *text, bool path, struct http_origin *ret) MUST_CHECK;
/* A host without a port or anything else, for --web.allowed-host. */
bool http_is_host(const char *text);

/* local: what else we are, such as the address of the socket; NULL or "": nothing. */
bool http_is_our_name(const struct http_names *n, const struct http_authority *called, const char *local);
/* Whether a page with that Origin, as the header has it, is ours: of the host and port that it calls (also when a
 * proxy in front makes HTTPS of it), or of the external URL. */
bool http_is_our_page(const struct http_names *n, const struct http_authority *called, const char *origin);
bool http_same_authority(const struct http_authority *x, const struct http_authority *y, int default_port);

/* Where the path of a request target begins; an absolute one ("http://host/path", RFC 9112, 3.2.2) has an
 * authority before it: its length is set then, and *ret_authority. */
const char *http_target_path(const char *target, const char **ret_authority, size_t *ret_len);

#endif
