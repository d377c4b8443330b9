#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/incident.h"
#include "db/rollout.h"
#include "handlers/api/api.h"
#include "handlers/api/flags.h"
#include "handlers/api/job.h"
#include "handlers/incident/actions.h"
#include "handlers/steps/percentage.h"
#include "handlers/incident/json.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open.h"
#include "handlers/gates/plan_diff.h"
#include "handlers/plan/json.h"
#include "handlers/plan/prefill.h"
#include "handlers/reports/report.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"

static struct json_object *stage_json(const struct stage *st)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "number", st->number);
	json_add_str(o, "name", st->name);
	json_add_pct(o, "percentage", st->pct);
	json_add_str(o, "environment", st->environment);
	json_add(o, "duration", st->duration_us ? json_object_new_double((double)st->duration_us / 1e6) : NULL);
	return o;
}

static struct json_object *stages_json(const struct rollout *r)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < r->n_stages; i++)
		json_object_array_add(arr, stage_json(&r->stages[i]));
	return arr;
}

static int add_incident(struct db_conn *c, const struct rollout *ro, struct json_object *o)
{
	struct incident inc = {0};
	struct json_object *i = NULL;
	int found = incident_open_of(c, ro->name, &inc);

	if (found < 0)
		return found;
	json_add_str(o, "entering", found && kind_of(&inc)->enters ? incident_state_name(inc.state) : NULL);
	json_add(o, "drill", found && !kind_of(&inc)->acts ? json_object_new_int64(inc.id) : NULL);
	if (!found || kind_of(&inc)->gives_way) {
		json_add(o, "incident", NULL);
		incident_free(&inc);
		return 0;
	}
	int r = incident_json(c, &inc, 0, &i);
	if (r == 0)
		json_add(o, "incident", i);
	incident_free(&inc);
	return r;
}

static int add_known(const struct api_read *q, const struct rollout *r, struct json_object *o)
{
	CLEANUP(json_cleanup) struct json_object *whole = report_whole(q->api->comparisons, r->name);

	return prefill_json_add(o, q->conn, r, whole);
}

static int add_plan(const struct api_read *q, const struct rollout *r, const struct flags_look *look,
                    struct json_object *o)
{
	assert(q && r && look && o);
	struct rollout_state st = {0};
	struct evaluation ev = {0};
	int64_t now = clock_wall_us();
	int err = rollout_state_load(q->conn, r, now, look, &st);

	if (err == 0)
		err = controller_last(q->api->controller, r->name, &ev);
	if (err == 0)
		err = plan_json_add(o, q->conn, &(struct gate_view) {q->settings, r, &st, &ev, now});
	if (err == 0)
		err = add_known(q, r, o);
	rollout_state_free(&st);
	evaluation_free(&ev);
	return err;
}

/* When the percentage was last changed, or tried to be: what was seen before says nothing about now. */
static int last_change(struct db_conn *c, const struct rollout_row *row, const char *name, int64_t *ret)
{
	struct incident open = {0};
	int r = incident_last_rollback(c, name, ret);
	int found = r < 0 ? r : incident_open_of(c, name, &open);

	if (*ret < row->pct_changed_us)
		*ret = row->pct_changed_us;
	if (found == 1 && open.state == INC_ROLLING_BACK && kind_of(&open)->acts)
		*ret = INT64_MAX; /* it is being changed now */
	incident_free(&open);
	return found < 0 ? found : 0;
}

int api_rollout_json(const struct api_read *q, const struct rollout *r, struct json_object **ret)
{
	assert(q && r && ret);
	struct db_conn *c = q->conn;
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	struct rollout_row row = {.stage = -1, .pct_wanted = -1, .pct_seen = -1};
	char why[256] = "";
	int64_t changed = 0;
	struct flags_look look;
	int err = rollout_load(c, r->name, &row);

	if (err < 0 && err != -ENOENT)
		return err;
	err = last_change(c, &row, r->name, &changed);
	if (err < 0) {
		rollout_row_free(&row);
		return err;
	}
	const struct stage *st = rollout_stage(r, row.stage);
	flags_look(r, 0, false, &look);
	json_add_str(o, "name", r->name);
	json_add_str(o, "title", r->title);
	json_add_str(o, "dashboard_url", r->dashboard_url);
	json_add(o, "stage", row.stage < 0 ? NULL : json_object_new_int(row.stage));
	json_add_str(o, "stage_name", st ? st->name : NULL);
	json_add_time(o, "stage_since", row.stage_since_us);
	json_add_pct(o, "percentage_wanted", row.pct_wanted);
	json_add_pct(o, "percentage_seen", row.pct_seen);
	json_add_time(o, "seen_at", row.seen_at_us);
	json_add_bool(o, "seen_since_change", row.seen_at_us && row.seen_at_us >= changed);
	json_add_pct(o, "percentage_in_file", r->flags_file ? percentage_by(c, r, &look, why, sizeof(why)) : -1);
	json_add_str(o, "doubt", why[0] ? why : NULL);
	json_add_time(o, "changed_at", row.pct_changed_us);
	json_add(o, "stages", stages_json(r));
	json_add_str(o, "salt", r->salt);
	rollout_row_free(&row);
	err = add_incident(c, r, o);
	if (err == 0)
		err = add_plan(q, r, &look, o);
	if (err < 0)
		return err;
	*ret = TAKE(o);
	return 0;
}

enum http_verdict rollouts_list(const struct api_read *q, struct http_reply *reply)
{
	const struct settings *s = q->settings;
	CLEANUP(json_cleanup) struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < s->n_rollouts; i++) {
		struct json_object *o = NULL;
		int r = api_rollout_json(q, &s->rollouts[i], &o);

		if (r < 0) {
			api_answer_errno(reply, r, "");
			return HTTP_REPLIED;
		}
		json_object_array_add(arr, o);
	}
	api_answer(reply, 200, TAKE(arr), NULL);
	return HTTP_REPLIED;
}

/* The rollout of the path, or a 404. */
static const struct rollout *named(const struct settings *s, const char *name, struct http_reply *reply)
{
	assert(s && name && reply);
	const struct rollout *r = settings_rollout(s, name);

	if (!r)
		http_error(reply, 404, "not_found", "there is no rollout %.100s", name);
	return r;
}

enum http_verdict rollout_show(const struct api_read *q, struct http_reply *reply)
{
	const struct rollout *r = named(q->settings, q->segment, reply);
	struct json_object *o = NULL;

	if (!r)
		return HTTP_REPLIED;
	int err = api_rollout_json(q, r, &o);
	if (err < 0)
		api_answer_errno(reply, err, "");
	else
		api_answer(reply, 200, o, NULL);
	return HTTP_REPLIED;
}

/* The config of its plan: what a new one would be compared with. */
enum http_verdict rollout_plan(const struct api_read *q, struct http_reply *reply)
{
	const struct rollout *r = named(q->settings, q->segment, reply);
	CLEANUP(json_cleanup) struct json_object *frozen = r ? json_tokener_parse(r->frozen) : NULL;

	if (r)
		api_answer(reply, 200, plan_of_rollout(frozen), NULL);
	return HTTP_REPLIED;
}

enum http_verdict rollout_flags(const struct api_read *q, struct http_reply *reply)
{
	const struct rollout *r = named(q->settings, q->segment, reply);

	if (r)
		flags_answer(q, reply, r);
	return HTTP_REPLIED;
}

/* --- by hand --- */

struct rollback_job {
	struct api_job base;
	struct manual_rollback rq;
	char *rollout, *who, *reason; /* owned */
};

static int rollback_run(struct db_tx *tx, struct api_job *w)
{
	struct rollback_job *j = (struct rollback_job *)w;

	return manual_rollback(tx, w->settings, &j->rq, &w->incident_id, w->why, sizeof(w->why));
}

static void rollback_free(struct api_job *w)
{
	struct rollback_job *j = (struct rollback_job *)w;

	free(j->rollout);
	free(j->who);
	free(j->reason);
	free(j);
}

static const struct api_job_kind rollback_kind = {.write = rollback_run, .free = rollback_free};

static int read_request(struct json_object *body, struct http_reply *reply, struct manual_rollback *rq)
{
	assert(reply && rq);
	int64_t stage = 0;
	double to = 0;

	int has_stage = json_get_int(body, "stage", &stage), has_to = json_get_double(body, "to", &to);
	if (has_stage < 0 || stage < 0 || stage > 1000) {
		http_error(reply, 400, "bad_data", "stage must be the number of the current stage");
		return -EINVAL;
	}
	if (has_to < 0 || text_pct_from_double(to, &rq->to_pct) < 0) {
		http_error(reply, 400, "bad_data", "to must be a percentage from 0 to 100 with at most two decimals");
		return -EINVAL;
	}
	if (json_get_str(body, "reason", &rq->reason) < 0 || (rq->reason && strlen(rq->reason) > 1000)) {
		http_error(reply, 400, "bad_data", "reason must be a text of at most 1000 bytes");
		return -EINVAL;
	}
	rq->stage_given = has_stage == 1;
	rq->stage = (int32_t)stage;
	return 0;
}

static char *one_line(const char *text)
{
	assert(text);
	struct buf b = BUF(2048);

	text_one_line(&b, text, strlen(text), 1000);
	return buf_take(&b);
}

enum http_verdict rollout_rollback(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                   const char *word)
{
	CLEANUP(json_cleanup) struct json_object *body = NULL;
	struct manual_rollback rq = {0};

	(void)word;
	if (api_body(req, reply, &body) < 0 || read_request(body, reply, &rq) < 0)
		return HTTP_REPLIED;
	struct rollback_job *j = calloc(1, sizeof(*j));
	if (!j) {
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	j->rollout = text_format("%s", segment);
	j->who = text_format("%s", req->user);
	j->reason = rq.reason ? one_line(rq.reason) : NULL;
	rq.rollout = j->rollout ? j->rollout : "";
	rq.who = j->who ? j->who : "";
	rq.reason = j->reason;
	j->rq = rq;
	api_job_init(&j->base, &rollback_kind, a, req);
	j->base.lowers = true;
	return api_job_write(&j->base, reply);
}
