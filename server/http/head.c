/*
 * What is decided of a request by its head alone, before anybody is asked who sends it.
 */
#include "server/http/private.h"

#include <assert.h>
#include <string.h>

#include "server/core/http_reply.h"

/* --- the bytes --- */

struct taking {
	struct http_fields *fields;
	struct http_cut *cut;
};

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct taking *t = arg;

	(void)kind;
	http_cut_header(t->cut, name, value);
	return http_fields_add(t->fields, name, value ? value : "") == 0 ? MHD_YES : MHD_NO;
}

static size_t head_size(struct request *r)
{
	return MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
}

/* What was sent is more than the strings that the library made of it, or has other ends of lines. libmicrohttpd 1.0
 * refuses such by itself (server.c), and cuts otherwise. */
static bool is_torn(struct request *r, const struct http_cut *cut, const char *method)
{
	return !r->http->strict_library && !http_cut_is_whole(cut, method + head_size(r));
}

/* After these the connection is out of step with the client, or with a proxy between. */
static bool refuse_malformed(struct request *r, const char *method, const char *version)
{
	struct http_cut cut = http_cut_line(method, r->raw_target, strlen(r->target), version);
	struct taking t = {&r->headers, &cut};
	const char *why = NULL;

	MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, take_header, &t);
	if (r->headers.n == HTTP_FIELDS_MAX || r->headers.text.error) {
		http_error(&r->reply, 431, "bad_data", "there are too many headers");
		r->close = true;
		return true;
	}
	why = http_guard_headers(&r->headers, strcmp(version, "HTTP/1.0") != 0);
	if (!why && is_torn(r, &cut, method))
		why = "a NUL, a folded line, or a line that does not end in CR LF";
	if (!why)
		return false;
	http_error(&r->reply, 400, "bad_data", "%s", why);
	r->close = true;
	return true;
}

/* --- who is meant, and who asks --- */

/* What the target says comes before Host, and both must mean the same server. */
static bool refuse_authority(struct request *r, const char *authority, size_t len)
{
	const char *host = http_fields_get(&r->headers, "Host");
	struct http_authority named = {0};

	if (host && http_authority_parse(host, strlen(host), &named) < 0)
		named.host[0] = '\0';
	r->called = named;
	if (!authority || (http_authority_parse(authority, len, &r->called) == 0 &&
	                   (!host || http_same_authority(&named, &r->called, 80))))
		return false;
	http_error(&r->reply, 400, "bad_data", "the request target and Host do not name the same server");
	return true;
}

static bool refuse_target(struct request *r)
{
	const char *authority;
	size_t len;
	const char *target = http_target_path(r->target, &authority, &len);

	if (refuse_authority(r, authority, len))
		return true;
	r->req.target = target;
	if (http_path_decode(target, r->path) < 0) {
		http_error(&r->reply, 404, "not_found", "there is nothing here");
		return true;
	}
	if (http_query_parse(target, &r->query) < 0) {
		http_error(&r->reply, 400, "bad_data", "the query is malformed or too long");
		return true;
	}
	return false;
}

static struct http_names names_of(struct http *h, struct http_origin *room)
{
	pthread_mutex_lock(&h->lock);
	bool has = h->has_external;
	*room = h->external;
	pthread_mutex_unlock(&h->lock);
	return (struct http_names) {
		.allowed = h->o.allowed_hosts, .n_allowed = h->o.n_allowed_hosts, .external = has ? room : NULL};
}

/* The address that the connection came to, and those that are listened on. */
static bool is_our_name(struct request *r, const struct http_names *n)
{
	const struct http *h = r->http;

	if (!r->called.host[0])
		return false;
	if (http_is_our_name(n, &r->called, r->conn->local))
		return true;
	for (size_t i = 0; i < h->n_listeners; i++)
		if (http_is_our_name(n, &r->called, h->listeners[i].host))
			return true;
	return false;
}

static bool refuse_host(struct request *r, const struct http_admission *a)
{
	struct http_origin room;
	struct http_names n = names_of(r->http, &room);

	if ((a->status == 200 && !a->roles) || is_our_name(r, &n))
		return false;
	if (r->called.host[0])
		http_error(&r->reply, 421, "bad_data",
		           "this rollbackd does not go by the name %s: if it shall, start it with "
		           "--web.allowed-host=%s, or set global.external_url",
		           r->called.host, r->called.host);
	else
		http_error(&r->reply, 421, "bad_data", "the request does not say by which Host it calls");
	return true;
}

static bool refuse_page(struct request *r)
{
	const char *origin = http_fields_get(&r->headers, "Origin");
	struct http_origin room;
	struct http_names n = names_of(r->http, &room);

	if (!http_changes_something(r->req.method))
		return false;
	if (!http_from_other_site(&r->headers) &&
	    (!origin || (http_fields_count(&r->headers, "Origin") == 1 && http_is_our_page(&n, &r->called, origin))))
		return false;
	http_error(&r->reply, 403, "forbidden",
	           "the page of another site may not do this (behind a proxy: let it pass Host on, or set "
	           "global.external_url)");
	return true;
}

static bool refuse_route(struct request *r, const struct http_admission *a)
{
	if (a->status == 200)
		return false;
	r->reply.allow = a->allow;
	http_error(&r->reply, a->status, a->status == 404 ? "not_found" : "bad_data", "%s %.200s: %s", r->method,
	           r->path, a->status == 404 ? "there is nothing here" : "this method is not for this path");
	return true;
}

bool head_refuse_query(struct request *r)
{
	const struct http_admission *a = &r->admission;
	const char *name = http_query_fault(&r->query, a->params);
	char near[64];

	if (!name)
		return false;
	if (http_fields_count(&r->query, name) > 1)
		http_error(&r->reply, 400, "bad_data", "the parameter %.100s is there twice", name);
	else if (text_nearest_listed(a->params, name, near))
		http_error(&r->reply, 400, "bad_data", "there is no parameter %.100s: did you mean %s? There are %s",
		           name, near, a->params);
	else if (a->params)
		http_error(&r->reply, 400, "bad_data", "there is no parameter %.100s; there are %s", name, a->params);
	else
		http_error(&r->reply, 400, "bad_data", "%.200s takes no parameters, but %.100s is there", r->path,
		           name);
	return true;
}

bool head_refuse(struct request *r, const char *method, const char *version)
{
	const struct http_options *o = &r->http->o;

	assert(on_http_thread(r->http) && r->state == REQ_NEW && r->conn && r->mhd && method && version);
	if (refuse_malformed(r, method, version))
		return true;
	r->body_head = http_body_head(&r->headers);
	if (refuse_target(r))
		return true;
	r->admission = o->admit(o->arg, r->req.method, r->path);
	const struct http_admission *a = &r->admission;
	return refuse_host(r, a) || refuse_route(r, a) || refuse_page(r);
}
