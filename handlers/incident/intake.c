#include "handlers/incident/intake.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alertmanager/kept.h"
#include "db/event.h"
#include "db/incident.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/drill.h"
#include "handlers/incident/open.h"
#include "server/core/clock.h"
#include "server/core/metrics.h"
#include "server/core/text.h"

#define SUMMARY_MAX             500
#define ONE_BY_ONE_MAX          50 /* triggers of one webhook, rollout and playbook that are looked at one by one */
#define INCIDENTS_MAX           32 /* live incidents one episode can be attached to: one per rollout it concerns */
#define UNCLAIMED_PAGE_EVERY_US (3600 * US_PER_S) /* interface: "paged at most once an hour" */

/* Takes group, also when it fails. */
static struct intake *intake_new(struct settings *s, struct alert_group *group, int64_t received_us)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (!in) {
		alert_group_free(group);
		return NULL;
	}
	in->settings = settings_ref(s);
	in->group = group;
	in->received_us = received_us;
	in->routes = calloc(group->n ? group->n : 1, sizeof(*in->routes));
	return in;
}

int intake_plan(struct settings *s, struct alert_group *group, int64_t received_us, struct intake **ret)
{
	assert(s && group && ret);
	CLEANUP(intake_cleanup) struct intake *in = intake_new(s, group, received_us);

	if (!in || !in->routes)
		return -ENOMEM;
	int64_t until_us = clock_mono_us() + INTAKE_MATCH_S * US_PER_S;
	for (size_t i = 0; i < group->n; i++) {
		if (clock_mono_us() > until_us)
			return -E2BIG;
		int r = route_alert(s, &group->alerts[i], &in->routes[i]);

		if (r < 0)
			return r;
	}
	*ret = TAKE(in);
	return 0;
}

static int grow(void *list, size_t *cap, size_t n, size_t size)
{
	void **slot = list;

	if (n < *cap)
		return 0;
	size_t want = *cap ? *cap * 2 : 16;
	void *more = reallocarray(*slot, want, size);
	if (!more)
		return -ENOMEM;
	*slot = more;
	*cap = want;
	return 0;
}

static int answer(struct intake *in, const struct alert *a, const char *rollout, enum disposition d, int64_t incident,
                  const char *reason)
{
	int r = grow(&in->results, &in->cap_results, in->n_results, sizeof(*in->results));

	if (r < 0)
		return r;
	struct intake_result *res = &in->results[in->n_results++];
	*res = (struct intake_result) {.starts_at_us = a->starts_at_us, .disposition = d, .incident_id = incident};
	memcpy(res->fingerprint, a->fingerprint, sizeof(res->fingerprint));
	res->rollout = rollout && rollout[0] ? text_format("%s", rollout) : NULL;
	res->reason = reason ? text_format("%s", reason) : NULL;
	return 0;
}

static int note_id(struct id_list *l, int64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->item[i] == id)
			return 0;
	int r = grow(&l->item, &l->cap, l->n, sizeof(*l->item));

	if (r == 0)
		l->item[l->n++] = id;
	return r;
}

static int touch(struct intake *in, int64_t incident)
{
	return note_id(&in->touched, incident);
}

/* Says it on disk, for ever, and in the answer. */
static int say(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k,
               enum delivery dl, const char *rollout, enum disposition d, int64_t incident, const char *reason)
{
	int r = alert_say(tx, k->id, dl, rollout, d, incident, reason);

	return r < 0 ? r : answer(in, a, rollout, d, incident, reason);
}

static int say_duplicate(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k,
                         enum delivery dl)
{
	struct alert_said_list l = {0};
	int r = alert_said(db_tx_conn(tx), k->id, dl, &l);

	if (r == 0 && l.n == 0)
		r = answer(in, a, NULL, DISP_DUPLICATE, 0, "already on record");
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = answer(in, a, l.item[i].rollout, DISP_DUPLICATE, l.item[i].incident_id, "already on record");
	alert_said_free(&l);
	return r;
}

static const char *annotation(const struct alert *a, const char *name)
{
	const char *text = alert_annotation(a, name);

	return text && text[0] ? text : NULL;
}

static char *summary_of(const struct alert *a)
{
	const char *s = annotation(a, "summary");
	struct buf b = BUF(SUMMARY_MAX + 16);

	if (!s)
		s = annotation(a, "description");
	if (!s)
		s = alert_label(a, "alertname");
	if (!s)
		s = "alert without a name";
	text_one_line(&b, s, strlen(s), SUMMARY_MAX);
	return buf_take(&b);
}

static const char *severity_of(const struct playbook *p, const struct alert *a)
{
	const char *label = alert_label(a, "severity");

	return p->severity[0] ? p->severity : label ? label : "";
}

static int drill_one(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k,
                     const struct trigger *t)
{
	char why[256] = "";
	int64_t incident = 0;
	int opened = drill_open(tx, in->settings, t, &incident, why, sizeof(why)), r = opened < 0 ? opened : 0;

	if (opened == 1)
		r = touch(in, incident);
	if (r < 0)
		return r;
	r = say(tx, in, a, k, DELIVERY_FIRING, t->rollout->name, opened ? DISP_ROLLBACK_STARTED : DISP_NO_MATCH,
	        incident, opened ? "a drill: nothing is changed" : why);
	if (r == 0)
		in->results[in->n_results - 1].drill = true;
	return r;
}

static struct applied *applied_of(const struct intake *in, const struct rollout *rollout, const struct playbook *p)
{
	for (size_t i = 0; i < in->n_applied; i++)
		if (in->applied[i].rollout == rollout && in->applied[i].playbook == p)
			return &in->applied[i];
	return NULL;
}

static int note_applied(struct intake *in, const struct trigger *t, int64_t incident)
{
	struct applied *a = applied_of(in, t->rollout, t->playbook);
	int r = a ? 0 : grow(&in->applied, &in->cap_applied, in->n_applied, sizeof(*in->applied));

	if (r < 0)
		return r;
	if (!a) {
		a = &in->applied[in->n_applied++];
		*a = (struct applied) {.rollout = t->rollout, .playbook = t->playbook};
	}
	a->incident = incident;
	a->onset_us = t->onset_us > a->onset_us ? t->onset_us : a->onset_us;
	a->n++;
	return 0;
}

/* 20,000 alerts that ten rollouts claim are 200,000 triggers. After so many in the same moment one more of the same
 * kind, that did not begin later, changes nothing: it is attached, and counted on the timeline. */
static bool is_one_of_many(const struct applied *before, const struct alert *a)
{
	return before && before->n >= ONE_BY_ONE_MAX && a->starts_at_us <= before->onset_us;
}

static int attach_more(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k,
                       const struct route *rt, struct applied *to)
{
	assert(to->incident > 0);
	int r = alert_attach(tx, to->incident, k->id);

	to->more++;
	return r < 0 ? r : say(tx, in, a, k, DELIVERY_FIRING, to->rollout->name, DISP_ATTACHED, to->incident, rt->why);
}

static int tell_more(struct db_tx *tx, const struct applied *a)
{
	char note[80];
	struct event e = {.incident_id = a->incident,
	                  .rollout = (char *)a->rollout->name,
	                  .who = (char *)"alertmanager",
	                  .what = (char *)"attached",
	                  .note = note};

	snprintf(note, sizeof(note), "%zu more alerts of the same webhook", a->more);
	return a->more ? event_add(tx, &e) : 0;
}

static int trigger_one(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k,
                       const struct route *rt, const struct rollout *rollout)
{
	struct applied *before = drill_is(a) ? NULL : applied_of(in, rollout, rt->playbook);
	if (is_one_of_many(before, a))
		return attach_more(tx, in, a, k, rt, before);
	CLEANUP(cleanup_free) char *summary = summary_of(a);
	struct trigger t = {.rollout = rollout,
	                    .playbook = rt->playbook,
	                    .kind = drill_is(a) ? KIND_DRILL : KIND_AUTO,
	                    .who = "alertmanager",
	                    .summary = summary,
	                    .severity = severity_of(rt->playbook, a),
	                    .onset_us = a->starts_at_us,
	                    .onset_from = a->starts_at_us ? "startsAt" : NULL,
	                    .received_us = in->received_us,
	                    .alert_id = k->id};
	enum disposition d = DISP_REJECTED;
	int64_t incident = 0;

	if (!summary)
		return -ENOMEM;
	if (t.kind == KIND_DRILL)
		return drill_one(tx, in, a, k, &t);
	int r = trigger_apply(tx, in->settings, &t, &incident, &d);
	if (r == 0)
		r = touch(in, incident);
	if (r == 0)
		r = note_applied(in, &t, incident);
	return r < 0 ? r : say(tx, in, a, k, DELIVERY_FIRING, rollout->name, d, incident, rt->why);
}

static int page_unclaimed(struct db_tx *tx, const struct settings *s, const struct alert *a)
{
	const char *name = alert_label(a, "alertname");
	int64_t last = 0;
	struct buf text = BUF(1000);
	int r = meta_get(db_tx_conn(tx), "unclaimed_paged_at", &last);

	if (r == 0 && db_tx_now(tx) - last < UNCLAIMED_PAGE_EVERY_US && db_tx_now(tx) >= last)
		return 0;
	if (r < 0 && r != -ENOENT)
		return r;
	buf_str(&text, "A rollback trigger that no rollout claims: ");
	text_one_line(&text, name ? name : "(no alertname)", strlen(name ? name : "(no alertname)"), 200);
	buf_str(&text,
	        ". Nothing was rolled back. Somebody thinks this is protected: check its labels against `alerts` of "
	        "the rollouts in rollbackd.yml.");
	r = announce_text(tx, s, EVENT_PAGE, "unclaimed_trigger", NULL, buf_text(&text));
	buf_free(&text);
	return r < 0 ? r : meta_set(tx, "unclaimed_paged_at", db_tx_now(tx));
}

static int take_heartbeat(struct db_tx *tx, struct intake *in)
{
	metric_set(M_HEARTBEAT_TIME, 0, in->received_us / US_PER_S);
	return meta_set(tx, "heartbeat_at", in->received_us);
}

static int take_firing(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k,
                       const struct route *rt)
{
	int r = 0;

	if (k->resolved_said && !k->stale_said)
		return say(tx, in, a, k, DELIVERY_STALE, "", DISP_STALE, 0,
		           "this episode was already reported resolved; recorded, not acted on");
	if (k->firing_said || k->stale_said)
		return say_duplicate(tx, in, a, k, k->firing_said ? DELIVERY_FIRING : DELIVERY_STALE);
	if (rt->heartbeat)
		return say(tx, in, a, k, DELIVERY_FIRING, "", DISP_HEARTBEAT, 0, rt->why);
	for (size_t i = 0; r == 0 && i < rt->n_rollouts; i++)
		r = trigger_one(tx, in, a, k, rt, rt->rollouts[i]);
	if (r < 0 || rt->n_rollouts)
		return r;
	r = say(tx, in, a, k, DELIVERY_FIRING, "", DISP_NO_MATCH, 0, rt->why);
	return r == 0 && rt->playbook && !rt->playbook->hold && !drill_is(a) ? page_unclaimed(tx, in->settings, a) : r;
}

static int resolved_in(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k,
                       int64_t id)
{
	CLEANUP(cleanup_free) char *summary = summary_of(a);
	struct incident inc = {0};
	int r = incident_load(db_tx_conn(tx), id, &inc);
	struct event e = {.incident_id = id,
	                  .rollout = inc.rollout,
	                  .who = (char *)"alertmanager",
	                  .what = (char *)"alert resolved",
	                  .note = summary};

	if (r == 0)
		r = event_add(tx, &e);
	if (r == 0)
		r = touch(in, id);
	if (r == 0)
		r = note_id(&in->calming, id);
	if (r == 0)
		r = say(tx, in, a, k, DELIVERY_RESOLVED, inc.rollout, DISP_RESOLVED, id, "recorded with its incident");
	incident_free(&inc);
	return r;
}

static int take_resolved(struct db_tx *tx, struct intake *in, const struct alert *a, const struct alert_known *k)
{
	int64_t ids[INCIDENTS_MAX];
	int r = 0;

	if (k->resolved_said)
		return say_duplicate(tx, in, a, k, DELIVERY_RESOLVED);
	int n = alert_incidents(db_tx_conn(tx), k->id, ids, INCIDENTS_MAX);
	if (n == 0)
		return say(tx, in, a, k, DELIVERY_RESOLVED, "", DISP_RESOLVED, 0, "no live incident has this alert");
	for (int i = 0; r == 0 && i < n; i++)
		r = resolved_in(tx, in, a, k, ids[i]);
	return n < 0 ? n : r;
}

static enum delivery delivery_of(const struct alert *a)
{
	return a->rejected ? DELIVERY_REJECTED : a->status == ALERT_RESOLVED ? DELIVERY_RESOLVED : DELIVERY_FIRING;
}

/* A drill has one of its own: what its sender claims may be a real alert's, which would then pass for a copy of it. */
static void fingerprint_of(const struct alert *a, char *out, size_t size)
{
	if (drill_is(a))
		snprintf(out, size, "%016llx", (unsigned long long)text_fingerprint(a->labels, a->n_labels));
	else
		snprintf(out, size, "%s", a->fingerprint);
}

static int record_alert(struct db_tx *tx, const struct alert *a, struct alert_known *ret)
{
	char fingerprint[sizeof(a->fingerprint)];
	struct alert_kept kept = {0};
	int r = alert_keep(a, &kept);

	if (r < 0)
		return r;
	fingerprint_of(a, fingerprint, sizeof(fingerprint));
	struct alert_seen seen = {
		.fingerprint = fingerprint,
		.starts_at_us = a->starts_at_us,
		.ends_at_us = a->ends_at_us,
		.delivery = delivery_of(a),
		.labels = kept.labels,
		.annotations = kept.annotations,
		.generator_url = a->generator_url,
	};
	r = alert_record(tx, &seen, ret);
	alert_kept_free(&kept);
	return r;
}

static int record_one(struct db_tx *tx, struct intake *in, const struct alert *a, const struct route *rt)
{
	struct alert_known k = {0};
	enum delivery dl = delivery_of(a);
	int r = record_alert(tx, a, &k);

	if (r == 0 && rt->heartbeat && dl == DELIVERY_FIRING)
		r = take_heartbeat(tx, in);
	if (r < 0)
		return r;
	if (dl == DELIVERY_FIRING)
		return take_firing(tx, in, a, &k, rt);
	if (dl == DELIVERY_RESOLVED)
		return take_resolved(tx, in, a, &k);
	if (k.rejected_said)
		return say_duplicate(tx, in, a, &k, dl);
	return say(tx, in, a, &k, dl, "", DISP_REJECTED, 0, rt->why);
}

static int note_truncated(struct db_tx *tx, const struct intake *in)
{
	char text[200];
	struct event e = {.who = (char *)"alertmanager", .what = (char *)"alerts cut off", .note = text};

	if (in->group->truncated <= 0)
		return 0;
	snprintf(text, sizeof(text), "%lld alerts were cut off by max_alerts: a trigger may be among them",
	         (long long)in->group->truncated);
	return event_add(tx, &e);
}

/* An incident of which an alert resolved: when none fires any more, whether it is over is the engine's to find out. */
static int calm(struct db_tx *tx, int64_t id)
{
	struct incident inc = {0};
	int64_t all = 0, firing = 0;
	int r = alert_count(db_tx_conn(tx), id, &all, &firing);

	if (r < 0 || firing > 0)
		return r;
	r = incident_load(db_tx_conn(tx), id, &inc);
	inc.quiet_since_us = db_tx_now(tx);
	if (r == 0)
		r = incident_save(tx, &inc);
	incident_free(&inc);
	return r;
}

/* One webhook is one moment: what is over is judged after all its alerts, in whatever order they stand. */
int intake_record(struct db_tx *tx, struct intake *in)
{
	assert(in->group && in->n_results == 0);
	assert(in->routes);
	int r = note_truncated(tx, in);

	for (size_t i = 0; r == 0 && i < in->group->n; i++)
		r = record_one(tx, in, &in->group->alerts[i], &in->routes[i]);
	for (size_t i = 0; r == 0 && i < in->n_applied; i++)
		r = tell_more(tx, &in->applied[i]);
	for (size_t i = 0; r == 0 && i < in->calming.n; i++)
		r = calm(tx, in->calming.item[i]);
	return r;
}

void intake_free(struct intake *in)
{
	if (!in)
		return;
	for (size_t i = 0; in->routes && i < in->group->n; i++)
		route_free(&in->routes[i]);
	free(in->routes);
	for (size_t i = 0; i < in->n_results; i++) {
		free(in->results[i].rollout);
		free(in->results[i].reason);
	}
	free(in->results);
	free(in->touched.item);
	free(in->calming.item);
	free(in->applied);
	alert_group_free(in->group);
	settings_unref(in->settings);
	free(in);
}

void intake_cleanup(struct intake **in)
{
	intake_free(*in);
}

static void answer_one(struct buf *b, const struct intake_result *res)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	json_add_str(o, "fingerprint", res->fingerprint);
	json_add_time(o, "starts_at", res->starts_at_us);
	json_add_str(o, "rollout", res->rollout);
	json_add_str(o, "disposition", disposition_name(res->disposition));
	json_add(o, "incident", res->incident_id ? json_object_new_int64(res->incident_id) : NULL);
	json_add_str(o, "reason", res->reason);
	buf_str(b, json_text(o));
}

/* A tree of all results would take ten times their text. */
void intake_answer(struct buf *b, const struct intake *in)
{
	assert(b && in->group);
	size_t rejected = 0, i;

	for (i = 0; i < in->group->n; i++)
		rejected += in->group->alerts[i].rejected;
	buf_printf(b, "{\"alerts\":%zu,\"rejected\":%zu,\"results\":[", in->group->n, rejected);
	for (i = 0; i < in->n_results && b->len < INTAKE_ANSWER_MAX; i++) {
		buf_str(b, i ? "," : "");
		answer_one(b, &in->results[i]);
	}
	buf_char(b, ']');
	if (i < in->n_results)
		buf_printf(b, ",\"results_left_out\":%zu", in->n_results - i);
	buf_char(b, '}');
}
