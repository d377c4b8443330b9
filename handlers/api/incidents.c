#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "db/incident.h"
#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/incident/actions.h"
#include "handlers/settings/current.h"
#include "handlers/incident/json.h"
#include "handlers/incident/report.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"

/* --- lists --- */

int api_time(const struct http_req *req, struct http_reply *reply, const char *name, int64_t *ret)
{
	assert(req && reply && name && ret);
	const char *text = req->param(req, name);
	int64_t span = 0;

	if (!text)
		return 0;
	if (text_time_parse(text, strlen(text), ret) < 0) {
		if (text_duration_parse(text, &span) < 0) {
			http_error(reply, 400, "bad_data",
			           "%s must be a time like 2025-10-14T10:00:00Z or a duration like 24h", name);
			return -EINVAL;
		}
		*ret = clock_wall_us() - span;
	}
	*ret = *ret > 0 ? *ret : 1; /* 0 is no bound, and nothing of ours is older */
	return 0;
}

/* The words of a parameter, from 1 on; NULL behind the last. */
static const char *state_word(int i)
{
	return i < INC_STATE_N ? incident_state_name((enum incident_state)i) : NULL;
}

static const char *kind_word(int i)
{
	return i < KIND_ADVANCE ? incident_kind_name((enum incident_kind)i) : NULL;
}

static const char *truth_word(int i)
{
	return i == 1 ? "true" : i == 2 ? "false" : NULL;
}

static int word_param(const struct http_req *req, struct http_reply *reply, const char *name, const char *(*word)(int),
                      int *ret)
{
	assert(name && word && ret);
	const char *text = req->param(req, name);
	CLEANUP(buf_free) struct buf all = BUF(500);

	if (!text)
		return 0;
	*ret = 1;
	for (const char *w = word(1); w; w = word(++*ret)) {
		if (!strcmp(w, text))
			return 0;
		buf_printf(&all, "%s%s", *ret > 1 ? ", " : "", w);
	}
	http_error(reply, 400, "bad_data", "%s is \"%.50s\"; it can be %s", name, text, buf_text(&all));
	return -EINVAL;
}

int api_incident_filter(const struct http_req *req, struct http_reply *reply, struct incident_filter *f)
{
	int live = 0;

	f->rollout = req->param(req, "rollout");
	f->q = req->param(req, "q");
	if (word_param(req, reply, "live", truth_word, &live) < 0 ||
	    word_param(req, reply, "state", state_word, &f->state) < 0 ||
	    word_param(req, reply, "kind", kind_word, &f->kind) < 0 ||
	    api_time(req, reply, "since", &f->since_us) < 0 || api_time(req, reply, "until", &f->until_us) < 0)
		return -EINVAL;
	f->open_only = live == 1;
	return api_page(req, reply, &f->limit, &f->before);
}

enum http_verdict incidents_list(const struct api_read *q, struct http_reply *reply)
{
	struct incident_filter f = {0};
	struct incident_list l = {0};

	if (api_incident_filter(q->req, reply, &f) < 0)
		return HTTP_REPLIED;
	struct api_list page = api_list_begin(reply, f.limit++); /* one more tells whether there is a next page */
	int r = incident_find(q->conn, &f, &l);
	for (size_t i = 0; r == 0 && i < l.n && !page.cut; i++) {
		struct json_object *o = NULL;

		r = incident_json(q->conn, &l.item[i], 0, &o);
		if (r == 0)
			api_list_add(&page, o, l.item[i].place);
	}
	page.next = l.next;
	char back_to[40], looked[120];
	if (l.searched_from) {
		page.warning = "the search is being made ready: older incidents are not found yet";
	} else if (l.next) {
		text_time(l.next * US_PER_MS, back_to, sizeof(back_to));
		snprintf(looked, sizeof(looked), "searched back to %s: go on with next for older incidents", back_to);
		page.warning = looked;
	}
	incident_list_free(&l);
	if (r == 0) {
		api_list_end(&page);
	} else {
		buf_free(&reply->body);
		api_answer_errno(reply, r, "");
	}
	return HTTP_REPLIED;
}

int api_incident_id(const char *segment, struct http_reply *reply, int64_t *ret)
{
	assert(segment && reply && ret);
	char *end = NULL;

	errno = 0;
	*ret = strtoll(segment, &end, 10);
	if (!errno && end != segment && !*end && *ret > 0)
		return 0;
	http_error(reply, 404, "not_found", "there is no incident %.50s", segment);
	return -EINVAL;
}

enum http_verdict incident_show(const struct api_read *q, struct http_reply *reply)
{
	struct incident inc = {0};
	struct json_object *o = NULL;
	char why[100];
	int64_t id;

	if (api_incident_id(q->segment, reply, &id) < 0)
		return HTTP_REPLIED;
	int r = incident_load(q->conn, id, &inc);
	if (r == 0)
		r = incident_json(q->conn, &inc, PART_ALL, &o);
	incident_free(&inc);
	snprintf(why, sizeof(why), "there is no incident %lld", (long long)id);
	if (r < 0)
		api_answer_errno(reply, r, r == -ENOENT ? why : "");
	else
		api_answer(reply, 200, o, NULL);
	return HTTP_REPLIED;
}

enum http_verdict incident_report_show(const struct api_read *q, struct http_reply *reply)
{
	struct incident inc = {0};
	char why[100];
	int64_t id;

	if (api_incident_id(q->segment, reply, &id) < 0)
		return HTTP_REPLIED;
	reply->body.max = INCIDENT_REPORT_MAX;
	int r = incident_load(q->conn, id, &inc);
	if (r == 0)
		r = incident_report(q->conn, &inc, &reply->body);
	incident_free(&inc);
	snprintf(why, sizeof(why), "there is no incident %lld", (long long)id);
	if (r < 0) {
		buf_free(&reply->body);
		api_answer_errno(reply, r, r == -ENOENT ? why : "");
		return HTTP_REPLIED;
	}
	reply->status = 200;
	reply->content_type = "text/markdown; charset=utf-8";
	return HTTP_REPLIED;
}

/* --- what people do --- */

struct act_job {
	struct api_job base;
	struct action_request rq;
	char *note; /* owned */
	char *who;  /* owned */
	char *step; /* owned, may be NULL */
};

static int act_job_run(struct db_tx *tx, struct api_job *w)
{
	struct act_job *j = (struct act_job *)w;

	w->incident_id = j->rq.incident_id;
	return action_run(tx, w->settings, &j->rq, w->why, sizeof(w->why));
}

static void act_job_free(struct api_job *w)
{
	struct act_job *j = (struct act_job *)w;

	free(j->note);
	free(j->who);
	free(j->step);
	free(j);
}

static const struct api_job_kind act_kind = {.write = act_job_run, .free = act_job_free};

static int note_of(struct json_object *body, struct http_reply *reply, enum incident_action action, char **ret)
{
	assert(reply && ret);
	const char *key = action == ACTION_ETA ? "eta" : "note", *text = NULL;
	int r = json_get_str(body, key, &text);

	if (r == 0 && action == ACTION_ETA)
		r = json_get_str(body, "note", &text);
	if (r < 0 || (text && strlen(text) > 4000)) {
		http_error(reply, 400, "bad_data", "%s must be a text of at most 4000 bytes", key);
		return -EINVAL;
	}
	struct buf b = BUF(8192);
	text_one_line(&b, text ? text : "", text ? strlen(text) : 0, 4000);
	*ret = buf_take(&b);
	return *ret ? 0 : -ENOMEM;
}

/* Which step an approval means; none: the one that waits. */
static int step_of(struct json_object *body, struct http_reply *reply, char **ret)
{
	const char *text = NULL;
	int r = json_get_str(body, "step", &text);

	if (r < 0 || (text && strlen(text) > 500)) {
		http_error(reply, 400, "bad_data", "step must be a text of at most 500 bytes");
		return -EINVAL;
	}
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int for_of(struct json_object *body, struct http_reply *reply, int64_t *ret_us)
{
	const char *text = NULL;

	if (json_get_str(body, "duration", &text) >= 0 && (!text || text_duration_parse(text, ret_us) == 0))
		return 0;
	http_error(reply, 400, "bad_data", "duration must be a duration like 30m");
	return -EINVAL;
}

enum http_verdict incident_act(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word)
{
	CLEANUP(json_cleanup) struct json_object *body = NULL;
	int action = action_find(word);
	int64_t id;

	if (action < 0) {
		http_error(reply, 404, "not_found",
		           "incidents cannot %.50s: acknowledge, note, eta, approve, cancel, retry, review, extend, "
		           "resolve",
		           word);
		return HTTP_REPLIED;
	}
	if (api_incident_id(segment, reply, &id) < 0 || api_body(req, reply, &body) < 0)
		return HTTP_REPLIED;
	struct act_job *j = calloc(1, sizeof(*j));
	if (!j || note_of(body, reply, (enum incident_action)action, &j->note) < 0 ||
	    step_of(body, reply, &j->step) < 0 || for_of(body, reply, &j->rq.for_us) < 0) {
		if (j)
			free(j->note);
		free(j);
		if (!reply->body.len)
			api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	j->who = text_format("%s", req->user);
	j->rq = (struct action_request) {.action = (enum incident_action)action,
	                                 .incident_id = id,
	                                 .who = j->who ? j->who : "",
	                                 .known = req->authenticated,
	                                 .note = j->note,
	                                 .for_us = j->rq.for_us,
	                                 .step = j->step};
	api_job_init(&j->base, &act_kind, a, req);
	j->base.lowers = true;
	return api_job_write(&j->base, reply);
}

/* --- a person reports one --- */

struct report_job {
	struct api_job base;
	struct manual_report rq;
	char *texts[4]; /* owned: rollout, severity, summary, who */
};

static int report_run(struct db_tx *tx, struct api_job *w)
{
	struct report_job *j = (struct report_job *)w;

	return manual_report(tx, w->settings, &j->rq, &w->incident_id, w->why, sizeof(w->why));
}

static void report_drop(struct report_job *j)
{
	for (size_t i = 0; j && i < ARRAY_LEN(j->texts); i++)
		free(j->texts[i]);
	free(j);
}

static void report_free(struct api_job *w)
{
	report_drop((struct report_job *)w);
}

static const struct api_job_kind report_kind = {.write = report_run, .free = report_free};

/* One line of at most so many bytes. NULL: the reply says what is wrong. */
static char *line_of(struct json_object *body, const char *key, size_t max, struct http_reply *reply)
{
	assert(key && max > 0 && reply);
	struct buf b = BUF(max * 4);
	const char *text = NULL;

	if (json_get_str(body, key, &text) != 1 || !text[0] || strlen(text) > max) {
		http_error(reply, 400, "bad_data", "%s must be a text of 1 to %zu bytes", key, max);
		return NULL;
	}
	text_one_line(&b, text, strlen(text), max);
	return buf_take(&b);
}

enum http_verdict incident_open(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                const char *word)
{
	static const struct {
		const char *key;
		size_t max;
	} members[] = {{"rollout", 128}, {"severity", 30}, {"summary", 500}};
	CLEANUP(json_cleanup) struct json_object *body = NULL;

	(void)segment;
	(void)word;
	if (api_body(req, reply, &body) < 0)
		return HTTP_REPLIED;
	struct report_job *j = calloc(1, sizeof(*j));
	bool ok = j != NULL;
	for (size_t i = 0; ok && i < ARRAY_LEN(members); i++)
		ok = (j->texts[i] = line_of(body, members[i].key, members[i].max, reply)) != NULL;
	ok = ok && (j->texts[3] = strdup(req->user)) != NULL;
	if (!ok) {
		if (!reply->body.len)
			api_answer_errno(reply, -ENOMEM, "");
		report_drop(j);
		return HTTP_REPLIED;
	}
	j->rq = (struct manual_report) {
		.rollout = j->texts[0], .severity = j->texts[1], .summary = j->texts[2], .who = j->texts[3]};
	api_job_init(&j->base, &report_kind, a, req);
	j->base.lowers = true;
	return api_job_write(&j->base, reply);
}
