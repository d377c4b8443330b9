/*
 * The webhook: a body comes on the http thread, is read and matched there if it is small, else on the background thread
 * (16 MiB, or a regular expression, take longer than anybody may wait for /-/healthy), recorded on the writer's, and
 * answered from there.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/intake.h"
#include "handlers/incident/repeats.h"
#include "handlers/settings/current.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"

/* Bytes of what is read and not yet recorded, together. One group may have 56 MiB, and is then alone. */
#define WORK_MAX (64UL * 1024 * 1024)
/* A body up to this size is read where it came, in less time than another thread would take to wake up. */
#define HERE_MAX              (16 * 1024)
#define REFUSED_PAGE_EVERY_US (3600 * US_PER_S)
#define REFUSED_NOTE_EVERY_US (60 * US_PER_S) /* a flood of them is no flood for the writer */
#define LOGGED_MAX            100             /* lines for the alerts of one webhook */

enum result { ACCEPTED, INVALID, TOO_LARGE, UNAVAILABLE }; /* order of rollbackd_webhook_requests_total */

struct delivery_job {
	struct api_job base;
	struct intake *intake; /* owned */
	size_t size;           /* as counted in work */
	struct payload_fault fault;
	bool prepared; /* and handed to the writer */
};

static atomic_size_t work;
static _Atomic int64_t refused_us; /* monotonic: when the writer was last told */
static _Atomic int64_t at_door_us; /* when one was last told that was refused before it was read */

static int record(struct db_tx *tx, struct api_job *base)
{
	struct delivery_job *d = (struct delivery_job *)base;

	assert(tx && d->intake);
	int r = intake_record(tx, d->intake);

	base->quiet = intake_is_quiet(d->intake);
	FAILPOINT(FAIL_INTAKE_BEFORE_COMMIT);
	return r;
}

static void count(const struct intake *in)
{
	assert(in->group);
	for (size_t i = 0; i < in->n_results; i++)
		metric_add(M_ALERTS, (unsigned)in->results[i].disposition - 1, !in->results[i].drill);
	if (in->group->truncated > 0)
		metric_add(M_TRUNCATED, 0, (uint64_t)in->group->truncated);
}

/* What changes nothing may come by the ten thousand. Who should know of a trigger that nobody claims is paged. */
static enum log_level level_of(const struct intake_result *r)
{
	return r->disposition == DISP_NO_MATCH ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static void tell_log(const struct intake *in)
{
	size_t lines = 0;

	for (size_t i = 0; i < in->n_results && lines <= LOGGED_MAX; i++) {
		const struct intake_result *r = &in->results[i];

		if (r->disposition == DISP_DUPLICATE || r->disposition == DISP_HEARTBEAT || !log_writes(level_of(r)))
			continue;
		if (lines++ == LOGGED_MAX) {
			log_info("more alerts of this webhook were recorded", "results_left",
			         log_num((int64_t)(in->n_results - i)));
			break;
		}
		log_write(level_of(r), __FILE__, __LINE__, "alert recorded", "fingerprint", r->fingerprint,
		          "disposition", disposition_name(r->disposition), "rollout", r->rollout ? r->rollout : "",
		          "incident", log_num(r->incident_id), NO_MORE, NO_MORE);
	}
}

static void say_results(struct http_reply *reply, const struct intake *in)
{
	reply->body.max = API_BODY_MAX;
	buf_str(&reply->body, "{\"status\":\"success\",\"data\":");
	intake_answer(&reply->body, in);
	buf_str(&reply->body, "}\n");
	assert(reply->body.error != -ENOSPC);
}

static void recorded(const struct delivery_job *d, int result, struct http_reply *reply)
{
	FAILPOINT(FAIL_INTAKE_AFTER_COMMIT);
	if (result < 0) {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		log_error("a webhook could not be recorded; the sender was told to send it again", "err",
		          strerror(-result));
		api_answer_errno(reply, result == -ENOENT || result == -EINVAL || result == -EPERM ? -EIO : result, "");
		return;
	}
	for (size_t i = 0; i < d->intake->n_begun; i++) {
		const struct begun *b = &d->intake->begun[i];

		engine_lower(d->base.api->engine, b->incident, b->rollout->flags_file, b->rollout->flags_key);
	}
	for (size_t i = 0; i < d->intake->touched.n; i++)
		engine_notify(d->base.api->engine, d->intake->touched.item[i]);
	for (size_t i = 0; i < d->intake->n_stale; i++)
		engine_ask_active(d->base.api->engine, &d->intake->stale[i]);
	metric_add(M_WEBHOOKS, ACCEPTED, 1);
	count(d->intake);
	tell_log(d->intake);
	say_results(reply, d->intake);
	repeats_note(d->intake, d->base.req->body, d->base.req->body_len, &reply->body);
}

/* --- what is refused, for it is too much or not understood: its sender drops it, so somebody is told --- */

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

static bool was_told(_Atomic int64_t *at_us)
{
	int64_t now = clock_mono_us(), last = atomic_load(at_us);

	if (last && now - last < REFUSED_NOTE_EVERY_US)
		return true;
	atomic_store(at_us, now);
	return false;
}

static void tell(struct api *a, const char *why)
{
	assert(a && why);
	log_error("a webhook was refused", "err", why);
	if (was_told(&refused_us))
		return;
	struct refusal *f = calloc(1, sizeof(*f));
	if (!f)
		return;
	*f = (struct refusal) {.job = {.run = page, .done = paged}, .api = a};
	snprintf(f->why, sizeof(f->why), "%s", why);
	if (db_submit(a->db, &f->job, DB_URGENT) < 0)
		free(f); /* nothing can be recorded: that pages by itself */
}

/* A sender of alerts is no browser. Whose name or password is wrong, or who comes when there is no room, is told so and
 * comes again. */
static bool is_for_good(const struct http_req *req, int status)
{
	bool browser = req->header(req, "Origin") || req->header(req, "Sec-Fetch-Site");

	return !browser && (status == 400 || status == 413 || status == 415 || status == 421);
}

/* Whoever can reach the door may be refused as often as he likes: a line a minute. */
void webhook_refused(struct api *a, const struct http_req *req, const struct http_reply *reply, bool sure)
{
	assert(a && req && reply);
	CLEANUP(json_cleanup) struct json_object *said = NULL;

	if (!is_for_good(req, reply->status))
		return;
	metric_add(M_WEBHOOKS, reply->status == 413 ? TOO_LARGE : INVALID, 1);
	if (was_told(&at_door_us) || json_parse(reply->body.data, reply->body.len, &said, NULL) < 0)
		return;
	char why[200];
	snprintf(why, sizeof(why), "%.150s%s", json_str_or(said, "error", ""),
	         reply->status == 413 ? ": set max_alerts or group the alerts finer" : "");
	if (sure)
		tell(a, why);
	else
		log_error("a webhook was refused", "err", why);
}

static void refuse(struct api *a, struct http_reply *reply, int err, const char *why)
{
	assert(reply && err < 0 && why);
	if (err == -E2BIG) {
		metric_add(M_WEBHOOKS, TOO_LARGE, 1);
		http_error(reply, 413, "bad_data", "%s", why);
		tell(a, why);
	} else if (err == -EINVAL) {
		metric_add(M_WEBHOOKS, INVALID, 1);
		http_error(reply, 400, "bad_data", "%s", why);
		tell(a, why);
	} else {
		metric_add(M_WEBHOOKS, UNAVAILABLE, 1);
		api_answer_errno(reply, err, "");
	}
}

/* --- reading --- */

/* Whether so many bytes more may be in work; a single group always may. */
static bool charge(struct delivery_job *d, size_t size)
{
	assert(d && size > 0);
	size_t before = atomic_fetch_add(&work, size);

	d->size += size;
	return before == 0 || before + size <= WORK_MAX;
}

/* *why says why not, for -EINVAL and -E2BIG. */
static int prepare(struct delivery_job *d, struct payload_fault *fault)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	struct alert_group *group = NULL;
	int r = intake_parse(s, d->base.req->body, d->base.req->body_len, &group, fault);

	if (r == 0 && !charge(d, alert_group_size(group))) {
		alert_group_free(group);
		return -EAGAIN;
	}
	if (r == 0)
		r = intake_plan(s, group, d->base.req->received_us, &d->intake);
	if (r == -E2BIG && !fault->why[0])
		snprintf(fault->why, sizeof(fault->why),
		         "matching its labels takes longer than %d s: simplify the regular expressions of the config, "
		         "or set "
		         "max_alerts",
		         INTAKE_MATCH_S);
	return r;
}

static void read_body(struct api_job *base)
{
	struct delivery_job *d = (struct delivery_job *)base;
	int r = prepare(d, &d->fault);

	if (r < 0) {
		api_job_done(base, r);
		return;
	}
	base->lowers = intake_lowers(d->intake);
	d->prepared = true;
	api_job_go_on(base);
}

/* What it held is given back before its sender can send the next. */
static void answer(struct api_job *base, int result, struct http_reply *reply)
{
	struct delivery_job *d = (struct delivery_job *)base;

	if (d->prepared && result != -EAGAIN) /* that: the writer has no room */
		recorded(d, result, reply);
	else
		refuse(base->api, reply, result, d->fault.why);
	assert(d->size <= atomic_load(&work));
	intake_free(TAKE(d->intake));
	atomic_fetch_sub(&work, d->size);
}

static void delivery_free(struct api_job *base)
{
	free(base);
}

static const struct api_job_kind delivery_kind = {
	.read = read_body, .write = record, .again = true, .answer = answer, .free = delivery_free};

/* The very bytes that were recorded and answered within a second. Where the disk is not well, nothing is known. */
static bool answer_repeat(const struct api *a, const struct http_req *req, struct http_reply *reply)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();

	if (!db_healthy(a->db, NULL))
		return false;
	reply->body.max = API_BODY_MAX;
	size_t n = repeats_find(req->body, req->body_len, s->sha, req->received_us, &reply->body);

	if (n == 0)
		return false;
	metric_add(M_WEBHOOKS, ACCEPTED, 1);
	metric_add(M_ALERTS, DISP_DUPLICATE - 1, n);
	return true;
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
	if (answer_repeat(a, req, reply))
		return HTTP_REPLIED;
	struct delivery_job *d = calloc(1, sizeof(*d));
	if (!d) {
		refuse(a, reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	api_job_init(&d->base, &delivery_kind, a, req);
	if (req->body_len > HERE_MAX || !route_is_quick(d->base.settings))
		return api_job_read(&d->base, reply);
	read_body(&d->base);
	return HTTP_DEFERRED;
}
