/*
 * POST /api/v1/rollouts/{name}/flags: a person sets one of the other flags, {"name", "value", "reason"}.
 *
 *   controller    asks the world, puts the intention on disk (handlers/plan/flags_values.c)
 *   loop          writes the file
 *   writer        puts on disk what came of it, and what the engine is to run
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/api/api.h"
#include "handlers/api/flags.h"
#include "handlers/api/job.h"
#include "handlers/plan/controller.h"
#include "handlers/plan/flags_values.h"
#include "handlers/steps/flags_file.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define REASON_MAX 1000

struct set_job {
	struct api_job base;
	struct json_object *body; /* owned; name, value and reason are borrowed from it */
	const struct rollout *rollout;
	const char *name, *value, *reason;
	struct plan_request rq;
	char *who, *path;        /* owned: who asks; the rollout, as the path names it */
	int file_error;          /* of writing the file; why says what is wrong with it */
	char before[256];        /* "": it was not set */
	struct flags_look after; /* owned: the file, once it is written */
	struct flag_outcome out;
};

/* --- the file: on the loop's thread, as a stage that is entered writes it --- */

static int write_file(struct set_job *j)
{
	const struct rollout *r = j->rollout;
	CLEANUP(buf_free) struct buf text = BUF(FLAGS_FILE_MAX);
	const struct flags_value value = {j->name, j->value};
	struct flags_change change;
	int32_t there = -1;
	int e = flags_file_load(r->flags_file, &text, j->base.why, sizeof(j->base.why));

	if (e == 0)
		e = flags_text_get(buf_text(&text), text.len, r->flags_key, &there, j->base.why, sizeof(j->base.why));
	if (e < 0)
		return e;
	if (flags_text_value(buf_text(&text), text.len, j->name, j->before, sizeof(j->before)) < 0)
		j->before[0] = '\0';
	e = flags_file_set(r->flags_file, r->flags_key, there, there, &value, 1, &change, j->base.why,
	                   sizeof(j->base.why));
	if (e < 0)
		return e;
	flags_look(r, 0, false, &j->after);
	flags_look_values(r, &j->after);
	return 0;
}

static void set_ask(struct api_job *base)
{
	struct set_job *j = (struct set_job *)base;

	assert(thread_may(THREAD_ENGINE));
	j->file_error = write_file(j);
	api_job_go_on(base); /* also what failed is put on record */
}

static int set_write(struct db_tx *tx, struct api_job *base)
{
	struct set_job *j = (struct set_job *)base;

	j->out = (struct flag_outcome) {.error = j->file_error < 0 ? base->why : NULL,
	                                .before = j->before[0] ? j->before : NULL,
	                                .values = j->after.values};
	int e = flags_values_set(tx, base->settings, j->rollout, &j->out);
	base->incident_id = j->out.incident;
	return e;
}

/* What keeps the file from being written is no fault of the request's. */
static void set_answer(struct api_job *base, int result, struct http_reply *reply)
{
	struct set_job *j = (struct set_job *)base;
	int e = result < 0 ? result : j->file_error == -ENOENT || j->file_error == -EINVAL ? -EPERM : j->file_error;
	struct json_object *data = e < 0 ? NULL : json_object_new_object();

	if (e < 0) {
		api_answer_errno(reply, e, base->why);
		return;
	}
	json_add(data, "incident", j->out.incident ? json_object_new_int64(j->out.incident) : NULL);
	json_add_str(data, "untold", j->out.untold[0] ? j->out.untold : NULL);
	api_answer(reply, 200, data, NULL);
}

/* There is nothing to take back: it is over as soon as it began. */
static void set_cancel(struct api_job *base)
{
	(void)base;
}

static void set_free(struct api_job *base)
{
	struct set_job *j = (struct set_job *)base;

	json_object_put(j->body);
	flags_look_free(&j->after);
	free(j->who);
	free(j->path);
	free(j);
}

static const struct api_job_kind set_kind = {
	.ask = set_ask, .write = set_write, .answer = set_answer, .cancel = set_cancel, .free = set_free};

/* The intention is on disk. */
static void on_judged(void *arg, const struct plan_answer *a)
{
	assert(arg && a);
	struct set_job *j = arg;

	if (a->result >= 0) {
		api_job_go_ask(&j->base);
		return;
	}
	snprintf(j->base.why, sizeof(j->base.why), "%s", a->why);
	api_job_done(&j->base, a->result);
}

/* --- what was asked --- */

static const struct flag_value *flag_of(const struct rollout *r, const char *name)
{
	for (size_t i = 0; name && i < r->n_values; i++)
		if (!strcmp(r->values[i].name, name))
			return &r->values[i];
	return NULL;
}

/* As it stands in the file: "true", 3 and "3" alike. */
static const char *value_of(struct json_object *body)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(body, "value", &v);
	return v && json_object_get_type(v) != json_type_object && json_object_get_type(v) != json_type_array
	               ? json_object_get_string(v)
	               : NULL;
}

static int refuse(struct http_reply *reply, int status, const char *type, const char *text)
{
	http_error(reply, status, type, "%s", text);
	return -EINVAL;
}

static int check(struct set_job *j, const char *rollout, struct http_reply *reply)
{
	const struct rollout *r = j->rollout = settings_rollout(j->base.settings, rollout);
	const struct flag_value *flag = r ? flag_of(r, json_str_or(j->body, "name", NULL)) : NULL;

	j->value = value_of(j->body);
	j->reason = json_str_or(j->body, "reason", json_str_or(j->body, "note", ""));
	if (!r || !r->flags_file)
		return refuse(reply, 404, "not_found",
		              r ? "this rollout has no flags file" : "there is no such rollout");
	if (!flag)
		return refuse(reply, 400, "bad_data",
		              "name must be one of flags.values in the config; the percentage is set by stages and "
		              "rollbacks alone");
	j->name = flag->name;
	if (!j->value || !j->value[0] || !flags_is_typed(flag->type, j->value))
		return refuse(reply, 400, "bad_data",
		              "value must be one of the flag's type: true or false, or a number");
	if (!j->reason[0] || strlen(j->reason) > REASON_MAX)
		return refuse(reply, 400, "bad_data", "say why (reason; --reason TEXT), in at most 1000 bytes");
	return 0;
}

enum http_verdict flags_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                             const char *word)
{
	(void)word;
	struct set_job *j = calloc(1, sizeof(*j));

	if (!j) {
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	api_job_init(&j->base, &set_kind, a, req);
	j->who = strdup(req->user);
	j->path = strdup(segment);
	if (!j->who || !j->path || api_body(req, reply, &j->body) < 0 || check(j, segment, reply) < 0) {
		if (!j->who || !j->path)
			api_answer_errno(reply, -ENOMEM, "");
		api_job_drop(&j->base);
		return HTTP_REPLIED;
	}
	j->rq = (struct plan_request) {.move = MOVE_FLAG,
	                               .rollout = j->path,
	                               .who = {j->who, req->authenticated},
	                               .note = j->reason,
	                               .name = j->name,
	                               .value = j->value,
	                               .stage = -1};
	return api_job_handed(&j->base, controller_judge(a->controller, &j->rq, on_judged, j), reply);
}
