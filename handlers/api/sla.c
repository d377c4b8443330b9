/* The rollback SLA of a rollout: of each rollback, and of all of them. */
#include <assert.h>
#include <errno.h>

#include "db/incident.h"
#include "handlers/api/api.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/sla.h"
#include "server/core/clock.h"
#include "server/core/http_reply.h"

#define SINCE_US      (30 * 86400 * US_PER_S) /* unless it is said */
#define INCIDENTS_MAX 500                     /* looked at, as the reports do */

static double seconds(int64_t us)
{
	return (double)us / (double)US_PER_S;
}

/* One that began, or is to begin and has its first phases. */
static struct json_object *rollback_json(const struct incident *inc, const struct sla *sla, int64_t now_us)
{
	struct json_object *o = json_object_new_object(), *phases = sla_json(inc, sla);
	struct json_object *total = NULL;
	struct sla_tally t = {0};

	json_add_int(o, "id", inc->id);
	json_add_time(o, "opened_at", inc->opened_at_us);
	json_add_time(o, "decided_at", incident_decided_us(inc));
	json_add_str(o, "summary", inc->summary);
	json_add_str(o, "severity", inc->severity);
	json_add_str(o, "state", incident_state_name(inc->state));
	json_add_bool(o, "by_hand", kind_deciding(inc)->by_hand);
	json_add_double(o, "deferred", seconds(sla_deferred_us(inc)));
	bool late = sla_tally_add(&t, inc, sla, now_us) == 0 && t.overdue > 0;
	bool met = json_get_obj(phases, "total", &total) == 1 && json_true(total, "met");
	json_add(o, "met", total || late ? json_object_new_boolean(met && !late) : NULL);
	json_add(o, "sla", phases);
	sla_tally_free(&t);
	return o;
}

static struct json_object *tally_json(struct sla_tally *t)
{
	struct json_object *o = json_object_new_object(), *phases = json_object_new_object();

	json_add_int(o, "rollbacks", (int64_t)(t->n[PHASE_TOTAL] + t->overdue));
	json_add_int(o, "met", (int64_t)t->met[PHASE_TOTAL]);
	json_add_int(o, "never_seen_done", (int64_t)t->overdue);
	for (int i = 0; i < PHASE_N; i++) {
		enum metric_phase phase = (enum metric_phase)i;
		struct json_object *one = t->n[i] ? json_object_new_object() : NULL;

		if (!one)
			continue;
		json_add_int(one, "rollbacks", (int64_t)t->n[i]);
		json_add_int(one, "met", (int64_t)t->met[i]);
		json_add_double(one, "p50", seconds(sla_percentile_us(t, phase, 50)));
		json_add_double(one, "p95", seconds(sla_percentile_us(t, phase, 95)));
		json_add_double(one, "worst", seconds(sla_percentile_us(t, phase, 100)));
		json_add_double(one, "limit", seconds(t->budget_us[i]));
		json_add(phases, metric_phase_name(phase), one);
	}
	json_add(o, "phases", phases);
	return o;
}

struct answer {
	struct json_object *rollbacks;
	struct sla_tally automatic, by_hand;
};

static int add_all(const struct api_read *q, const struct incident_list *l, int64_t now_us, struct answer *a)
{
	const struct sla *sla = &q->settings->sla;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const struct incident *inc = &l->item[i];

		if (!kind_of(inc)->acts || !kind_of(inc)->lowers || !inc->started_at_us)
			continue;
		json_object_array_add(a->rollbacks, rollback_json(inc, sla, now_us));
		r = sla_tally_add(kind_deciding(inc)->by_hand ? &a->by_hand : &a->automatic, inc, sla, now_us);
	}
	return r;
}

static int sla_of(const struct api_read *q, int64_t since_us, struct json_object *o)
{
	const struct incident_filter f = {.rollout = q->segment, .since_us = since_us, .limit = INCIDENTS_MAX};
	struct answer a = {.rollbacks = json_object_new_array()};
	struct incident_list l = {0};
	int r = incident_find(q->conn, &f, &l);

	json_add_str(o, "rollout", q->segment);
	json_add_time(o, "since", l.n == INCIDENTS_MAX ? l.item[l.n - 1].opened_at_us : since_us);
	json_add(o, "rollbacks", a.rollbacks);
	if (r == 0)
		r = add_all(q, &l, clock_wall_us(), &a);
	json_add(o, "automatic", tally_json(&a.automatic));
	json_add(o, "by_hand", tally_json(&a.by_hand));
	sla_tally_free(&a.automatic);
	sla_tally_free(&a.by_hand);
	incident_list_free(&l);
	return r;
}

enum http_verdict rollout_sla(const struct api_read *q, struct http_reply *reply)
{
	assert(q && q->segment && reply);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	int64_t since = clock_wall_us() - SINCE_US;

	if (!settings_rollout(q->settings, q->segment)) {
		http_error(reply, 404, "not_found", "there is no rollout %.100s", q->segment);
		return HTTP_REPLIED;
	}
	if (api_time(q->req, reply, "since", &since) < 0)
		return HTTP_REPLIED;
	int r = sla_of(q, since, o);
	if (r < 0)
		api_answer_errno(reply, r, "");
	else
		api_answer(reply, 200, TAKE(o), NULL);
	return HTTP_REPLIED;
}
