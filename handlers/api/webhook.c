/*
 * The webhook: a body comes on the http thread, is read and matched on the background thread (16 MiB take longer than
 * anybody may wait for /-/healthy), recorded on the writer's, and answered from there.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "handlers/api/api.h"
#include "handlers/api/background.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/intake.h"
#include "handlers/settings/current.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"

/* Bytes of what is read and not yet recorded, together. One group may have 56 MiB, and is then alone. */
#define WORK_MAX              (64UL * 1024 * 1024)
#define REFUSED_PAGE_EVERY_US (3600 * US_PER_S)
#define LOGGED_MAX            100 /* lines for the alerts of one webhook */

enum result { ACCEPTED, INVALID, TOO_LARGE, UNAVAILABLE }; /* order of rollbackd_webhook_requests_total */

struct delivery_job {
	struct background_job background;
	struct db_job job;
	struct api *api;
	struct http_req *req;
	struct intake *intake; /* owned */
	size_t size;           /* as counted in work */
};

static atomic_size_t work;

static struct delivery_job *of_db(struct db_job *job)
{
	return (struct delivery_job *)((char *)job - offsetof(struct delivery_job, job));
}

static int record(struct db_tx *tx, struct db_job *job)
{
	assert(tx && of_db(job)->intake);
	struct delivery_job *d = of_db(job);
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
	size_t lines = 0;

	for (size_t i = 0; i < in->n_results && lines <= LOGGED_MAX; i++) {
		const struct intake_result *r = &in->results[i];

		if (r->disposition == DISP_DUPLICATE || r->disposition == DISP_HEARTBEAT)
			continue;
		if (lines++ == LOGGED_MAX) {
			log_info("more alerts of this webhook were recorded", "results_left",
			         log_num((int64_t)(in->n_results - i)));
			break;
		}
		char incident[24];

		snprintf(incident, sizeof(incident), "%lld", (long long)r->incident_id);
		log_info("alert recorded", "fingerprint", r->fingerprint, "disposition",
		         disposition_name(r->disposition), "rollout", r->rollout ? r->rollout : "", "incident",
		         incident);
	}
}

static void answer(struct http_reply *reply, const struct intake *in)
{
	reply->body.max = API_BODY_MAX;
	buf_str(&reply->body, "{\"status\":\"success\",\"data\":");
	intake_answer(&reply->body, in);
	buf_str(&reply->body, "}\n");
	assert(reply->body.error != -ENOSPC);
}

/* Answers, and frees d. */
static void end(struct delivery_job *d, struct http_reply *reply)
{
	assert(d->size <= atomic_load(&work));
	intake_free(d->intake);
	atomic_fetch_sub(&work, d->size);
	d->req->complete(d->req, reply);
	free(d);
}

static void recorded(struct db_job *job, int result)
{
	struct delivery_job *d = of_db(job);
	struct http_reply reply = {.status = 200};

	FAILPOINT(FAIL_INTAKE_AFTER_COMMIT);
	if (result < 0) {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		log_error("a webhook could not be recorded; the sender was told to send it again", "err",
		          strerror(-result));
		api_answer_errno(&reply, result == -ENOENT || result == -EINVAL || result == -EPERM ? -EIO : result,
		                 "");
	} else {
		for (size_t i = 0; i < d->intake->touched.n; i++)
			engine_notify(d->api->engine, d->intake->touched.item[i]);
		for (size_t i = 0; i < d->intake->stale.n; i++)
			engine_ask_active(d->api->engine, d->intake->stale.item[i]);
		d->api->ring(d->api->arg);
		metric_add(M_WEBHOOKS, ACCEPTED, 1);
		count(d->intake);
		tell_log(d->intake);
		answer(&reply, d->intake);
	}
	end(d, &reply);
}

/* --- what is too much to be looked at: refused, and somebody is told --- */

struct refusal {
	struct db_job job;
	struct api *api;
	char why[200];
};

static int page(struct db_tx *tx, struct db_job *job)
{
	const struct refusal *f = (struct refusal *)job;
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	CLEANUP(buf_free) struct buf text = BUF(600);
	int64_t last = 0, now = db_tx_now(tx);
	int r = meta_get(db_tx_conn(tx), "refused_paged_at", &last);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && now >= last && now - last < REFUSED_PAGE_EVERY_US)
		return 0;
	buf_printf(
		&text,
		"A webhook was refused: %s. A rollback trigger may be among its alerts, and nothing was rolled back.",
		f->why);
	r = announce_text(tx, s, ANNOUNCE_REFUSED, NULL, buf_text(&text));
	return r < 0 ? r : meta_set(tx, "refused_paged_at", now);
}

static void paged(struct db_job *job, int result)
{
	struct refusal *f = (struct refusal *)job;

	if (result < 0)
		log_error("a webhook was refused, and the page about it could not be recorded", "err",
		          strerror(-result));
	f->api->ring(f->api->arg);
	free(f);
}

static void tell(struct api *a, const char *why)
{
	struct refusal *f = calloc(1, sizeof(*f));

	log_error("a webhook was refused because it is too much to be looked at", "err", why);
	if (!f)
		return;
	*f = (struct refusal) {.job = {.run = page, .done = paged}, .api = a};
	snprintf(f->why, sizeof(f->why), "%s", why);
	if (db_submit(a->db, &f->job, DB_URGENT) < 0)
		free(f); /* nothing can be recorded: that pages by itself */
}

static void refuse(struct api *a, struct http_reply *reply, int err, const char *why)
{
	if (err == -E2BIG) {
		metric_add(M_WEBHOOKS, TOO_LARGE, 1);
		http_error(reply, 413, "bad_data", "%s", why);
		tell(a, why);
	} else if (err == -EINVAL) {
		metric_add(M_WEBHOOKS, INVALID, 1);
		http_error(reply, 400, "bad_data", "%s", why);
		log_warn("a webhook body was refused", "err", why);
	} else {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		api_answer_errno(reply, err, "");
	}
}

/* --- reading --- */

/* Whether so many bytes more may be in work; a single group always may. */
static bool charge(struct delivery_job *d, size_t size)
{
	size_t before = atomic_fetch_add(&work, size);

	d->size += size;
	return before == 0 || before + size <= WORK_MAX;
}

/* *why says why not, for -EINVAL and -E2BIG. */
static int prepare(struct delivery_job *d, struct payload_fault *fault)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	struct alert_group *group = NULL;
	int r = alert_group_parse(d->req->body, d->req->body_len, &group, fault);

	if (r == 0 && !charge(d, alert_group_size(group))) {
		alert_group_free(group);
		return -EAGAIN;
	}
	if (r == 0)
		r = intake_plan(s, group, d->req->received_us, &d->intake);
	if (r == -E2BIG && !fault->why[0])
		snprintf(fault->why, sizeof(fault->why),
		         "matching its labels takes longer than %d s: simplify the regular expressions of the config, "
		         "or set "
		         "max_alerts",
		         INTAKE_MATCH_S);
	return r;
}

static void read_body(struct background_job *job)
{
	assert(((struct delivery_job *)job)->req);
	struct delivery_job *d = (struct delivery_job *)job;
	struct http_reply reply = {.status = 200};
	struct payload_fault fault = {.why = ""};
	int r = prepare(d, &fault);

	if (r == 0)
		r = db_submit(d->api->db, &d->job, intake_lowers(d->intake) ? DB_URGENT : DB_NORMAL);
	if (r == 0)
		return;
	refuse(d->api, &reply, r, fault.why);
	end(d, &reply);
}

enum http_verdict webhook_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word)
{
	const char *why = NULL;

	(void)segment;
	(void)word;
	if (!db_writes(a->db, &why)) {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		api_answer_errno(reply, -EIO, why ? why : "");
		return HTTP_REPLIED;
	}
	struct delivery_job *d = calloc(1, sizeof(*d));
	int r = d ? 0 : -ENOMEM;
	if (d) {
		*d = (struct delivery_job) {.background = {.run = read_body},
		                            .job = {.run = record, .done = recorded},
		                            .api = a,
		                            .req = req};
		r = background_submit(a->background, &d->background);
	}
	if (r == 0)
		return HTTP_DEFERRED;
	refuse(a, reply, r, "");
	free(d);
	return HTTP_REPLIED;
}
