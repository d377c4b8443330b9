/*
 * What is done from the page: a form is what the API takes, in other clothes. It is handed to the API's own handler as
 * a request with a JSON body, so nothing can be done here that cannot be done there, or otherwise. What comes back
 * leads on (303), or shows the form again with what was typed, why it was refused, and how things stand now.
 *
 *   http thread      page_act_post: the handler of the API gets inner, which carries what outer does, and another body
 *   wherever that    on_said: done, then outer is answered; or refused, then
 *   reading thread   refused_page: the page is made as it was for GET
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/incident.h"
#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/api/page.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"
#include "server/web/web.h"

#define SEGMENT_MAX 256

struct form_job {
	struct api_job base;   /* first; its request is the form's */
	struct http_req inner; /* what the API's handler gets */
	const struct web_act *act;
	bool on_rollout;
	char segment[SEGMENT_MAX];
	char *body, *path; /* owned: inner's */
	int status;        /* what the API said: below 300 it is done */
	char *why;         /* owned: why not */
	int64_t incident;  /* the one that it is about then; 0: none */
	struct http_reply reply;
};

static struct form_job *of_inner(const struct http_req *req)
{
	return (struct form_job *)((char *)req - offsetof(struct form_job, inner));
}

static const char *param_of(const struct http_req *req, const char *name)
{
	const struct http_req *outer = of_inner(req)->base.req;

	return outer->param(outer, name);
}

static const char *header_of(const struct http_req *req, const char *name)
{
	const struct http_req *outer = of_inner(req)->base.req;

	return outer->header(outer, name);
}

/* --- what came of it --- */

static void lead_on(const struct form_job *j, struct http_reply *reply)
{
	reply->status = 303;
	if (j->incident)
		snprintf(reply->location, sizeof(reply->location), "/incidents/%lld", (long long)j->incident);
	else
		snprintf(reply->location, sizeof(reply->location), "/%s/%s", j->on_rollout ? "rollouts" : "incidents",
		         j->segment);
}

static int refused_page(struct db_conn *c, struct api_job *base)
{
	struct form_job *j = (struct form_job *)base;
	const struct api_read q = {
		.api = base->api, .conn = c, .settings = base->settings, .req = base->req, .segment = j->segment};
	const struct page_act pa = {
		.act = j->act, .on_rollout = j->on_rollout, .given = base->req->form, .error = j->why};

	page_act_html(&q, &pa, &j->reply);
	if (j->reply.status == 200)
		j->reply.status = j->status;
	return 0;
}

static void form_answer(struct api_job *base, int result, struct http_reply *reply)
{
	struct form_job *j = (struct form_job *)base;

	if (j->status < 300 && result == 0) {
		lead_on(j, reply);
	} else if (result < 0) {
		api_answer_errno(reply, result, base->why);
	} else {
		*reply = j->reply;
		j->reply = (struct http_reply) {0};
	}
}

static void form_job_free(struct api_job *base)
{
	struct form_job *j = (struct form_job *)base;

	buf_free(&j->reply.body);
	free(j->body);
	free(j->path);
	free(j->why);
	free(j);
}

static const struct api_job_kind form_kind = {.query = refused_page, .answer = form_answer, .free = form_job_free};

/* Takes the API's answer. */
static void hear(struct form_job *j, struct http_reply *said)
{
	assert(j && said && !j->status);
	CLEANUP(json_cleanup) struct json_object *o = json_tokener_parse(buf_text(&said->body));
	const char *error = json_str_or(o, "error", "it was refused");

	j->status = said->status ? said->status : 200;
	if (j->status >= 300)
		j->why = text_format("%s", error);
	else if (!strcmp(json_str_or(json_obj_of(o, "data"), "rollout", ""), j->on_rollout ? j->segment : ""))
		j->incident = json_int_or(json_obj_of(o, "data"), "id", 0);
	buf_free(&said->body);
}

/* Whatever thread the API's job ended on; once. */
static void on_said(struct http_req *req, struct http_reply *said)
{
	struct form_job *j = of_inner(req);

	hear(j, said);
	if (j->status < 300)
		api_job_done(&j->base, 0);
	else
		api_job_look(&j->base, DB_READ_URGENT);
}

/* --- the form --- */

static enum http_verdict refuse(struct form_job *j, const char *why, struct http_reply *reply)
{
	j->status = 400;
	j->why = text_format("%s", why);
	return api_job_query(&j->base, DB_READ_URGENT, reply);
}

static void dress(struct form_job *j, struct http_req *outer)
{
	assert(outer->form);
	j->inner = *outer;
	j->inner.form = NULL;
	j->inner.path = j->path;
	j->inner.body = j->body;
	j->inner.body_len = strlen(j->body);
	j->inner.param = param_of;
	j->inner.header = header_of;
	j->inner.complete = on_said;
}

static enum http_verdict hand_over(struct api *a, struct form_job *j, struct http_reply *reply)
{
	struct http_reply said = {.status = 200};
	enum http_verdict v = api_handle(a, &j->inner, &said);

	if (v == HTTP_DEFERRED)
		return v; /* it may be answered and gone */
	hear(j, &said);
	return j->status < 300 ? api_job_handed(&j->base, -EIO, reply) : api_job_query(&j->base, DB_READ_URGENT, reply);
}

static enum http_verdict act_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                  const char *word, bool on_rollout)
{
	assert(a && req->form && strlen(segment) < SEGMENT_MAX);
	const struct web_act *act = web_act_find(on_rollout, word);
	struct form_job *j = act ? calloc(1, sizeof(*j)) : NULL;
	char why[200];

	if (!act)
		http_error(reply, 404, "not_found", "%.50s is nothing that can be done here", word);
	else if (!j)
		api_answer_errno(reply, -ENOMEM, "");
	if (!j)
		return HTTP_REPLIED;
	api_job_init(&j->base, &form_kind, a, req);
	j->act = act;
	j->on_rollout = on_rollout;
	memcpy(j->segment, segment, strlen(segment) + 1);
	CLEANUP(json_cleanup) struct json_object *body = web_act_body(act, req->form, why, sizeof(why));
	if (!body)
		return refuse(j, why, reply);
	j->body = text_format("%s", json_text(body));
	j->path = text_format("/api/v1%s", req->path);
	if (!j->body || !j->path)
		return api_job_handed(&j->base, -ENOMEM, reply);
	dress(j, req);
	return hand_over(a, j, reply);
}

enum http_verdict page_incident_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                     const char *word)
{
	return act_post(a, req, reply, segment, word, false);
}

enum http_verdict page_rollout_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word)
{
	return act_post(a, req, reply, segment, word, true);
}

/* Needs only the role that approves: the API looks at it. */
enum http_verdict page_rollout_approve(struct api *a, struct http_req *req, struct http_reply *reply,
                                       const char *segment, const char *word)
{
	(void)word;
	return act_post(a, req, reply, segment, "approve", true);
}
