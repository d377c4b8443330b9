#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/api/api.h"
#include "handlers/api/write_job.h"
#include "handlers/settings/current.h"
#include "handlers/plan/controller.h"
#include "handlers/plan/report.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"

#define NOTE_MAX 1000

/* What a body may say; everything is optional here, the move says what it needs. */
struct asked {
	struct json_object *body; /* owned; the strings are borrowed from it */
	const char *note, *role, *list, *item, *reason;
	int64_t stage, for_us;
	bool force;
};

static int text_member(struct json_object *body, const char *key, const char **ret, struct http_reply *reply)
{
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
	} texts[] = {{"note", &a->note},
	             {"role", &a->role},
	             {"checklist", &a->list},
	             {"item", &a->item},
	             {"reason", &a->reason}};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (text_member(a->body, texts[i].key, texts[i].to, reply) < 0)
			return -EINVAL;
	return 0;
}

static bool is_known_key(const char *key)
{
	static const char *const keys[] = {"note", "role", "checklist", "item", "reason", "stage", "duration", "force"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

static int read_asked(struct http_req *req, struct http_reply *reply, struct asked *ret)
{
	const char *duration = NULL;

	if (api_body(req, reply, &ret->body) < 0)
		return -EINVAL;
	json_object_object_foreach(ret->body, key, value)
	{
		(void)value;
		if (!is_known_key(key)) {
			http_error(reply, 400, "bad_data",
			           "unknown key %.50s: note, reason, role, checklist, item, stage, duration and "
			           "force are known",
			           key);
			return -EINVAL;
		}
	}
	ret->stage = -1;
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
	return read_texts(ret, reply);
}

static struct person person_of(const struct http_req *req)
{
	return (struct person) {req->user, req->authenticated};
}

/* --- the moves --- */

struct move_job {
	struct write_job base;
	struct plan_request rq;
	struct asked asked;  /* owned */
	char *rollout, *who; /* owned */
};

static int move_run(struct db_tx *tx, struct write_job *w)
{
	struct move_job *j = (struct move_job *)w;
	return plan_act(tx, w->settings, &j->rq, w->why, sizeof(w->why));
}

static void move_free(struct write_job *w)
{
	struct move_job *j = (struct move_job *)w;

	json_object_put(j->asked.body);
	free(j->rollout);
	free(j->who);
	free(j);
}

enum http_verdict plan_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                            const char *word)
{
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
	j->rollout = strdup(segment);
	j->who = strdup(req->user);
	if (!j->rollout || !j->who) {
		move_free(&j->base);
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	const struct asked *k = &j->asked;
	j->rq = (struct plan_request) {.move = (enum plan_move)move,
	                               .rollout = j->rollout,
	                               .who = {j->who, person_of(req).known},
	                               .note = k->note ? k->note : k->reason,
	                               .role = k->role,
	                               .list = k->list,
	                               .item = k->item,
	                               .for_us = k->for_us,
	                               .stage = (int32_t)k->stage,
	                               .force = k->force};
	j->base = (struct write_job) {.run = move_run, .free = move_free};
	return write_job_submit(a, req, reply, &j->base);
}

enum http_verdict plan_approve_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word)
{
	(void)word;
	return plan_post(a, req, reply, segment, "approve");
}

/* --- advance: asks the world first, so it is answered later --- */

struct advance_wait {
	struct api *api;
	struct http_req *req;
};

/* {"status":"error", …, "data":{"missing":[…]}}: all that is missing, not only the first. */
static void say_missing(struct http_reply *reply, const struct advance_answer *an)
{
	struct json_object *o = json_object_new_object(), *data = json_object_new_object();

	json_add_str(o, "status", "error");
	json_add_str(o, "errorType", "conflict");
	json_add_str(o, "error", an->why);
	json_add(data, "missing", json_object_get(an->missing));
	json_add(o, "data", data);
	reply->status = 409;
	reply->body.max = API_BODY_MAX;
	buf_str(&reply->body, json_text(o));
	json_object_put(o);
}

static void on_advanced(void *arg, const struct advance_answer *an)
{
	struct advance_wait *w = arg;
	struct http_reply reply = {.status = 200};

	if (an->result < 0 && an->missing) {
		say_missing(&reply, an);
	} else if (an->result < 0) {
		api_answer_errno(&reply, an->result, an->why);
	} else {
		struct json_object *data = json_object_new_object();

		json_add_int(data, "advance", an->raise);
		api_answer(&reply, 200, data, NULL);
	}
	w->req->complete(w->req, &reply);
	free(w);
}

enum http_verdict plan_advance_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word)
{
	struct asked asked = {0};
	struct advance_wait *w = NULL;

	(void)word;
	if (read_asked(req, reply, &asked) < 0) {
		json_object_put(asked.body);
		return HTTP_REPLIED;
	}
	struct advance_request rq = {.rollout = segment,
	                             .who = person_of(req),
	                             .force = asked.force,
	                             .reason = asked.reason ? asked.reason : asked.note};
	w = calloc(1, sizeof(*w));
	if (w)
		*w = (struct advance_wait) {a, req};
	int r = w ? controller_advance(a->controller, &rq, on_advanced, w) : -ENOMEM;
	json_object_put(asked.body);
	if (r == 0)
		return HTTP_DEFERRED;
	free(w);
	api_answer_errno(reply, r, "");
	return HTTP_REPLIED;
}

/* --- the report --- */

static int build_report(struct api *a, const struct settings *s, const struct rollout *r, const char *kind,
                        struct buf *b)
{
	struct rollout_state st = {0};
	struct evaluation ev = {0};
	int64_t now = clock_wall_us();
	int e = rollout_state_load(a->reader, r, now, &st);

	if (e == 0)
		e = controller_last(a->controller, r->name, &ev);
	if (e == 0)
		e = report_text(b, a->reader, s, r, &st, &ev, kind, now);
	rollout_state_free(&st);
	evaluation_free(&ev);
	return e;
}

enum http_verdict plan_report(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                              const char *word)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	const struct rollout *r = settings_rollout(s, segment);
	const char *kind = req->param(req, "kind");

	(void)word;
	kind = kind ? kind : "daily";
	if (!r) {
		http_error(reply, 404, "not_found", "there is no rollout %.100s", segment);
		return HTTP_REPLIED;
	}
	if (strcmp(kind, "daily") != 0 && strcmp(kind, "weekly") != 0 && strcmp(kind, "final") != 0) {
		http_error(reply, 400, "bad_data", "kind is daily, weekly or final");
		return HTTP_REPLIED;
	}
	reply->body.max = REPORT_MAX;
	int e = build_report(a, s, r, kind, &reply->body);
	if (e < 0 && e != -ENOSPC) {
		buf_free(&reply->body);
		api_answer_errno(reply, e, "");
		return HTTP_REPLIED;
	}
	reply->status = 200;
	reply->content_type = "text/markdown; charset=utf-8";
	return HTTP_REPLIED;
}
