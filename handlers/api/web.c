/*
 * The page for browsers: collects what server/web shows. Where its URLs lead for everybody else: page.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "handlers/api/accept.h"
#include "handlers/api/api.h"
#include "handlers/api/page.h"
#include "handlers/incident/json.h"
#include "handlers/settings/current.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/web/web.h"

#define NEWEST    3  /* incidents on a page that says that there is no such one */
#define LAST_MOST 10 /* of a rollout */
#define DAY_MOST  50 /* of the last day */
#define DAY_US    (86400 * US_PER_S)

bool page_is_html(const struct http_req *req)
{
	assert(req && req->header);
	return accept_prefers(req->header(req, "Accept"), "text/html", "text/plain");
}

/* --- what every page says --- */

static void add_messages(struct db_conn *c, struct json_object *h)
{
	struct channel_count_list l = {0};
	int64_t queued = 0, dead = 0, since = 0;

	if (outbox_count(c, &l) < 0)
		return;
	for (size_t i = 0; i < l.n; i++) {
		queued += l.item[i].queued;
		dead += l.item[i].undeliverable;
	}
	channel_count_list_free(&l);
	json_add_int(h, "queued", queued);
	json_add_int(h, "undeliverable", dead);
	if (queued && outbox_oldest(c, &since) == 0)
		json_add_time(h, "queued_since", since);
}

static void add_heartbeat(const struct api_read *q, struct json_object *h, int64_t now_us)
{
	const struct settings *s = q->settings;
	int64_t at = 0;

	if (!s->heartbeat.n || (meta_get(q->conn, "heartbeat_at", &at) < 0 && at))
		return;
	json_add_time(h, "heartbeat_at", at);
	json_add_bool(h, "heartbeat_late", now_us - at > s->heartbeat_timeout_us);
}

static void add_blind(const struct api_read *q, struct json_object *h)
{
	struct json_object *blind = json_object_new_object();

	for (size_t i = 0; i < q->settings->n_rollouts; i++) {
		const char *name = q->settings->rollouts[i].name;
		struct evaluation ev = {0};

		if (controller_last(q->api->controller, name, &ev) == 0 && ev.blind[0])
			json_add_str_under(blind, name, false, ev.blind);
		evaluation_free(&ev);
	}
	json_add(h, "blind", blind);
}

static struct json_object *health_json(const struct api_read *q, int64_t now_us)
{
	assert(q && q->conn && q->settings && now_us > 0);
	struct json_object *h = json_object_new_object();

	add_messages(q->conn, h);
	add_heartbeat(q, h, now_us);
	add_blind(q, h);
	json_add_bool(h, "config_refused", !metric_get(M_RELOADS_OK, 0));
	return h;
}

struct page_parts {
	struct web_page page;
	struct json_object *health; /* owned */
};

static int parts_of(const struct api_read *q, struct page_parts *ret)
{
	assert(q && q->req && ret);
	int64_t now = clock_wall_us();

	*ret = (struct page_parts) {.health = health_json(q, now)};
	ret->page = (struct web_page) {.now_us = now,
	                               .user = q->req->user,
	                               .operates = q->req->roles & ROLE_OPERATOR,
	                               .signed_in = q->req->authenticated && q->req->peer.uid < 0,
	                               .environment = q->settings->environment ? q->settings->environment : "",
	                               .csrf = q->req->form_token,
	                               .health = ret->health};
	return event_newest(q->conn, &ret->page.seq);
}

static enum http_verdict shown(struct http_reply *reply, int r)
{
	if (r < 0) {
		buf_free(&reply->body);
		api_answer_errno(reply, r, "");
		return HTTP_REPLIED;
	}
	if (reply->body.error) {
		http_error(reply, 500, "internal", "the page is too large: /api/v1 has the same in parts");
		return HTTP_REPLIED;
	}
	reply->status = 200;
	reply->content_type = "text/html; charset=utf-8";
	return HTTP_REPLIED;
}

/* --- an incident --- */

static int add_before(struct db_conn *c, const struct incident *inc, struct json_object *o)
{
	struct incident_filter f = {.rollout = inc->rollout, .before = inc->place, .limit = 1};
	struct incident_list l = {0};
	int r = incident_find(c, &f, &l);

	json_add(o, "before", r == 0 && l.n ? json_object_new_int64(l.item[0].id) : NULL);
	incident_list_free(&l);
	return r;
}

static int load_incident(const struct api_read *q, int64_t id, struct json_object **ret,
                         struct json_object **ret_rollout)
{
	struct incident inc = {0};
	int r = incident_load(q->conn, id, &inc);
	const struct rollout *ro = r == 0 ? settings_rollout(q->settings, inc.rollout) : NULL;

	if (r == 0)
		r = incident_json(q->conn, &inc, PART_ALL, ret);
	if (r == 0)
		r = add_before(q->conn, &inc, *ret);
	if (r == 0 && ro)
		r = api_rollout_json(q, ro, ret_rollout);
	incident_free(&inc);
	return r;
}

/* The newest that a filter finds, as lists have them. */
static int list_json(struct db_conn *c, const struct incident_filter *f, struct json_object *to,
                     struct incident_list *l)
{
	int r = incident_find(c, f, l);

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		struct json_object *o = NULL;

		r = incident_json(c, &l->item[i], 0, &o);
		if (r == 0)
			json_object_array_add(to, o);
	}
	return r;
}

/* A 404 that goes on: with the newest three. */
static enum http_verdict not_there(const struct api_read *q, struct page_parts *parts, const char *why,
                                   struct http_reply *reply)
{
	CLEANUP(json_cleanup) struct json_object *newest = json_object_new_array();
	struct incident_filter f = {.limit = NEWEST};
	struct incident_list l = {0};
	int r = list_json(q->conn, &f, newest, &l);

	incident_list_free(&l);
	if (r == 0)
		web_error(&reply->body, &parts->page, 404, why, newest);
	json_object_put(parts->health);
	enum http_verdict v = shown(reply, r);
	reply->status = r == 0 ? 404 : reply->status;
	return v;
}

enum http_verdict page_incident_html(const struct api_read *q, int64_t id, struct http_reply *reply)
{
	assert(q && id > 0 && reply);
	CLEANUP(json_cleanup) struct json_object *inc = NULL;
	CLEANUP(json_cleanup) struct json_object *rollout = NULL;
	struct page_parts parts = {0};
	char why[100];
	int r = load_incident(q, id, &inc, &rollout);

	if (r == 0 || r == -ENOENT)
		parts_of(q, &parts);
	reply->body.max = WEB_MAX;
	if (r == -ENOENT) {
		snprintf(why, sizeof(why), "there is no incident %lld", (long long)id);
		return not_there(q, &parts, why, reply);
	}
	if (r == 0)
		web_incident(&reply->body, &parts.page, inc, rollout);
	json_object_put(parts.health);
	return shown(reply, r);
}

/* --- who may approve --- */

static bool has_role(const struct user_options *u, const char *role)
{
	for (const char **r = u->roles; r && *r; r++)
		if (!strcmp(*r, role))
			return true;
	return false;
}

/* Who may give each approval, and whether the one who looks may. */
static void add_approvers(const struct api_read *q, struct json_object *rollout)
{
	struct json_object *arr = json_arr_of(rollout, "approvals");

	for (size_t i = 0; i < json_len(arr); i++) {
		const char *role = json_str_or(json_item(arr, i), "role", "");
		CLEANUP(buf_free) struct buf people = BUF(500);

		for (size_t k = 0; k < q->settings->n_users; k++)
			if (has_role(&q->settings->users[k], role))
				buf_printf(&people, "%s%.60s", people.len ? ", " : "", q->settings->users[k].name);
		json_add_str(json_item(arr, i), "people", buf_text(&people));
		json_add_bool(json_item(arr, i), "may", api_may(q->req, role));
	}
}

/* --- what is confirmed --- */

static int load_asked(const struct api_read *q, bool on_rollout, struct json_object **ret_incident,
                      struct json_object **ret_rollout, struct http_reply *reply)
{
	const struct rollout *ro = on_rollout ? settings_rollout(q->settings, q->segment) : NULL;
	int64_t id = 0;

	if (ro) {
		int r = api_rollout_json(q, ro, ret_rollout);

		if (r == 0)
			add_approvers(q, *ret_rollout);
		return r;
	}
	if (on_rollout)
		http_error(reply, 404, "not_found", "there is no rollout %.100s", q->segment);
	else if (api_incident_id(q->segment, reply, &id) == 0)
		return load_incident(q, id, ret_incident, ret_rollout);
	return -EINVAL;
}

enum http_verdict page_act_html(const struct api_read *q, const struct page_act *pa, struct http_reply *reply)
{
	assert(q && pa && pa->act && reply);
	CLEANUP(json_cleanup) struct json_object *inc = NULL;
	CLEANUP(json_cleanup) struct json_object *rollout = NULL;
	struct page_parts parts = {0};
	int r = load_asked(q, pa->on_rollout, &inc, &rollout, reply);

	if (reply->body.len)
		return HTTP_REPLIED;
	if (r == 0)
		r = parts_of(q, &parts);
	reply->body.max = WEB_MAX;
	if (r == 0)
		web_act_page(&reply->body, &parts.page, pa->act,
		             &(struct web_asked) {inc, rollout, pa->given, pa->error});
	json_object_put(parts.health);
	return shown(reply, r);
}

static enum http_verdict act_page(const struct api_read *q, bool on_rollout, struct http_reply *reply)
{
	const struct page_act pa = {.act = web_act_find(on_rollout, q->word), .on_rollout = on_rollout};

	if (pa.act)
		return page_act_html(q, &pa, reply);
	http_error(reply, 404, "not_found", "%.50s is nothing that can be done here", q->word);
	return HTTP_REPLIED;
}

enum http_verdict page_incident_act(const struct api_read *q, struct http_reply *reply)
{
	return act_page(q, false, reply);
}

enum http_verdict page_rollout_act(const struct api_read *q, struct http_reply *reply)
{
	return act_page(q, true, reply);
}

/* --- a rollout --- */

enum http_verdict page_rollout_html(const struct api_read *q, struct http_reply *reply)
{
	const struct rollout *ro = settings_rollout(q->settings, q->segment);
	CLEANUP(json_cleanup) struct json_object *last = json_object_new_array();
	CLEANUP(json_cleanup) struct json_object *rollout = NULL;
	struct incident_filter f = {.rollout = q->segment, .limit = LAST_MOST};
	struct incident_list l = {0};
	struct page_parts parts = {0};

	if (!ro) {
		http_error(reply, 404, "not_found", "there is no rollout %.100s", q->segment);
		return HTTP_REPLIED;
	}
	int r = api_rollout_json(q, ro, &rollout);
	if (r == 0)
		r = list_json(q->conn, &f, last, &l);
	incident_list_free(&l);
	if (r == 0)
		r = parts_of(q, &parts);
	reply->body.max = WEB_MAX;
	if (r == 0) {
		add_approvers(q, rollout);
		web_rollout(&reply->body, &parts.page, rollout, last);
	}
	json_object_put(parts.health);
	return shown(reply, r);
}

/* --- home, and the list --- */

static int rollouts_json(const struct api_read *q, struct json_object *to)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < q->settings->n_rollouts; i++) {
		struct json_object *o = NULL;

		r = api_rollout_json(q, &q->settings->rollouts[i], &o);
		if (r == 0)
			json_object_array_add(to, o);
	}
	return r;
}

enum http_verdict page_index_html(const struct api_read *q, struct http_reply *reply)
{
	CLEANUP(json_cleanup) struct json_object *rollouts = json_object_new_array();
	CLEANUP(json_cleanup) struct json_object *day = json_object_new_array();
	struct incident_filter f = {.limit = DAY_MOST, .since_us = clock_wall_us() - DAY_US};
	struct incident_list l = {0};
	struct page_parts parts = {0};
	int r = rollouts_json(q, rollouts);

	if (r == 0)
		r = list_json(q->conn, &f, day, &l);
	incident_list_free(&l);
	if (r == 0)
		r = parts_of(q, &parts);
	reply->body.max = WEB_MAX;
	if (r == 0)
		web_home(&reply->body, &parts.page, rollouts, day);
	json_object_put(parts.health);
	return shown(reply, r);
}

/* A form sends its empty fields, too: what is empty was not asked for. */
struct asked_list {
	struct http_req req; /* first */
	const struct http_req *outer;
};

static const char *unless_empty(const struct http_req *req, const char *name)
{
	const struct http_req *outer = ((const struct asked_list *)req)->outer;
	const char *text = outer->param(outer, name);

	return text && text[0] ? text : NULL;
}

enum http_verdict page_incidents(const struct api_read *q, struct http_reply *reply)
{
	CLEANUP(json_cleanup) struct json_object *arr = json_object_new_array();
	struct asked_list asked = {*q->req, q->req};
	const struct http_req *req = &asked.req;
	struct incident_filter f = {0};
	struct incident_list l = {0};
	struct page_parts parts = {0};
	char next[24] = "";

	asked.req.param = unless_empty;
	if (api_incident_filter(req, reply, &f) < 0)
		return HTTP_REPLIED;
	int r = list_json(q->conn, &f, arr, &l);
	int64_t place = l.next ? l.next : l.n == f.limit ? l.item[l.n - 1].place : 0;
	if (place)
		snprintf(next, sizeof(next), "%lld", (long long)place);
	struct web_list list = {.incidents = arr,
	                        .state = unless_empty(req, "state"),
	                        .kind = unless_empty(req, "kind"),
	                        .rollout = unless_empty(req, "rollout"),
	                        .q = unless_empty(req, "q"),
	                        .next = next[0] ? next : NULL,
	                        .warning = l.searched_from ? "The search is being made ready: older incidents are not "
	                                                     "found yet."
	                                                   : NULL};
	incident_list_free(&l);
	if (r == 0)
		r = parts_of(q, &parts);
	reply->body.max = WEB_MAX;
	if (r == 0)
		web_incidents(&reply->body, &parts.page, &list);
	json_object_put(parts.health);
	return shown(reply, r);
}

/* --- what went wrong --- */

static bool is_of_api(const char *path)
{
	return !strncmp(path, "/api/", 5) || !strncmp(path, "/-/", 3) || !strcmp(path, "/metrics") ||
	       !strcmp(path, "/webhook");
}

void page_dress(void *arg, const struct http_req *req, struct http_reply *reply)
{
	assert(arg && req && req->path && reply && reply->status >= 400);
	if (is_of_api(req->path) || !page_is_html(req))
		return;
	CLEANUP(json_cleanup) struct json_object *o = json_tokener_parse(buf_text(&reply->body));
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	const struct web_page page = {.now_us = clock_wall_us(),
	                              .user = "", /* who asks may not have been found out */
	                              .environment = s->environment ? s->environment : "",
	                              .csrf = ""};
	const char *host = req->header(req, "Host");
	CLEANUP(cleanup_free)
	char *why = text_format(reply->status == 401 ? "%s. This is rollbackd on %.200s." : "%s",
	                        json_str_or(o, "error", "it was refused"), host ? host : "?");
	struct buf b = BUF(WEB_MAX);

	web_error(&b, &page, reply->status, why ? why : "", NULL);
	if (b.error) {
		buf_free(&b);
		return;
	}
	buf_free(&reply->body);
	reply->body = b;
	reply->content_type = "text/html; charset=utf-8";
}
