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
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/web/web.h"

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
	                               .environment = q->settings->environment ? q->settings->environment : "",
	                               .csrf = q->req->form_token,
	                               .health = ret->health};
	return event_newest(q->conn, &ret->page.seq);
}

static enum http_verdict shown(struct http_reply *reply, int r)
{
	if (r < 0 || reply->body.error) {
		buf_free(&reply->body);
		api_answer_errno(reply, r < 0 ? r : reply->body.error, "");
		return HTTP_REPLIED;
	}
	reply->status = 200;
	reply->content_type = "text/html; charset=utf-8";
	reply->policy = web_policy();
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

enum http_verdict page_incident_html(const struct api_read *q, int64_t id, struct http_reply *reply)
{
	assert(q && id > 0 && reply);
	CLEANUP(json_cleanup) struct json_object *inc = NULL;
	CLEANUP(json_cleanup) struct json_object *rollout = NULL;
	struct page_parts parts = {0};
	char why[100];
	int r = load_incident(q, id, &inc, &rollout);

	if (r == -ENOENT) {
		snprintf(why, sizeof(why), "there is no incident %lld", (long long)id);
		api_answer_errno(reply, r, why);
		return HTTP_REPLIED;
	}
	if (r == 0)
		r = parts_of(q, &parts);
	reply->body.max = WEB_MAX;
	if (r == 0)
		web_incident(&reply->body, &parts.page, inc, rollout);
	json_object_put(parts.health);
	return shown(reply, r);
}

/* --- what is confirmed --- */

static int load_asked(const struct api_read *q, bool on_rollout, struct json_object **ret_incident,
                      struct json_object **ret_rollout, struct http_reply *reply)
{
	const struct rollout *ro = on_rollout ? settings_rollout(q->settings, q->segment) : NULL;
	int64_t id = 0;

	if (ro)
		return api_rollout_json(q, ro, ret_rollout);
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
