#include "handlers/incident/json.h"

#include <assert.h>
#include <string.h>

#include "db/alert.h"
#include "db/event.h"
#include "db/outbox.h"
#include "db/step.h"
#include "handlers/incident/drill.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/over.h"
#include "handlers/incident/sla.h"
#include "handlers/incident/text.h"
#include "handlers/settings/snapshot.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define TIMELINE_SHOWN 500
#define SERIES_SHOWN   (1024 * 1024) /* bytes as text, of all series of a snapshot: a tree has twenty times as many */

/* The first alert is always shown, whatever it takes; what one can take is bounded where it is recorded, and read. */
static const struct alerts_shown {
	size_t n, bytes;
} in_full = {100, 1024 * 1024}, in_message = {10, 64 * 1024};

static void add_parsed(struct json_object *to, const char *key, const char *text)
{
	assert(to && key);
	json_add(to, key, text ? json_tokener_parse(text) : NULL);
}

static int add_alerts_up_to(struct db_conn *c, const struct incident *inc, const struct alerts_shown *most,
                            struct json_object *to)
{
	CLEANUP(buf_free) struct buf measured = BUF(MESSAGE_MAX);
	struct alert_list l = {0}, deciding = {0};
	int64_t all = 0, firing = 0;
	size_t bytes = 0;
	int r = alert_of_incident(c, inc->id, most->n, &l);

	if (r == 0)
		r = alert_count(c, inc->id, &all, &firing);
	if (r < 0) {
		alert_list_free(&l);
		return r;
	}
	struct json_object *arr = json_object_new_array();
	for (size_t i = 0; i < l.n && bytes < most->bytes; i++) {
		const struct alert_row *a = &l.item[i];
		struct json_object *o = json_object_new_object();

		bytes += strlen(a->labels) + strlen(a->annotations) + strlen(a->generator_url);
		json_add_str(o, "fingerprint", a->fingerprint);
		json_add_str(o, "status", a->status == DELIVERY_RESOLVED ? "resolved" : "firing");
		json_add_time(o, "starts_at", a->starts_at_us);
		json_add_time(o, "ends_at", a->ends_at_us);
		json_add_time(o, "first_seen_at", a->first_at_us);
		json_add_time(o, "last_seen_at", a->last_at_us);
		json_add_int(o, "times", a->times);
		add_parsed(o, "labels", a->labels);
		add_parsed(o, "annotations", a->annotations);
		json_add_str(o, "generator_url", a->generator_url);
		json_object_array_add(arr, o);
	}
	if (alert_deciding(c, inc, &deciding) == 0)
		message_measured(&measured, &deciding, inc->summary);
	alert_list_free(&deciding);
	json_add_str(to, "measured", measured.len ? buf_text(&measured) : NULL);
	alert_list_free(&l);
	json_add(to, "alerts", arr);
	json_add_int(to, "alerts_total", all);
	json_add_int(to, "alerts_firing", firing);
	return 0;
}

static int add_alerts(struct db_conn *c, const struct incident *inc, struct json_object *to)
{
	return add_alerts_up_to(c, inc, &in_full, to);
}

static int add_few_alerts(struct db_conn *c, const struct incident *inc, struct json_object *to)
{
	return add_alerts_up_to(c, inc, &in_message, to);
}

static int add_steps(struct db_conn *c, const struct incident *inc, struct json_object *to)
{
	struct step_list l = {0};
	int r = step_of_incident(c, inc->id, &l);

	if (r < 0)
		return r;
	struct json_object *arr = json_object_new_array();
	for (size_t i = 0; i < l.n; i++) {
		const struct step *s = &l.item[i];
		struct json_object *o = json_object_new_object();

		json_add_str(o, "name", s->name);
		json_add_str(o, "kind", step_kind_name(s->kind));
		bool looks = s->kind == STEP_SNAPSHOT && s->state == STEP_TODO && s->attempts;
		json_add_str(o, "state", step_state_name(looks ? STEP_RUNNING : s->state));
		json_add_int(o, "attempts", s->attempts);
		json_add_time(o, "started_at", s->started_at_us);
		json_add_time(o, "ended_at", s->state == STEP_RUNNING ? 0 : s->ended_at_us);
		json_add_str(o, "output", s->output ? s->output : "");
		json_object_array_add(arr, o);
	}
	step_list_free(&l);
	json_add(to, "steps", arr);
	return 0;
}

static int add_timeline(struct db_conn *c, const struct incident *inc, struct json_object *to)
{
	struct event_list l = {0};
	struct event_filter f = {.incident_id = inc->id,
	                         .limit = TIMELINE_SHOWN}; /* the newest: how it ended is not cut off */
	int r = event_find(c, &f, &l);

	if (r < 0)
		return r;
	struct json_object *arr = json_object_new_array();
	for (size_t i = l.n; i-- > 0;) { /* shown oldest first */
		struct json_object *o = json_object_new_object();

		json_add_time(o, "at", l.item[i].at_us);
		json_add_str(o, "who", l.item[i].who);
		json_add_str(o, "what", l.item[i].what);
		json_add_str(o, "note", l.item[i].note ? l.item[i].note : "");
		json_object_array_add(arr, o);
	}
	event_list_free(&l);
	json_add(to, "timeline", arr);
	return 0;
}

static int add_notifications(struct db_conn *c, const struct incident *inc, struct json_object *to)
{
	struct message_list l = {0};
	int r = outbox_of_incident(c, inc->id, &l);

	if (r < 0)
		return r;
	struct json_object *arr = json_object_new_array();
	for (size_t i = 0; i < l.n; i++) {
		const struct message *m = &l.item[i];
		struct json_object *o = json_object_new_object();

		json_add_str(o, "channel", m->channel);
		json_add_str(o, "event", m->event);
		json_add_str(o, "what", m->what);
		json_add_int(o, "number", m->number);
		json_add_str(o, "state", message_state_name(m->state));
		json_add_int(o, "attempts", m->attempts);
		json_add_time(o, "queued_at", m->queued_at_us);
		json_add_time(o, "sent_at", m->sent_at_us);
		json_add_str(o, "error", m->error);
		json_object_array_add(arr, o);
	}
	message_list_free(&l);
	json_add(to, "notifications", arr);
	return 0;
}

/* Of what was before the trigger that decides it. */
static const char *snapshot_state(const struct step_list *l)
{
	assert(l->item || l->n == 0);
	enum step_state last = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->item[i].kind == STEP_SNAPSHOT && !strchr(l->item[i].spec, '['))
			last = l->item[i].state;
	return last ? step_state_name(last) : "none";
}

/* One series stands under its query's name; of several, each under the name and its labels. */
static void add_series(struct json_object *to, const char *name, const char *text)
{
	CLEANUP(json_cleanup) struct json_object *all = json_tokener_parse(text);
	size_t n = all && json_object_is_type(all, json_type_array) ? json_object_array_length(all) : 0;

	if (n == 0)
		json_add(to, name, json_object_new_array());
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(all, i), *labels = NULL, *points = NULL;

		json_get_obj(one, "labels", &labels);
		if (json_get_arr(one, "points", &points) != 1)
			continue;
		CLEANUP(cleanup_free)
		char *key =
			n == 1 ? text_format("%s", name) : text_format("%s%s", name, labels ? json_text(labels) : "");
		if (key)
			json_add(to, key, json_object_get(points));
	}
}

struct snapshot_parts {
	struct json_object *series, *units, *errors;
};

static struct snapshot_parts parts_of(struct json_object *to)
{
	struct snapshot_parts p = {json_object_new_object(), json_object_new_object(), json_object_new_object()};

	json_add(to, "series", p.series);
	json_add(to, "units", p.units);
	json_add(to, "errors", p.errors);
	return p;
}

static void add_row(const struct snapshot_parts *p, const struct snapshot_row *row, size_t *bytes)
{
	*bytes += row->series ? strlen(row->series) : 0;
	if (row->series && *bytes > SERIES_SHOWN)
		json_add_str(p->errors, row->name, "left out here: all series together are too large");
	else if (row->series)
		add_series(p->series, row->name, row->series);
	else
		json_add_str(p->errors, row->name, row->error);
	json_add_str(p->units, row->name, row->unit);
}

/* What was before the trigger that decides it, and what came of that; what was before those that decided until then
 * stands under "earlier". */
static void add_sets(struct json_object *snap, const struct incident *inc, const struct snapshot_list *l)
{
	struct json_object *earlier = json_object_new_array();
	struct snapshot_parts now = parts_of(snap), then = {0};
	size_t bytes = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->item[i].decided_at_us == inc->decided_at_us)
			add_row(&now, &l->item[i], &bytes);
	for (size_t i = 0; i < l->n && l->item[i].decided_at_us != inc->decided_at_us; i++) {
		int64_t decided = l->item[i].decided_at_us;

		if (!i || l->item[i - 1].decided_at_us != decided) {
			struct json_object *one = json_object_new_object();

			json_add_time(one, "at", decided ? decided : inc->opened_at_us);
			then = parts_of(one);
			json_object_array_add(earlier, one);
		}
		add_row(&then, &l->item[i], &bytes);
	}
	json_add(snap, "earlier", earlier);
}

static int add_snapshot(struct db_conn *c, const struct incident *inc, struct json_object *to)
{
	struct snapshot_list l = {0};
	struct step_list steps = {0};
	int r = step_of_incident(c, inc->id, &steps);

	if (r == 0)
		r = snapshot_of(c, inc->id, &l);
	if (r == 0) {
		struct json_object *snap = json_object_new_object();

		json_add_str(snap, "state", snapshot_state(&steps));
		add_sets(snap, inc, &l);
		json_add(to, "snapshot", snap);
	}
	snapshot_list_free(&l);
	step_list_free(&steps);
	return r;
}

/* plan may be NULL: then nobody knows what is configured. */
static struct json_object *verification(const struct incident *inc, const struct plan *plan)
{
	struct json_object *v = json_object_new_object();

	for (int i = 0; i < CONDITION_N; i++) {
		const struct condition *condition = &inc->condition[i];
		struct json_object *o = json_object_new_object();

		json_add_str(o, "state", condition_status_name(condition->state));
		json_add_time(o, "at", condition->at_us);
		json_add_str(o, "note", condition->note ? condition->note : "");
		json_add_bool(o, "asked", !plan || message_condition_asked(inc, plan, (enum condition_type)i));
		json_add(v, condition_name((enum condition_type)i), o);
	}
	return v;
}

static void add_over(struct json_object *to, const struct incident *inc, const struct incident_facts *facts)
{
	struct json_object *o = json_object_new_object(), *next = json_object_new_array();
	struct incident_over over;

	incident_over(inc, facts, &over);
	json_add_str(o, "answer", over.over ? "yes" : "no");
	json_add_str(o, "because", over.because);
	json_add(to, "over", o);
	for (size_t i = 0; i < over.n_next; i++)
		json_object_array_add(next, json_object_new_string(over.next[i]));
	json_add(to, "next", next);
}

static int add_head(struct db_conn *c, const struct incident *inc, struct json_object *o)
{
	CLEANUP(plan_cleanup) struct plan *plan = NULL;
	struct incident_facts facts = {0};
	struct buf action = BUF(1000);
	int r = incident_facts_load(c, inc, &facts);

	if (r < 0)
		return r;
	json_add_int(o, "id", inc->id);
	json_add_str(o, "rollout", inc->rollout);
	json_add_str(o, "playbook", inc->playbook);
	json_add_str(o, "kind", incident_kind_name(inc->kind));
	if (!kind_of(inc)->acts)
		json_add(o, "passed",
		         incident_is_open(inc->state) && inc->state != INC_FAILED
		                 ? NULL
		                 : json_object_new_boolean(drill_passed(inc)));
	json_add_str(o, "severity", inc->severity);
	json_add_str(o, "state", incident_state_name(inc->state));
	json_add_str(o, "summary", inc->summary);
	json_add_str(o, "opened_by", inc->opened_by);
	json_add_str(o, "reason", inc->reason);
	json_add(o, "stage", inc->stage < 0 ? NULL : json_object_new_int(inc->stage));
	json_add_pct(o, "percentage_before", inc->pct_before);
	json_add_pct(o, "percentage_wanted", inc->pct_wanted);
	json_add_pct(o, "percentage_seen", inc->pct_seen);
	json_add_bool(o, "already_there", inc->already_there);
	json_add_str(o, "headline", message_title(inc));
	message_action(&action, inc, &facts);
	json_add_str(o, "action", buf_text(&action));
	buf_free(&action);
	add_over(o, inc, &facts);
	json_add_time(o, "opened_at", inc->opened_at_us);
	json_add_time(o, "onset_at", inc->onset_at_us);
	json_add_time(o, "decided_at", incident_decided_us(inc));
	json_add_str(o, "decided_by", inc->decided_by ? inc->decided_by : inc->opened_by);
	json_add_time(o, "due_at", inc->state == INC_PENDING ? inc->due_at_us : 0);
	json_add_time(o, "verify_until", inc->state == INC_VERIFYING ? inc->verify_until_us : 0);
	json_add_time(o, "failed_at", inc->failed_at_us);
	json_add_time(o, "rolled_back_at", inc->rolled_back_at_us);
	json_add_time(o, "resolved_at", inc->resolved_at_us);
	json_add_str(o, "acknowledged_by", inc->acknowledged_by);
	json_add_time(o, "acknowledged_at", inc->acknowledged_at_us);
	json_add_str(o, "eta", inc->eta);
	json_add_str(o, "review", inc->review == REVIEW_NONE ? NULL : inc->review == REVIEW_DONE ? "done" : "required");
	json_add_str(o, "reviewed_by", inc->reviewed_by);
	json_add_time(o, "reviewed_at", inc->reviewed_at_us);
	bool known = plan_get(c, inc->config, &plan) == 0;
	json_add(o, "verification", verification(inc, plan));
	if (!known)
		return 0; /* a plan that cannot be read is an error elsewhere; the incident is still shown */
	json_add_str(o, "title", plan->rollout.title);
	json_add_str(o, "dashboard_url", plan->rollout.dashboard_url);
	json_add(o, "sla", sla_json(inc, &plan->sla));
	return 0;
}

int incident_json(struct db_conn *c, const struct incident *inc, unsigned parts, struct json_object **ret)
{
	assert(c && inc && inc->id > 0 && ret);
	const bool few = parts & PART_FEW_ALERTS;
	const struct {
		unsigned part;
		int (*add)(struct db_conn *, const struct incident *, struct json_object *);
	} adders[] = {
		{few ? PART_FEW_ALERTS : PART_ALERTS, few ? add_few_alerts : add_alerts},
		{PART_STEPS, add_steps},
		{PART_TIMELINE, add_timeline},
		{PART_NOTIFICATIONS, add_notifications},
		{PART_SNAPSHOT, add_snapshot},
	};
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	int r = add_head(c, inc, o);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(adders); i++)
		if (parts & adders[i].part)
			r = adders[i].add(c, inc, o);
	if (r < 0)
		return r;
	*ret = TAKE(o);
	return 0;
}
