#include "server/http/origin.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PORT_LEN_MAX 5

static const struct {
	const char *name;
	int port;
} schemes[] = {{"http", 80}, {"https", 443}};

static int default_port(const char *scheme)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (!strcmp(schemes[i].name, scheme))
			return schemes[i].port;
	return -1;
}

/* --- host and port --- */

/* An IPv6 address has many spellings; one is compared. */
static int take_ipv6(const char *text, size_t len, char *out)
{
	char copy[INET6_ADDRSTRLEN], plain[INET6_ADDRSTRLEN];
	struct in6_addr a;

	if (len < 2 || text[len - 1] != ']' || len - 2 >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text + 1, len - 2);
	copy[len - 2] = '\0';
	if (memchr(copy, '\0', len - 2) || inet_pton(AF_INET6, copy, &a) != 1 ||
	    !inet_ntop(AF_INET6, &a, plain, sizeof(plain)))
		return -EINVAL;
	snprintf(out, HTTP_HOST_MAX, "[%s]", plain);
	return 0;
}

static int take_host(const char *text, size_t len, char *out)
{
	if (len > 0 && text[0] == '[')
		return take_ipv6(text, len, out);
	if (len > 1 && text[len - 1] == '.')
		len--;
	if (len == 0 || len >= HTTP_HOST_MAX || text[len - 1] == '.')
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (!isalnum(c) && c != '-' && c != '.' && c != '_')
			return -EINVAL;
		out[i] = (char)tolower(c);
	}
	out[len] = '\0';
	return 0;
}

/* "host:" has no port, as RFC 3986 allows it. */
static int take_port(const char *text, size_t len, int *ret)
{
	int port = 0;

	if (len > PORT_LEN_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		port = port * 10 + text[i] - '0';
	}
	if (port > 65535)
		return -EINVAL;
	*ret = len ? port : -1;
	return 0;
}

int http_authority_parse(const char *text, size_t len, struct http_authority *ret)
{
	const char *colon = memrchr(text, ':', len), *bracket = memrchr(text, ']', len);
	struct http_authority a = {.port = -1};

	assert(text && ret);

	if (colon && bracket && colon < bracket)
		colon = NULL;
	size_t host = colon ? (size_t)(colon - text) : len;
	int r = take_host(text, host, a.host);
	if (r == 0 && colon)
		r = take_port(colon + 1, len - host - 1, &a.port);
	if (r == 0)
		*ret = a;
	return r;
}

bool http_is_host(const char *text)
{
	struct http_authority a;

	return http_authority_parse(text, strlen(text), &a) == 0 && a.port < 0 && text[strlen(text) - 1] != ':';
}

bool http_same_authority(const struct http_authority *x, const struct http_authority *y, int port)
{
	return !strcmp(x->host, y->host) && (x->port < 0 ? port : x->port) == (y->port < 0 ? port : y->port);
}

/* --- URLs --- */

int http_origin_parse(const char *text, bool path, struct http_origin *ret)
{
	assert(text && ret);
	const char *mark = strstr(text, "://");
	struct http_origin o = {0};

	if (!mark || (size_t)(mark - text) >= sizeof(o.scheme))
		return -EINVAL;
	for (size_t i = 0; text + i < mark; i++)
		o.scheme[i] = (char)tolower((unsigned char)text[i]);
	size_t len = strcspn(mark + 3, "/?#");
	if (default_port(o.scheme) < 0 || (!path && mark[3 + len]) || http_authority_parse(mark + 3, len, &o.at) < 0)
		return -EINVAL;
	*ret = o;
	return 0;
}

const char *http_target_path(const char *target, const char **ret_authority, size_t *ret_len)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i].name);

		if (!strncasecmp(target, schemes[i].name, len) && !strncmp(target + len, "://", 3)) {
			*ret_authority = target + len + 3;
			*ret_len = strcspn(*ret_authority, "/?#");
			return *ret_authority + *ret_len;
		}
	}
	*ret_authority = NULL;
	*ret_len = 0;
	return target;
}

/* --- us --- */

bool http_is_our_name(const struct http_names *n, const struct http_authority *called, const char *local)
{
	static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
	struct http_authority a;

	assert(n && called && called->host[0]);
	for (size_t i = 0; i < ARRAY_LEN(loopback); i++)
		if (!strcmp(called->host, loopback[i]))
			return true;
	if (n->external && !strcmp(called->host, n->external->at.host))
		return true;
	for (size_t i = 0; i < n->n_allowed; i++)
		if (http_authority_parse(n->allowed[i], strlen(n->allowed[i]), &a) == 0 &&
		    !strcmp(called->host, a.host))
			return true;
	return local && local[0] && !strcmp(called->host, local);
}

bool http_is_our_page(const struct http_names *n, const struct http_authority *called, const char *origin)
{
	struct http_origin o;

	assert(n && called && origin);
	if (http_origin_parse(origin, false, &o) < 0) /* "null", too */
		return false;
	int port = default_port(o.scheme);
	if (http_same_authority(&o.at, called, port))
		return true;
	return n->external && !strcmp(o.scheme, n->external->scheme) &&
	       http_same_authority(&o.at, &n->external->at, port);
}
