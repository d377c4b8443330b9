#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/api/routes.h"
#include "handlers/settings/current.h"
#include "handlers/plan/actions.h"
#include "server/core/http_reply.h"
#include "server/core/thread.h"

#define SEGMENT_MAX 256
#define REQUEST_MAX (64 * 1024) /* bytes of what a person asks for */

#define INCIDENT_WORDS "acknowledge,note,eta,approve,cancel,retry,review,extend,resolve"
#define PLAN_BODY      "note,reason,role,checklist,item,stage,duration,force,milestone,name,verdict,link,sha,expires"

/* A request meets the first row that fits it. */
static const struct api_route routes[] = {
	{HTTP_POST, "/webhook", ROLE_WEBHOOK, .handle = webhook_post, .summary = "Alertmanager's webhook", .body = "*"},
	{HTTP_PUT, "/webhook", ROLE_WEBHOOK, .handle = webhook_post, /* Grafana can be told to PUT */
         .summary = "The same, for who can only PUT", .body = "*"},
	{HTTP_GET, "/api/v1/incidents", ROLE_VIEWER, .read = incidents_list, .lane = DB_READ_CHEAP, .dear = "q",
         .params = "rollout,state,kind,since,until,q,live,limit,cursor", .summary = "Incidents, the newest first",
         .list = true},
	{HTTP_POST, "/api/v1/incidents", ROLE_OPERATOR, .handle = incident_open,
         .summary = "A person reports an incident; P0 rolls back", .body = "rollout,severity,summary"},
	{HTTP_GET, "/api/v1/incidents/*", ROLE_VIEWER, .read = incident_show, .lane = DB_READ_URGENT,
         .summary = "An incident in full"},
	{HTTP_GET, "/api/v1/incidents/*/report", ROLE_VIEWER, .read = incident_report_show, .lane = DB_READ_CHEAP,
         .summary = "The report of an incident", .type = "text/markdown"},
	{HTTP_POST, "/api/v1/incidents/*/*", ROLE_OPERATOR, .handle = incident_act,
         .summary = "What a person does to an incident", .words = INCIDENT_WORDS, .body = "note,eta,step,duration"},
	{HTTP_GET, "/api/v1/rollouts", ROLE_VIEWER, .read = rollouts_list, .lane = DB_READ_CHEAP,
         .summary = "All rollouts", .list = true},
	{HTTP_GET, "/api/v1/rollouts/*", ROLE_VIEWER, .read = rollout_show, .lane = DB_READ_URGENT,
         .summary = "A rollout: stage, percentage wanted and seen, criteria, approvals, checklist, open incident"},
	{HTTP_GET, "/api/v1/rollouts/*/plan", ROLE_VIEWER, .read = rollout_plan, .lane = DB_READ_CHEAP,
         .summary = "The plan of a rollout, as the config has it"},
	{HTTP_GET, "/api/v1/rollouts/*/flags", ROLE_VIEWER, .read = rollout_flags, .lane = DB_READ_CHEAP,
         .summary = "The flags of a rollout, typed, for services that poll; with an ETag"},
	{HTTP_POST, "/api/v1/rollouts/*/flags", ROLE_OPERATOR, .handle = flags_post,
         .summary = "Sets one of the other flags", .body = "name,value,reason,note"},
	{HTTP_GET, "/api/v1/rollouts/*/compare", ROLE_VIEWER, .read = rollout_compare, .lane = DB_READ_DEAR,
         .params = "percentage,duration,threshold", .summary = "New way against old way, a verdict per metric"},
	{HTTP_POST, "/api/v1/rollouts/*/rollback", ROLE_OPERATOR, .handle = rollout_rollback,
         .summary = "Rolls back by hand; refused when stage is not the current one", .body = "stage,to,reason"},
	{HTTP_GET, "/api/v1/rollouts/*/report", ROLE_VIEWER, .read = plan_report, .lane = DB_READ_DEAR,
         .params = "kind", .summary = "A report on a rollout", .type = "text/markdown", .type_too = "application/json"},
	{HTTP_GET, "/api/v1/rollouts/*/sla", ROLE_VIEWER, .read = rollout_sla, .lane = DB_READ_DEAR, .params = "since",
         .summary = "How long rollbacks took, phase by phase, against their limits"},
	{HTTP_POST, "/api/v1/rollouts/*/evidence", ROLE_EVIDENCE, .handle = plan_evidence_post,
         .summary = "What CI found, for a checklist", .body = PLAN_BODY},
	/* Needs only the role that approves, which is looked for by the handler. */
	{HTTP_POST, "/api/v1/rollouts/*/approve", ROLE_USER, .handle = plan_approve_post,
         .summary = "Approves leaving the stage, in the name of a role that one has", .body = PLAN_BODY},
	{HTTP_POST, "/api/v1/rollouts/*/*", ROLE_OPERATOR, .handle = plan_post,
         .summary = "What a person does to the plan of a rollout",
         .words = "advance,check,hold,resume,freeze,set,publish,certify,done", .body = PLAN_BODY},
	{HTTP_POST, "/api/v1/notifications", ROLE_OPERATOR, .handle = notification_test,
         .summary = "Sends a test message to a channel, or to all", .body = "channel"},
	{HTTP_GET, "/api/v1/notifications/*", ROLE_VIEWER, .read = notification_show, .lane = DB_READ_CHEAP,
         .summary = "What became of a message"},
	{HTTP_GET, "/api/v1/events", ROLE_VIEWER, .read = events_list, .lane = DB_READ_CHEAP,
         .params = "rollout,limit,cursor", .summary = "The audit trail, the newest first; or a stream of what comes",
         .type_too = "text/event-stream", .list = true},
	{HTTP_GET, "/api/v1/openapi.json", ROLE_VIEWER, .handle = openapi_show, .summary = "This description",
         .type = "application/json"},
	{HTTP_GET, "/metrics", 0, .read = metrics_show, .lane = DB_READ_CHEAP, .without = metrics_own,
         .summary = "Prometheus' metrics", .type = "text/plain"},
	{HTTP_GET, "/-/healthy", 0, .handle = healthy_show, .summary = "The process answers", .type = "text/plain"},
	{HTTP_GET, "/-/ready", 0, .handle = ready_show, .summary = "What comes can be recorded", .type = "text/plain"},
	{HTTP_POST, "/-/reload", ROLE_OPERATOR, .handle = reload_post, .summary = "Has the config read again"},
	{HTTP_GET, "/assets/*", 0, .handle = asset_show, .summary = "What pages load: kept for ever under its name",
         .type = "*/*"},
	{HTTP_GET, "/login", ROLE_ANYBODY, .handle = login_any, .params = "next", .summary = "The form to sign in by",
         .type = "text/html"},
	{HTTP_POST, "/login", ROLE_ANYBODY, .handle = login_any, .form = true, .summary = "Signs in",
         .body = "user,password,next"},
	{HTTP_POST, "/logout", ROLE_USER, .handle = logout_post, .form = true, .summary = "Ends the session",
         .type = "text/html", .body = ""},
	{HTTP_GET, "/", ROLE_VIEWER, .read = page_index, .lane = DB_READ_CHEAP,
         .summary = "The page: all rollouts, and what needs somebody", .type = "text/plain", .type_too = "text/html"},
	{HTTP_GET, "/incidents", ROLE_VIEWER, .read = page_incidents, .lane = DB_READ_CHEAP, .dear = "q",
         .params = "rollout,state,kind,since,until,q,live,limit,cursor", .summary = "The page of all incidents",
         .type = "text/plain", .type_too = "text/html"},
	{HTTP_GET, "/incidents/*", ROLE_VIEWER, .read = page_incident, .lane = DB_READ_CHEAP,
         .summary = "The page of an incident", .type = "text/plain", .type_too = "text/html"},
	{HTTP_GET, "/incidents/*/*", ROLE_VIEWER, .read = page_incident_act, .lane = DB_READ_CHEAP,
         .summary = "The form by which a person acts on an incident", .words = INCIDENT_WORDS, .type = "text/html"},
	{HTTP_POST, "/incidents/*/*", ROLE_OPERATOR, .handle = page_incident_post, .form = true,
         .summary = "That form, sent", .words = INCIDENT_WORDS, .body = "note,step,duration,eta,undone"},
	{HTTP_GET, "/rollouts/*", ROLE_VIEWER, .read = page_rollout, .lane = DB_READ_DEAR, .params = "kind",
         .summary = "The page of a rollout", .type = "text/plain", .type_too = "text/html"},
	{HTTP_GET, "/rollouts/*/*", ROLE_VIEWER, .read = page_rollout_act, .lane = DB_READ_CHEAP,
         .summary = "The form by which a person acts on a rollout",
         .words = "rollback,advance,approve,check,hold,resume,freeze", .type = "text/html"},
	{HTTP_POST, "/rollouts/*/approve", ROLE_USER, .handle = page_rollout_approve, .form = true,
         .summary = "That form, sent by who has the role", .body = "role,note"},
	{HTTP_POST, "/rollouts/*/*", ROLE_OPERATOR, .handle = page_rollout_post, .form = true,
         .summary = "That form, sent", .words = "rollback,advance,check,hold,resume,freeze",
         .body = "stage,to,reason,checklist,item,note,duration"},
};

const struct api_route *api_routes(size_t *ret_n)
{
	assert(ret_n);
	*ret_n = ARRAY_LEN(routes);
	return routes;
}

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

static bool answers(const struct api_route *r, enum http_method method)
{
	return r->method == method || (method == HTTP_HEAD && r->method == HTTP_GET);
}

/* Whether it stands for just this path: the second '*' for one of its words. */
static bool is_meant(const struct api_route *r, const char *path, struct segments *seg)
{
	return fits(r->pattern, path, seg) && (!r->words || text_is_listed(seg->value[1], r->words));
}

/* What no row stands for, but one would with another word, gets that row: its handler says which words there are. */
static const struct api_route *find(enum http_method method, const char *path, struct segments *seg, bool *ret_known)
{
	assert(path && seg && ret_known);
	*ret_known = false;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!is_meant(&routes[i], path, seg))
			continue;
		*ret_known = true;
		if (answers(&routes[i], method))
			return &routes[i];
	}
	for (size_t i = 0; !*ret_known && i < ARRAY_LEN(routes); i++)
		if (answers(&routes[i], method) && fits(routes[i].pattern, path, seg)) {
			*ret_known = true;
			return &routes[i];
		}
	return NULL;
}

static const char *allowed(const char *path)
{
	struct segments seg;
	bool get = false, post = false, put = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (is_meant(&routes[i], path, &seg)) {
			get |= routes[i].method == HTTP_GET;
			post |= routes[i].method == HTTP_POST;
			put |= routes[i].method == HTTP_PUT;
		}
	return get && post ? "GET, HEAD, POST" : get ? "GET, HEAD" : post && put ? "POST, PUT" : "POST";
}

const struct api_route *api_route_of(const struct http_req *req)
{
	assert(req && req->path);
	struct segments seg;
	bool known;
	const struct api_route *r = find(req->method, req->path, &seg, &known);

	assert(r);
	return r;
}

void api_refused(void *arg, const struct http_req *req, const struct http_reply *reply, bool sure)
{
	assert(arg && req && reply);
	if (api_route_of(req)->handle == webhook_post)
		webhook_refused(arg, req, reply, sure);
}

struct route_info api_route(enum http_method method, const char *path)
{
	assert(path);
	struct segments seg;
	bool known;
	const struct api_route *r = find(method, path, &seg, &known);

	if (!r)
		return (struct route_info) {.status = known ? 405 : 404, .allow = known ? allowed(path) : NULL};
	return (struct route_info) {.status = 200,
	                            .roles = r->roles,
	                            .takes_body = r->method != HTTP_GET,
	                            .form = r->form,
	                            .params = r->params};
}

/* --- what reads --- */

struct read_job {
	struct api_job base; /* first */
	const struct api_route *route;
	struct segments seg;
	struct http_reply reply; /* what the handler said */
};

static void reply_drop(struct http_reply *r)
{
	buf_free(&r->body);
	if (r->stream)
		r->stream->free(TAKE(r->stream));
}

static int read_query(struct db_conn *c, struct api_job *base)
{
	struct read_job *j = (struct read_job *)base;
	const struct api_read q = {.api = base->api,
	                           .conn = c,
	                           .settings = base->settings,
	                           .req = base->req,
	                           .segment = j->seg.value[0],
	                           .word = j->seg.value[1]};

	return j->route->read(&q, &j->reply) == HTTP_DEFERRED ? API_HANDED_ON : 0;
}

static void read_answer(struct api_job *base, int result, struct http_reply *reply)
{
	struct read_job *j = (struct read_job *)base;

	if (result == 0) {
		*reply = j->reply;
		j->reply = (struct http_reply) {0};
	} else if (j->route->without) {
		j->route->without(base->api, reply);
	} else {
		api_answer_errno(reply, result, base->why);
	}
}

static void read_free(struct api_job *base)
{
	reply_drop(&((struct read_job *)base)->reply);
	free(base);
}

static const struct api_job_kind read_kind = {.query = read_query, .answer = read_answer, .free = read_free};

static enum http_verdict read_later(struct api *a, const struct api_route *route, const struct segments *seg,
                                    struct http_req *req, struct http_reply *reply)
{
	assert(route->read && seg);
	struct read_job *j = calloc(1, sizeof(*j));

	if (!j) {
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	api_job_init(&j->base, &read_kind, a, req);
	j->route = route;
	j->reply.status = 200;
	j->seg = *seg;
	bool dear = route->dear && req->param(req, route->dear);
	return api_job_query(&j->base, dear ? DB_READ_DEAR : route->lane, reply);
}

/* --- a request --- */

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
	if (r->read)
		return read_later(arg, r, &seg, req, reply);
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

struct api_list api_list_begin(struct http_reply *reply, size_t limit)
{
	assert(reply && limit > 0 && !reply->body.len);
	reply->body.max = API_BODY_MAX;
	buf_str(&reply->body, "{\"status\":\"success\",\"data\":[");
	return (struct api_list) {.reply = reply, .limit = limit};
}

bool api_list_add(struct api_list *l, struct json_object *item, int64_t place)
{
	assert(l && l->reply && place > 0 && !l->cut);
	struct buf *b = &l->reply->body;
	const char *text = json_text(item);

	l->cut = l->n >= l->limit || (l->n && b->len + strlen(text) > API_PAGE_BYTES);
	if (!l->cut) {
		if (l->n++)
			buf_char(b, ',');
		buf_str(b, text);
		l->last = place;
	}
	json_object_put(item);
	return !l->cut;
}

void api_list_end(struct api_list *l)
{
	assert(l && l->reply);
	struct buf *b = &l->reply->body;

	buf_char(b, ']');
	if (l->cut || l->next)
		buf_printf(b, ",\"next\":\"%lld\"", (long long)(l->cut ? l->last : l->next));
	if (l->warning)
		buf_printf(b, ",\"warnings\":[\"%s\"]", l->warning);
	buf_str(b, "}\n");
	l->reply->status = 200;
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
	{-ETIMEDOUT, 503, "timeout", "reading this took longer than it may: ask for less, or try again"},
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

/* What nobody reads may be a word that was mistyped: it is refused, not passed over. */
static int check_keys(struct json_object *body, const char *known, struct http_reply *reply)
{
	assert(known);
	char near[64];

	json_object_object_foreach(body, key, value)
	{
		(void)value;
		if (text_is_listed(key, known))
			continue;
		if (text_nearest_listed(known, key, near))
			http_error(reply, 400, "bad_data", "unknown key %.50s: did you mean %s? There are %s", key,
			           near, known);
		else
			http_error(reply, 400, "bad_data", "unknown key %.50s; there are %s", key, known);
		return -EINVAL;
	}
	return 0;
}

int api_body(const struct http_req *req, struct http_reply *reply, struct json_object **ret)
{
	assert(req && reply && ret);
	const char *known = api_route_of(req)->body;
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
	if (check_keys(o, known, reply) < 0) {
		json_object_put(o);
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
