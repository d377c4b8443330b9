#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/api/api.h"
#include "handlers/settings/current.h"
#include "handlers/plan/actions.h"
#include "server/core/http_reply.h"
#include "server/core/thread.h"

#define SEGMENT_MAX 256
#define REQUEST_MAX (64 * 1024) /* bytes of what a person asks for */

static const struct api_route {
	enum http_method method;
	const char *pattern; /* '*' is one path segment */
	unsigned roles;
	enum http_verdict (*handle)(struct api *, struct http_req *, struct http_reply *, const char *, const char *);
	const char *params; /* of the query; NULL: it takes none */
} routes[] = {
	{HTTP_POST, "/webhook", ROLE_WEBHOOK, webhook_post, NULL},
	{HTTP_PUT, "/webhook", ROLE_WEBHOOK, webhook_post, NULL}, /* Grafana can be told to PUT */
	{HTTP_GET, "/api/v1/incidents", ROLE_VIEWER, incidents_list,
         "rollout,state,kind,since,until,q,live,limit,cursor"},
	{HTTP_POST, "/api/v1/incidents", ROLE_OPERATOR, incident_open, NULL},
	{HTTP_GET, "/api/v1/incidents/*", ROLE_VIEWER, incident_show, NULL},
	{HTTP_GET, "/api/v1/incidents/*/report", ROLE_VIEWER, incident_report_show, NULL},
	{HTTP_POST, "/api/v1/incidents/*/*", ROLE_OPERATOR, incident_act, NULL},
	{HTTP_GET, "/api/v1/rollouts", ROLE_VIEWER, rollouts_list, NULL},
	{HTTP_GET, "/api/v1/rollouts/*", ROLE_VIEWER, rollout_show, NULL},
	{HTTP_GET, "/api/v1/rollouts/*/flags", ROLE_VIEWER, rollout_flags, NULL},
	{HTTP_GET, "/api/v1/rollouts/*/compare", ROLE_VIEWER, rollout_compare, "percentage,duration,threshold"},
	{HTTP_POST, "/api/v1/rollouts/*/rollback", ROLE_OPERATOR, rollout_rollback, NULL},
	{HTTP_GET, "/api/v1/rollouts/*/report", ROLE_VIEWER, plan_report, "kind"},
	{HTTP_POST, "/api/v1/rollouts/*/advance", ROLE_OPERATOR, plan_advance_post, NULL},
	/* Needs only the role that approves, which is looked for by the handler. */
	{HTTP_POST, "/api/v1/rollouts/*/approve", ROLE_USER, plan_approve_post, NULL},
	{HTTP_POST, "/api/v1/rollouts/*/*", ROLE_OPERATOR, plan_post, NULL},
	{HTTP_GET, "/api/v1/events", ROLE_VIEWER, events_list, "rollout,limit,cursor"},
	{HTTP_GET, "/metrics", 0, metrics_show, NULL},
	{HTTP_GET, "/-/healthy", 0, healthy_show, NULL},
	{HTTP_GET, "/-/ready", 0, ready_show, NULL},
	{HTTP_POST, "/-/reload", ROLE_OPERATOR, reload_post, NULL},
	{HTTP_GET, "/", ROLE_VIEWER, page_index, NULL},
	{HTTP_GET, "/incidents/*", ROLE_VIEWER, page_incident, NULL},
	{HTTP_GET, "/rollouts/*", ROLE_VIEWER, page_rollout, "kind"},
};

struct segments {
	char value[2][SEGMENT_MAX]; /* what stood for the first and the second '*' */
	int n;
};

/* The next path segment: its start and length; *path moves behind it. */
static size_t segment(const char **path, const char **start)
{
	assert(*path && start);
	if (**path == '/')
		(*path)++;
	*start = *path;
	size_t len = strcspn(*path, "/");
	*path += len;
	return len;
}

static bool fits(const char *pattern, const char *path, struct segments *ret)
{
	assert(pattern && path && ret);
	ret->n = 0;
	while (*pattern && *path) {
		const char *p, *s;
		size_t pl = segment(&pattern, &p), sl = segment(&path, &s);

		if (pl == 1 && *p == '*') {
			if (sl == 0 || sl >= SEGMENT_MAX || ret->n == 2)
				return false;
			memcpy(ret->value[ret->n], s, sl);
			ret->value[ret->n++][sl] = '\0';
		} else if (pl != sl || memcmp(p, s, pl) != 0) {
			return false;
		}
	}
	return !*pattern && !*path;
}

static const struct api_route *find(enum http_method method, const char *path, struct segments *seg, bool *ret_known)
{
	assert(path && seg && ret_known);
	*ret_known = false;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!fits(routes[i].pattern, path, seg))
			continue;
		*ret_known = true;
		if (routes[i].method == method || (method == HTTP_HEAD && routes[i].method == HTTP_GET))
			return &routes[i];
	}
	return NULL;
}

static const char *allowed(const char *path)
{
	struct segments seg;
	bool get = false, post = false, put = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (fits(routes[i].pattern, path, &seg)) {
			get |= routes[i].method == HTTP_GET;
			post |= routes[i].method == HTTP_POST;
			put |= routes[i].method == HTTP_PUT;
		}
	return get && post ? "GET, HEAD, POST" : get ? "GET, HEAD" : post && put ? "POST, PUT" : "POST";
}

struct route_info api_route(enum http_method method, const char *path)
{
	assert(path);
	struct segments seg;
	bool known;
	const struct api_route *r = find(method, path, &seg, &known);

	if (!r)
		return (struct route_info) {.status = known ? 405 : 404, .allow = known ? allowed(path) : NULL};
	return (struct route_info) {
		.status = 200, .roles = r->roles, .takes_body = r->method != HTTP_GET, .params = r->params};
}

enum http_verdict api_handle(void *arg, struct http_req *req, struct http_reply *reply)
{
	assert(arg && req && req->path && reply && thread_may(THREAD_HTTP));
	struct segments seg = {0};
	bool known;
	const struct api_route *r = find(req->method, req->path, &seg, &known);

	if (!r) {
		reply->allow = known ? allowed(req->path) : NULL;
		http_error(reply, known ? 405 : 404, known ? "bad_data" : "not_found", "%s %.200s: %s",
		           req->method_name, req->path,
		           known ? "this method is not for this path" : "there is nothing here");
		return HTTP_REPLIED;
	}
	if (r->roles && !(req->roles & r->roles)) {
		http_forbidden(reply, req, r->roles);
		return HTTP_REPLIED;
	}
	return r->handle(arg, req, reply, seg.value[0], seg.value[1]);
}

void api_answer(struct http_reply *reply, int status, struct json_object *data, const char *next)
{
	assert(reply && status >= 200 && status <= 299);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	json_add_str(o, "status", "success");
	json_add(o, "data", data);
	if (next)
		json_add_str(o, "next", next);
	reply->status = status;
	reply->body.max = API_BODY_MAX;
	if (buf_str(&reply->body, json_text(o)) < 0 || buf_char(&reply->body, '\n') < 0) {
		buf_free(&reply->body);
		http_error(reply, 500, "internal", "the answer is too large");
	}
}

static const struct {
	int err, status;
	const char *type, *text;
} errors[] = {
	{-ENOENT, 404, "not_found", "there is no such thing"},
	{-EINVAL, 400, "bad_data", "this cannot be understood"},
	{-EPERM, 409, "conflict", "not in this state"},
	{-EAGAIN, 503, "unavailable", "too much is waiting to be recorded; try again"},
	{-ENOSPC, 503, "unavailable", "the disk is full: nothing can be recorded"},
	{-EACCES, 403, "forbidden", "not allowed"},
	{-ESHUTDOWN, 503, "unavailable", "shutting down"},
	{-EIO, 503, "unavailable", "the disk failed: nothing can be recorded"},
};

void api_answer_errno(struct http_reply *reply, int err, const char *why)
{
	assert(reply && err < 0 && why);
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (errors[i].err == err) {
			if (errors[i].status == 503)
				reply->retry_after_s = 5;
			http_error(reply, errors[i].status, errors[i].type, "%s", why[0] ? why : errors[i].text);
			return;
		}
	reply->retry_after_s = 5;
	http_error(reply, 503, "unavailable", "%s", why[0] ? why : strerror(-err));
}

int api_body(const struct http_req *req, struct http_reply *reply, struct json_object **ret)
{
	assert(req && reply && ret);
	struct json_fault fault = {0};
	struct json_object *o = NULL;

	if (req->body_len == 0) {
		*ret = json_object_new_object();
		return 0;
	}
	if (req->body_len > REQUEST_MAX) {
		http_error(reply, 413, "bad_data", "the body is longer than %d bytes", REQUEST_MAX);
		return -EINVAL;
	}
	if (json_parse(req->body, req->body_len, &o, &fault) < 0) {
		http_error(reply, 400, "bad_data", "the body is not JSON: %s at byte %zu",
		           fault.why ? fault.why : "wrong", fault.offset);
		return -EINVAL;
	}
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		http_error(reply, 400, "bad_data", "the body must be a JSON object");
		return -EINVAL;
	}
	*ret = o;
	return 0;
}

bool api_may(const struct http_req *req, const char *role)
{
	assert(req && role);
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	const struct person who = {req->user, req->authenticated};
	unsigned bit = http_role_find(role);

	return bit ? (req->roles & bit) != 0 : req->authenticated && person_has_role(s, &who, role);
}

static int number(const struct http_req *req, struct http_reply *reply, const char *name, int64_t least, int64_t most,
                  int64_t *ret)
{
	assert(name && least <= most && ret);
	const char *text = req->param(req, name);
	char *end = NULL;

	if (!text)
		return 0;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno || end == text || *end || v < least || v > most) {
		http_error(reply, 400, "bad_data", "%s must be a number from %lld to %lld", name, (long long)least,
		           (long long)most);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

int api_page(const struct http_req *req, struct http_reply *reply, size_t *ret_limit, int64_t *ret_before)
{
	assert(req && reply && ret_limit && ret_before);
	int64_t limit = 50, before = 0;

	if (number(req, reply, "limit", 1, 500, &limit) < 0 || number(req, reply, "cursor", 1, INT64_MAX, &before) < 0)
		return -EINVAL;
	*ret_limit = (size_t)limit;
	*ret_before = before;
	return 0;
}
