#include <stdio.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/rollout.h"
#include "handlers/api/api.h"
#include "handlers/rollback/current.h"
#include "server/core/http_reply.h"
#include "server/core/log.h"
#include "server/core/metrics.h"

#define METRICS_MAX (1024 * 1024)

/* --- series whose labels are config or database values --- */

struct rollout_metric {
	const char *name, *help;
	double (*value)(const struct rollout_row *row);
};

static double stage_of(const struct rollout_row *row)
{
	return row->stage;
}

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

static const struct rollout_metric rollout_metrics[] = {
	{"rollbackd_rollout_stage", "Current stage of a rollout; -1: unstaged.", stage_of},
	{"rollbackd_target_percentage", "Percentage a rollout should be at; -1: unknown.", wanted_of},
	{"rollbackd_seen_percentage", "Percentage last seen by verification; -1: never seen.", seen_of},
	{"rollbackd_stage_entered_timestamp_seconds", "When the current stage was entered.", entered_of},
	{"rollbackd_percentage_changed_timestamp_seconds", "When the wanted percentage last changed.", changed_of},
};

static void write_rollouts(struct buf *b, struct db_conn *c, const struct settings *s)
{
	for (size_t m = 0; m < ARRAY_LEN(rollout_metrics); m++) {
		metrics_family(b, rollout_metrics[m].name, "gauge", rollout_metrics[m].help);
		for (size_t i = 0; i < s->n_rollouts; i++) {
			struct rollout_row row = {0};

			if (rollout_load(c, s->rollouts[i].name, &row) == 0)
				metrics_sample(b, rollout_metrics[m].name, rollout_metrics[m].value(&row), "rollout",
				               s->rollouts[i].name, NO_MORE);
			rollout_row_free(&row);
		}
	}
}

static void write_incidents(struct buf *b, struct db_conn *c)
{
	int64_t counts[INC_STATE_N] = {0};

	metrics_family(b, "rollbackd_incidents", "gauge", "Live incidents by state.");
	if (incident_count_states(c, counts) < 0)
		return;
	for (int i = 1; i < INC_STATE_N; i++)
		if (incident_is_live((enum incident_state)i))
			metrics_sample(b, "rollbackd_incidents", (double)counts[i], "state",
			               incident_state_name((enum incident_state)i), NO_MORE);
}

struct outbox_lines {
	struct buf *b;
	const char *name;
	bool undeliverable;
};

static int outbox_line(void *arg, const char *channel, int64_t queued, int64_t undeliverable)
{
	struct outbox_lines *o = arg;

	return metrics_sample(o->b, o->name, (double)(o->undeliverable ? undeliverable : queued), "channel", channel, NO_MORE);
}

static void write_outbox(struct buf *b, struct db_conn *c)
{
	struct outbox_lines queued = {b, "rollbackd_notifications_queued", false};
	struct outbox_lines dead = {b, "rollbackd_notifications_undeliverable", true};

	metrics_family(b, queued.name, "gauge", "Messages waiting to be sent, by channel.");
	outbox_count(c, outbox_line, &queued);
	metrics_family(b, dead.name, "gauge", "Messages that could not be delivered, by channel.");
	outbox_count(c, outbox_line, &dead);
}

enum http_verdict metrics_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();

	(void)req;
	(void)segment;
	(void)word;
	metric_set(M_LOG_DROPPED, 0, (int64_t)log_dropped());
	reply->body.max = METRICS_MAX;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(&reply->body, a->version);
	write_rollouts(&reply->body, a->reader, s);
	write_incidents(&reply->body, a->reader);
	write_outbox(&reply->body, a->reader);
	return HTTP_REPLIED;
}

/* --- health --- */

static enum http_verdict say(struct http_reply *reply, int status, const char *text)
{
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

enum http_verdict reload_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                              const char *word)
{
	char why[2000] = "";

	(void)req;
	(void)segment;
	(void)word;
	if (a->reload(a->arg, why, sizeof(why)))
		api_answer(reply, 200, NULL, NULL);
	else
		http_error(reply, 400, "bad_data", "the config was not reloaded, the old one stays: %s", why);
	return HTTP_REPLIED;
}
