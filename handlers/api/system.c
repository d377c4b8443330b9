#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/rollout.h"
#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/readiness/drill_schedule.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/web/assets.h"

#define METRICS_MAX (1024 * 1024)

/* --- series whose labels are config or database values --- */

struct rollout_metric {
	const char *name, *help;
	double (*value)(const struct rollout_row *row);
};

static double wanted_of(const struct rollout_row *row)
{
	return row->pct_wanted < 0 ? -1 : row->pct_wanted / 100.0;
}

static double seen_of(const struct rollout_row *row)
{
	return row->pct_seen < 0 ? -1 : row->pct_seen / 100.0;
}

static double entered_of(const struct rollout_row *row)
{
	return (double)row->stage_since_us / 1e6;
}

static double changed_of(const struct rollout_row *row)
{
	return (double)row->pct_changed_us / 1e6;
}

static double generation_of(const struct rollout_row *row)
{
	return (double)row->generation;
}

static const struct rollout_metric rollout_metrics[] = {
	{"rollbackd_target_percentage", "Percentage a rollout should be at; -1: unknown.", wanted_of},
	{"rollbackd_seen_percentage", "Percentage last seen by verification; -1: never seen.", seen_of},
	{"rollbackd_stage_entered_timestamp_seconds", "When the current stage was entered.", entered_of},
	{"rollbackd_percentage_changed_timestamp_seconds", "When the wanted percentage last changed.", changed_of},
	{"rollbackd_flags_generation", "How often the flags were changed; services that poll them say which they run.",
         generation_of},
};

/* --- the plan --- */

struct plan_state {
	const struct settings *s;
	const struct rollout *r;
	const struct stage *stage; /* NULL: unstaged */
	struct rollout_state st;
	struct evaluation ev;
	struct drill_standing drills;
};

static void write_rollouts(struct buf *b, const struct plan_state *p, size_t n)
{
	assert(b && (p || n == 0));
	for (size_t m = 0; m < ARRAY_LEN(rollout_metrics); m++) {
		metrics_family(b, rollout_metrics[m].name, "gauge", rollout_metrics[m].help);
		for (size_t i = 0; i < n; i++)
			if (p[i].st.row.name) /* it has been at something */
				metrics_sample(b, rollout_metrics[m].name, rollout_metrics[m].value(&p[i].st.row),
				               "rollout", p[i].r->name, NO_MORE);
	}
}

static double stage_of(const struct plan_state *p)
{
	return rollout_state_guarded_stage(p->s, p->r, &p->st);
}

static double clean_of(const struct plan_state *p)
{
	return (double)p->st.p.clean_us / 1e6;
}

static double required_of(const struct plan_state *p)
{
	return p->stage ? (double)p->stage->duration_us / 1e6 : 0;
}

static double held_of(const struct plan_state *p)
{
	return p->st.p.held_by != NULL;
}

static double blind_of(const struct plan_state *p)
{
	return p->ev.blind[0] != '\0';
}

static double locked_of(const struct plan_state *p)
{
	return p->st.unreviewed || p->st.p.restart_at >= 0;
}

static double drilled_of(const struct plan_state *p)
{
	return drill_standing_of(&p->drills);
}

static double drill_passed_of(const struct plan_state *p)
{
	return (double)p->drills.passed_us / 1e6;
}

static const struct {
	const char *name, *help;
	double (*value)(const struct plan_state *p);
} plan_metrics[] = {
	{"rollbackd_rollout_stage",
         "Current stage of a rollout; -1: unstaged, or one of another environment while there may be traffic here.",
         stage_of},
	{"rollbackd_drill_passed", "1: the last drill passed; 0: it did not; -1: there was none.", drilled_of},
	{"rollbackd_drill_last_passed_timestamp_seconds", "When a drill last passed; 0: never.", drill_passed_of},
	{"rollbackd_stage_clean_seconds", "Clean time of the current stage run.", clean_of},
	{"rollbackd_stage_clean_required_seconds", "Clean time that the current stage asks for; 0: none.", required_of},
	{"rollbackd_held", "1: a person stopped the stage's clock.", held_of},
	{"rollbackd_canary_blind", "1: above 0 % and nobody watches it.", blind_of},
	{"rollbackd_locked", "1: raising waits for a review, or for a restart from an earlier stage.", locked_of},
};

static void write_fallbacks(struct buf *b, const struct plan_state *p, size_t n)
{
	static const int values[] = {[STATUS_UNKNOWN] = -1, [STATUS_YES] = 1, [STATUS_NO] = 0};
	char why[400];

	metrics_family(b, "rollbackd_fallback_ready", "gauge",
	               "1: the old way could take the traffic, by its fallback_probe; 0: it could not; -1: unknown.");
	for (size_t i = 0; i < n; i++)
		if (p[i].r->n_probes)
			metrics_sample(b, "rollbackd_fallback_ready",
			               values[evaluation_fallback(&p[i].ev, p[i].r, why, sizeof(why))], "rollout",
			               p[i].r->name, NO_MORE);
}

static double state_of(const struct criterion *c, const struct criterion_result *r)
{
	(void)c;
	return r->state == CRITERION_HOLDS ? 1 : r->state == CRITERION_FAILS ? 0 : -1;
}

static double value_of(const struct criterion *c, const struct criterion_result *r)
{
	(void)c;
	return r->value;
}

static double bound_of(const struct criterion *c, const struct criterion_result *r)
{
	(void)r;
	return c->bound;
}

static const struct {
	const char *name, *help;
	double (*value)(const struct criterion *c, const struct criterion_result *r);
} criterion_metrics[] = {
	{"rollbackd_criterion_state", "Criterion of the current stage: 1 holds, 0 fails, -1 unknown or not judged yet.",
         state_of},
	{"rollbackd_criterion_value", "Its value; NaN: unknown.", value_of},
	{"rollbackd_criterion_bound", "Its bound.", bound_of},
};

static void write_criteria(struct buf *b, const struct plan_state *p, size_t n)
{
	assert(p || n == 0);
	for (size_t m = 0; m < ARRAY_LEN(criterion_metrics); m++) {
		metrics_family(b, criterion_metrics[m].name, "gauge", criterion_metrics[m].help);
		for (size_t i = 0; i < n; i++) {
			bool judged = p[i].stage && p[i].ev.stage == p[i].stage->number;

			for (size_t k = 0; judged && k < p[i].ev.n && k < p[i].stage->n_criteria; k++)
				metrics_sample(
					b, criterion_metrics[m].name,
					criterion_metrics[m].value(&p[i].stage->criteria[k], &p[i].ev.results[k]),
					"rollout", p[i].r->name, "criterion", p[i].stage->criteria[k].name, NO_MORE);
		}
	}
}

static void write_baselines(struct buf *b, const struct plan_state *p, size_t n)
{
	metrics_family(b, "rollbackd_baseline", "gauge", "Values of the old way, pinned while it had traffic.");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p[i].st.baselines.n; k++)
			metrics_sample(b, "rollbackd_baseline", p[i].st.baselines.item[k].value, "rollout",
			               p[i].r->name, "metric", p[i].st.baselines.item[k].metric, NO_MORE);
	metrics_family(b, "rollbackd_baseline_samples", "gauge", "How many samples stand behind each; 0: unknown.");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p[i].st.baselines.n; k++)
			metrics_sample(b, "rollbackd_baseline_samples", p[i].st.baselines.item[k].samples, "rollout",
			               p[i].r->name, "metric", p[i].st.baselines.item[k].metric, NO_MORE);
}

static void load_plan(const struct api_read *q, struct plan_state *p)
{
	assert(p->r);
	static const struct flags_look none = {.pct = -1}; /* no series tells what the file holds */
	int64_t now = clock_wall_us();

	if (rollout_state_load(q->conn, p->r, now, &none, &p->st) < 0)
		p->st = (struct rollout_state) {.row.stage = -1, .p.restart_at = -1};
	if (controller_last(q->api->controller, p->r->name, &p->ev) < 0)
		p->ev = (struct evaluation) {.stage = -1};
	p->stage = rollout_state_stage(&p->st, p->r);
	drill_standing_load(q->conn, p->r, &p->drills);
}

static void write_plans(struct buf *b, const struct api_read *q)
{
	const struct settings *s = q->settings;
	CLEANUP(cleanup_free) struct plan_state *p = calloc(s->n_rollouts + 1, sizeof(*p));

	for (size_t i = 0; p && i < s->n_rollouts; i++) {
		p[i].s = s;
		p[i].r = &s->rollouts[i];
		load_plan(q, &p[i]);
	}
	write_rollouts(b, p, p ? s->n_rollouts : 0);
	for (size_t m = 0; p && m < ARRAY_LEN(plan_metrics); m++) {
		metrics_family(b, plan_metrics[m].name, "gauge", plan_metrics[m].help);
		for (size_t i = 0; i < s->n_rollouts; i++)
			metrics_sample(b, plan_metrics[m].name, plan_metrics[m].value(&p[i]), "rollout", p[i].r->name,
			               NO_MORE);
	}
	if (!p)
		return;
	write_criteria(b, p, s->n_rollouts);
	write_fallbacks(b, p, s->n_rollouts);
	write_baselines(b, p, s->n_rollouts);
	for (size_t i = 0; i < s->n_rollouts; i++) {
		rollout_state_free(&p[i].st);
		evaluation_free(&p[i].ev);
	}
}

static void write_incidents(struct buf *b, struct db_conn *c)
{
	int64_t counts[INC_STATE_N] = {0};

	metrics_family(b, "rollbackd_incidents", "gauge", "Live incidents by state.");
	if (incident_count_states(c, counts) < 0)
		return;
	for (int i = 1; i < INC_STATE_N; i++)
		if (incident_is_open((enum incident_state)i))
			metrics_sample(b, "rollbackd_incidents", (double)counts[i], "state",
			               incident_state_name((enum incident_state)i), NO_MORE);
}

static void write_outbox(struct buf *b, struct db_conn *c)
{
	struct channel_count_list l = {0};

	(void)!outbox_count(c, &l);
	metrics_family(b, "rollbackd_notifications_queued", "gauge", "Messages waiting to be sent, by channel.");
	for (size_t i = 0; i < l.n; i++)
		metrics_sample(b, "rollbackd_notifications_queued", (double)l.item[i].queued, "channel",
		               l.item[i].channel, NO_MORE);
	metrics_family(b, "rollbackd_notifications_undeliverable", "gauge",
	               "Messages that could not be delivered, by channel.");
	for (size_t i = 0; i < l.n; i++)
		metrics_sample(b, "rollbackd_notifications_undeliverable", (double)l.item[i].undeliverable, "channel",
		               l.item[i].channel, NO_MORE);
	channel_count_list_free(&l);
}

void metrics_own(struct api *a, struct http_reply *reply)
{
	assert(a && reply);
	metric_set(M_LOG_DROPPED, 0, (int64_t)log_dropped());
	reply->body.max = METRICS_MAX;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(&reply->body, a->version);
}

enum http_verdict metrics_show(const struct api_read *q, struct http_reply *reply)
{
	metrics_own(q->api, reply);
	write_plans(&reply->body, q);
	write_incidents(&reply->body, q->conn);
	write_outbox(&reply->body, q->conn);
	return HTTP_REPLIED;
}

/* --- health --- */

static enum http_verdict say(struct http_reply *reply, int status, const char *text)
{
	assert(reply && text);
	reply->status = status;
	reply->content_type = "text/plain; charset=utf-8";
	reply->body.max = 1000;
	buf_printf(&reply->body, "%s\n", text);
	return HTTP_REPLIED;
}

enum http_verdict healthy_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word)
{
	(void)a;
	(void)req;
	(void)segment;
	(void)word;
	return say(reply, 200, "rollbackd is healthy.");
}

enum http_verdict ready_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                             const char *word)
{
	const char *why = NULL;
	char text[300];

	(void)req;
	(void)segment;
	(void)word;
	if (db_healthy(a->db, &why))
		return say(reply, 200, "rollbackd is ready.");
	snprintf(text, sizeof(text), "rollbackd is not ready: %s", why ? why : "nothing can be recorded");
	return say(reply, 503, text);
}

/* --- who is signed in --- */

enum http_verdict login_any(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                            const char *word)
{
	(void)segment;
	(void)word;
	return a->sign_in(a->arg, req, reply);
}

enum http_verdict logout_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                              const char *word)
{
	(void)segment;
	(void)word;
	return a->sign_out(a->arg, req, reply);
}

/* --- reload --- */

struct reload_job {
	struct api_job base; /* first */
	struct reload_request rq;
	char why[2000];
};

static void reload_answer(struct api_job *base, int result, struct http_reply *reply)
{
	const struct reload_job *j = (struct reload_job *)base;

	if (result == -EINVAL)
		http_error(reply, 400, "bad_data", "the config was not reloaded, the old one stays: %s", j->why);
	else if (result < 0)
		api_answer_errno(reply, result, base->why);
	else
		api_answer(reply, 200, NULL, NULL);
}

static void reload_free(struct api_job *base)
{
	free(base);
}

static const struct api_job_kind reload_kind = {.answer = reload_answer, .free = reload_free};

static void reloaded(struct reload_request *rq, int result, const char *why)
{
	assert(rq && why);
	struct reload_job *j = (struct reload_job *)((char *)rq - offsetof(struct reload_job, rq));

	snprintf(j->why, sizeof(j->why), "%s", why);
	api_job_done(&j->base, result);
}

enum http_verdict reload_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                              const char *word)
{
	struct reload_job *j = calloc(1, sizeof(*j));

	(void)segment;
	(void)word;
	if (!j) {
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	api_job_init(&j->base, &reload_kind, a, req);
	j->rq.done = reloaded;
	int r = a->reload(a->arg, &j->rq);
	if (r == -EAGAIN)
		snprintf(j->base.why, sizeof(j->base.why), "too many are waiting for a reload; try again");
	return api_job_handed(&j->base, r, reply);
}

enum http_verdict asset_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                             const char *word)
{
	(void)a;
	(void)word;
	asset_answer(req, segment, reply);
	return HTTP_REPLIED;
}
