#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/settings/current.h"
#include "handlers/compare/run.h"
#include "handlers/reports/left_out.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"

#define DURATION_US (7 * 24 * 3600 * US_PER_S) /* unless asked otherwise */
#define THRESHOLD   0.05

struct compare_job {
	struct api_job base; /* its settings: rq borrows from them */
	struct compare_request rq;
	struct compare_run *run; /* NULL: not under way */
};

static void job_free(struct api_job *base)
{
	struct compare_job *j = (struct compare_job *)base;

	compare_spans_free(&j->rq.left_out);
	free(j);
}

static void job_cancel(struct api_job *base)
{
	struct compare_job *j = (struct compare_job *)base;

	compare_cancel(j->run);
	j->run = NULL;
}

static void on_report(void *arg, int err, struct json_object *report)
{
	struct compare_job *j = arg;

	j->run = NULL;
	if (err >= 0)
		j->base.data = report;
	api_job_done(&j->base, err < 0 ? err : 0);
}

static void job_ask(struct api_job *base)
{
	struct compare_job *j = (struct compare_job *)base;
	int r = compare_start(base->api->loop, &j->rq, on_report, j, &j->run);

	if (r < 0)
		api_job_done(base, r);
}

static const struct api_job_kind compare_kind = {.ask = job_ask, .cancel = job_cancel, .free = job_free};

/* --- what was asked --- */

static int read_percentage(const struct http_req *req, struct http_reply *reply, int32_t *ret)
{
	const char *text = req->param(req, "percentage");

	*ret = -1;
	if (!text || text_pct_parse(text, strlen(text), ret) == 0)
		return 0;
	http_error(reply, 400, "bad_data", "percentage must be a number from 0 to 100 with at most two decimals");
	return -EINVAL;
}

static int read_duration(const struct http_req *req, struct http_reply *reply, int64_t *ret)
{
	const char *text = req->param(req, "duration");

	*ret = DURATION_US;
	if (!text || text_duration_parse(text, ret) == 0)
		return 0;
	http_error(reply, 400, "bad_data", "duration must be a duration like 7d or 48h");
	return -EINVAL;
}

static int read_threshold(const struct http_req *req, struct http_reply *reply, double *ret)
{
	const char *text = req->param(req, "threshold");
	char *end = NULL;
	double v = text ? strtod(text, &end) : THRESHOLD;

	if (!text || (end != text && !*end && v >= 0 && v <= 10)) {
		*ret = v;
		return 0;
	}
	http_error(reply, 400, "bad_data", "threshold must be a number from 0 to 10: 0.05 accepts a difference of 5%%");
	return -EINVAL;
}

/* --- the request --- */

static int fill(struct compare_job *j, const struct api_read *q, struct http_reply *reply)
{
	assert(j && q && reply);
	const struct http_req *req = q->req;
	const char *name = q->segment;
	const struct rollout *r = settings_rollout(j->base.settings, name);
	int64_t duration_us = 0;
	char why[200];

	j->rq.rollout = r;
	j->rq.prometheus = &j->base.settings->prometheus;
	if (!r || !r->compare.step_us) {
		http_error(reply, 404, "not_found",
		           r ? "rollout %.100s has no section compare in the config" : "there is no rollout %.100s",
		           name);
		return -ENOENT;
	}
	if (read_percentage(req, reply, &j->rq.pct) < 0 || read_duration(req, reply, &duration_us) < 0 ||
	    read_threshold(req, reply, &j->rq.threshold) < 0)
		return -EINVAL;
	int64_t now_us = clock_wall_us();
	if (compare_grid_of(&r->compare, now_us, duration_us, &j->rq.grid, why, sizeof(why)) < 0) {
		http_error(reply, 400, "bad_data", "%s", why);
		return -EINVAL;
	}
	int e = comparison_left_out(q->conn, name, j->rq.grid.from_us, now_us, &j->rq.left_out);
	if (e < 0)
		api_answer_errno(reply, e, "");
	return e;
}

enum http_verdict rollout_compare(const struct api_read *q, struct http_reply *reply)
{
	struct compare_job *j = calloc(1, sizeof(*j));

	if (!j) {
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	api_job_init(&j->base, &compare_kind, q->api, q->req);
	if (fill(j, q, reply) < 0) {
		api_job_drop(&j->base);
		return HTTP_REPLIED;
	}
	return api_job_ask(&j->base, reply);
}
