#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/api/api.h"
#include "handlers/settings/current.h"
#include "handlers/incident/intake.h"
#include "server/core/failpoint.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"

enum result { ACCEPTED, INVALID, TOO_LARGE, UNAVAILABLE }; /* order of rollbackd_webhook_requests_total */

struct delivery_job {
	struct db_job job;
	struct api *api;
	struct http_req *req;
	struct intake *intake; /* owned */
};

static int record(struct db_tx *tx, struct db_job *job)
{
	struct delivery_job *d = (struct delivery_job *)job;
	int r = intake_record(tx, d->intake);

	FAILPOINT(FAIL_INTAKE_BEFORE_COMMIT);
	return r;
}

static void count(const struct intake *in)
{
	for (size_t i = 0; i < in->n_results; i++)
		metric_add(M_ALERTS, (unsigned)in->results[i].disposition - 1, !in->results[i].drill);
	if (in->group->truncated > 0)
		metric_add(M_TRUNCATED, 0, (uint64_t)in->group->truncated);
}

static void tell_log(const struct intake *in)
{
	for (size_t i = 0; i < in->n_results; i++) {
		const struct intake_result *r = &in->results[i];

		if (r->disposition == DISP_DUPLICATE || r->disposition == DISP_HEARTBEAT)
			continue;
		char incident[24];

		snprintf(incident, sizeof(incident), "%lld", (long long)r->incident_id);
		log_info("alert recorded", "fingerprint", r->fingerprint, "disposition",
		         disposition_name(r->disposition), "rollout", r->rollout ? r->rollout : "", "incident",
		         incident);
	}
}

static void recorded(struct db_job *job, int result)
{
	struct delivery_job *d = (struct delivery_job *)job;
	struct http_reply reply = {.status = 200};

	FAILPOINT(FAIL_INTAKE_AFTER_COMMIT);
	if (result < 0) {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		log_error("a webhook could not be recorded; the sender was told to send it again", "error",
		          strerror(-result));
		api_answer_errno(&reply, result == -ENOENT || result == -EINVAL || result == -EPERM ? -EIO : result,
		                 "");
	} else {
		for (size_t i = 0; i < d->intake->touched.n; i++)
			engine_notify(d->api->engine, d->intake->touched.item[i]);
		d->api->ring(d->api->arg);
		metric_add(M_WEBHOOKS, ACCEPTED, 1);
		count(d->intake);
		tell_log(d->intake);
		api_answer(&reply, 200, intake_json(d->intake), NULL);
	}
	d->req->complete(d->req, &reply);
	intake_free(d->intake);
	free(d);
}

static int refuse(struct http_reply *reply, int err, const char *why)
{
	if (err == -E2BIG) {
		metric_add(M_WEBHOOKS, TOO_LARGE, 1);
		http_error(reply, 413, "bad_data", "%s", why);
	} else if (err == -EINVAL) {
		metric_add(M_WEBHOOKS, INVALID, 1);
		http_error(reply, 400, "bad_data", "%s", why);
		log_warn("a webhook body was refused", "why", why);
	} else {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		api_answer_errno(reply, err, "");
	}
	return err;
}

static int prepare(struct http_req *req, struct http_reply *reply, struct intake **ret)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	struct alert_group *group = NULL;
	struct payload_fault fault = {.why = ""};
	int r = alert_group_parse(req->body, req->body_len, &group, &fault);

	if (r < 0)
		return refuse(reply, r, fault.why);
	r = intake_plan(s, group, req->received_us, ret);
	return r < 0 ? refuse(reply, r, "") : 0;
}

enum http_verdict webhook_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word)
{
	struct delivery_job *d = NULL;
	struct intake *in = NULL;
	const char *why = NULL;

	(void)segment;
	(void)word;
	if (!db_healthy(a->db, &why)) {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		api_answer_errno(reply, -EIO, why ? why : "");
		return HTTP_REPLIED;
	}
	if (prepare(req, reply, &in) < 0)
		return HTTP_REPLIED;
	d = calloc(1, sizeof(*d));
	int r = d ? 0 : -ENOMEM;
	if (d) {
		*d = (struct delivery_job) {
			.job = {.run = record, .done = recorded}, .api = a, .req = req, .intake = in};
		r = db_submit(a->db, &d->job, DB_NORMAL);
	}
	if (r == 0)
		return HTTP_DEFERRED;
	refuse(reply, r, "");
	intake_free(in);
	free(d);
	return HTTP_REPLIED;
}
