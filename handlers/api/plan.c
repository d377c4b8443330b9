#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/api/accept.h"
#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/settings/current.h"
#include "handlers/plan/controller.h"
#include "handlers/reports/report.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"

#define NOTE_MAX 1000

/* What a body may say; everything is optional here, the move says what it needs. */
struct asked {
	struct json_object *body; /* owned; the strings are borrowed from it */
	const char *note, *role, *list, *item, *reason, *milestone, *name, *verdict, *link, *sha;
	int64_t stage, for_us, expires_us;
	bool force;
};

static int text_member(struct json_object *body, const char *key, const char **ret, struct http_reply *reply)
{
	assert(key && ret && reply);
	if (json_get_str(body, key, ret) >= 0 &&
	    (!*ret || (strlen(*ret) <= NOTE_MAX && text_utf8_valid(*ret, strlen(*ret)))))
		return 0;
	http_error(reply, 400, "bad_data", "%s must be a text of at most %d bytes", key, NOTE_MAX);
	return -EINVAL;
}

static int read_texts(struct asked *a, struct http_reply *reply)
{
	const struct {
		const char *key, **to;
	} texts[] = {{"note", &a->note}, {"role", &a->role},       {"checklist", &a->list},
	             {"item", &a->item}, {"reason", &a->reason},   {"milestone", &a->milestone},
	             {"name", &a->name}, {"verdict", &a->verdict}, {"link", &a->link},
	             {"sha", &a->sha}};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (text_member(a->body, texts[i].key, texts[i].to, reply) < 0)
			return -EINVAL;
	return 0;
}

/* A time, or how long from now on. */
static int read_expires(struct asked *a, struct http_reply *reply)
{
	const char *text = NULL;
	int64_t us = 0;

	if (json_get_str(a->body, "expires", &text) < 0)
		text = "";
	if (!text)
		return 0;
	if (text_duration_parse(text, &us) == 0 && us > 0)
		a->expires_us = clock_wall_us() + us;
	else if (text_time_parse(text, strlen(text), &a->expires_us) < 0) {
		http_error(reply, 400, "bad_data",
		           "expires must be a time like 2025-10-14T10:00:00Z, or a duration like 7d");
		return -EINVAL;
	}
	return 0;
}

static int read_asked(struct http_req *req, struct http_reply *reply, struct asked *ret)
{
	assert(req && reply && ret);
	const char *duration = NULL;

	if (api_body(req, reply, &ret->body) < 0)
		return -EINVAL;
	ret->stage = ret->for_us = -1;
	if (json_get_int(ret->body, "stage", &ret->stage) < 0 || ret->stage < -1 || ret->stage > 1000) {
		http_error(reply, 400, "bad_data", "stage must be the number of a stage");
		return -EINVAL;
	}
	if (json_get_bool(ret->body, "force", &ret->force) < 0) {
		http_error(reply, 400, "bad_data", "force must be true or false");
		return -EINVAL;
	}
	if (json_get_str(ret->body, "duration", &duration) < 0 ||
	    (duration && text_duration_parse(duration, &ret->for_us) < 0)) {
		http_error(reply, 400, "bad_data", "duration must be a duration like 4h; 0s ends a freeze");
		return -EINVAL;
	}
	return read_expires(ret, reply) < 0 ? -EINVAL : read_texts(ret, reply);
}

/* --- the moves --- */

struct move_job {
	struct api_job base;
	struct plan_request rq;
	struct asked asked;             /* owned */
	char *rollout, *who;            /* owned */
	struct json_object *comparison; /* owned: what compare_report said last of the whole rollout; NULL: nothing */
	struct plan_outcome out;
};

static int move_run(struct db_tx *tx, struct api_job *w)
{
	struct move_job *j = (struct move_job *)w;

	return plan_act(tx, w->settings, &j->rq, NULL, &j->out, w->why, sizeof(w->why));
}

/* {"status":"error", …, "data":{"missing":[…]}}: all that is missing, not only the first. */
static void say_missing(struct http_reply *reply, const struct move_job *j)
{
	struct json_object *o = json_object_new_object(), *data = json_object_new_object();

	json_add_str(o, "status", "error");
	json_add_str(o, "errorType", "conflict");
	json_add_str(o, "error", j->base.why);
	json_add(data, "missing", json_object_get(j->out.missing));
	json_add(o, "data", data);
	reply->status = 409;
	reply->body.max = API_BODY_MAX;
	buf_str(&reply->body, json_text(o));
	json_object_put(o);
}

static void move_answer(struct api_job *base, int result, struct http_reply *reply)
{
	struct move_job *j = (struct move_job *)base;
	struct json_object *data = NULL;

	if (result < 0 && j->out.missing)
		say_missing(reply, j);
	else if (result < 0)
		api_answer_errno(reply, result, base->why);
	if (result < 0)
		return;
	data = json_object_new_object();
	if (j->out.incident)
		json_add_int(data, "advance", j->out.incident);
	json_add_str(data, "waits", j->out.waits[0] ? j->out.waits : NULL);
	api_answer(reply, 200, data, NULL);
}

static void move_free(struct api_job *w)
{
	struct move_job *j = (struct move_job *)w;

	json_object_put(j->asked.body);
	json_object_put(j->out.missing);
	json_object_put(j->comparison);
	free(j->rollout);
	free(j->who);
	free(j);
}

static const struct api_job_kind move_kind = {.write = move_run, .answer = move_answer, .free = move_free};

static void on_judged(void *arg, const struct plan_answer *a)
{
	assert(a && a->out);
	struct move_job *j = arg;

	j->out = *a->out;
	json_object_get(j->out.missing);
	snprintf(j->base.why, sizeof(j->base.why), "%s", a->why);
	api_job_done(&j->base, a->result < 0 ? a->result : 0);
}

static int request_of(struct move_job *j, const struct http_req *req, const char *segment, enum plan_move move)
{
	assert(j && req && segment);
	const struct asked *k = &j->asked;

	j->rollout = strdup(segment);
	j->who = strdup(req->user);
	j->rq = (struct plan_request) {.move = move,
	                               .rollout = j->rollout,
	                               .who = {j->who, req->authenticated},
	                               .note = k->note ? k->note : k->reason,
	                               .role = k->role,
	                               .milestone = k->milestone,
	                               .list = k->list,
	                               .item = k->item,
	                               .for_us = k->for_us,
	                               .stage = (int32_t)k->stage,
	                               .force = k->force,
	                               .name = k->name,
	                               .verdict = k->verdict,
	                               .link = k->link,
	                               .sha = k->sha,
	                               .expires_us = k->expires_us,
	                               .comparison = j->comparison};
	return j->rollout && j->who ? 0 : -ENOMEM;
}

/* What is judged asks the world first, so it is answered later. */
enum http_verdict plan_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                            const char *word)
{
	assert(segment && word);
	int move = plan_move_find(word);
	struct move_job *j = move < 0 ? NULL : calloc(1, sizeof(*j));

	if (!j) {
		http_error(reply, 404, "not_found", "%.50s is nothing that can be done with a rollout", word);
		return HTTP_REPLIED;
	}
	if (read_asked(req, reply, &j->asked) < 0) {
		move_free(&j->base);
		return HTTP_REPLIED;
	}
	if (move == MOVE_CHECK || move == MOVE_DONE)
		j->comparison = report_whole(a->comparisons, segment);
	if (request_of(j, req, segment, (enum plan_move)move) < 0) {
		move_free(&j->base);
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	api_job_init(&j->base, &move_kind, a, req);
	if (!plan_move_is_judged((enum plan_move)move))
		return api_job_write(&j->base, reply);
	return api_job_handed(&j->base, controller_judge(a->controller, &j->rq, on_judged, j), reply);
}

enum http_verdict plan_approve_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word)
{
	(void)word;
	return plan_post(a, req, reply, segment, "approve");
}

enum http_verdict plan_evidence_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                     const char *word)
{
	(void)word;
	return plan_post(a, req, reply, segment, "evidence");
}

/* --- the report --- */

/* *ret is set when JSON is wanted, else b is filled. */
static int build_report(const struct api_read *q, const struct rollout *r, const char *kind, struct buf *b,
                        struct json_object **ret)
{
	assert(q && r && kind && b);
	struct rollout_state st = {0};
	struct evaluation ev = {0};
	CLEANUP(json_cleanup)
	struct json_object *comparison = report_comparison(q->api->comparisons, r->name, kind);
	CLEANUP(json_cleanup) struct json_object *whole = report_whole(q->api->comparisons, r->name);
	struct report_request rq = {.settings = q->settings,
	                            .rollout = r,
	                            .st = &st,
	                            .ev = &ev,
	                            .comparison = comparison,
	                            .whole = whole,
	                            .kind = kind,
	                            .now_us = clock_wall_us()};
	int e = rollout_state_load(q->conn, r, rq.now_us, NULL, &st);

	if (e == 0)
		e = controller_last(q->api->controller, r->name, &ev);
	if (e == 0)
		e = ret ? report_json(q->conn, &rq, ret) : report_text(b, q->conn, &rq);
	rollout_state_free(&st);
	evaluation_free(&ev);
	return e == -ENOSPC ? 0 : e;
}

enum http_verdict plan_report(const struct api_read *q, struct http_reply *reply)
{
	const struct rollout *r = settings_rollout(q->settings, q->segment);
	const char *kind = q->req->param(q->req, "kind");
	bool as_json = accept_prefers(q->req->header(q->req, "Accept"), "application/json", "text/markdown");
	struct json_object *data = NULL;

	kind = kind ? kind : "daily";
	if (!r) {
		http_error(reply, 404, "not_found", "there is no rollout %.100s", q->segment);
		return HTTP_REPLIED;
	}
	if (!report_is_kind(kind)) {
		http_error(reply, 400, "bad_data", "kind is daily, weekly or final");
		return HTTP_REPLIED;
	}
	reply->body.max = REPORT_MAX;
	int e = build_report(q, r, kind, &reply->body, as_json ? &data : NULL);
	if (e < 0) {
		buf_free(&reply->body);
		api_answer_errno(reply, e, "");
	} else if (data) {
		api_answer(reply, 200, data, NULL);
	} else {
		reply->status = 200;
		reply->content_type = "text/markdown; charset=utf-8";
	}
	return HTTP_REPLIED;
}
