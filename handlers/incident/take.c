#include "handlers/incident/intake_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertmanager/truncate.h"
#include "db/event.h"
#include "db/incident.h"
#include "handlers/incident/drill.h"
#include "handlers/incident/episode.h"
#include "handlers/incident/open.h"
#include "handlers/incident/repeats.h"
#include "server/core/clock.h"
#include "server/core/metrics.h"
#include "server/core/text.h"

#define SUMMARY_MAX    500
#define ONE_BY_ONE_MAX 50 /* triggers of one webhook, rollout and playbook that are looked at one by one */

/* One alert on its way to the record. */
struct taking {
	struct db_tx *tx;
	struct intake *in;
	const struct alert *a;
	const struct route *rt;
	char fingerprint[sizeof(((struct alert *)0)->fingerprint)];
	int64_t id; /* the row of its episode */
};

/* On disk, for ever, and in the answer. */
static int answer(struct taking *t, enum delivery dl, const char *rollout, enum disposition d, int64_t incident,
                  const char *reason)
{
	assert(t->id > 0);
	int r = disposition_add(t->tx, t->id, dl, rollout, d, incident, reason);

	return r < 0 ? r : intake_add_result(t->in, t->a, rollout, d, incident, reason);
}

static int answer_duplicate(struct taking *t, const struct alert_disposition *s)
{
	return intake_add_result(t->in, t->a, s ? s->rollout : NULL, DISP_DUPLICATE, s ? s->incident_id : 0,
	                         "already on record");
}

static int answer_as_before(struct taking *t, const struct disposition_list *l)
{
	int r = l->n == 0 ? answer_duplicate(t, NULL) : 0;

	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = answer_duplicate(t, &l->item[i]);
	return r;
}

static int answer_duplicates(struct taking *t, enum delivery dl)
{
	struct disposition_list l = {0};
	int r = disposition_of_alert(db_tx_conn(t->tx), t->id, dl, &l);

	if (r == 0)
		r = answer_as_before(t, &l);
	disposition_list_free(&l);
	return r;
}

static int touch(struct taking *t, int64_t incident)
{
	return intake_note_id(&t->in->touched, incident);
}

/* --- what a trigger does --- */

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

static int drill_one(struct taking *t, const struct trigger *tr)
{
	char why[256] = "";
	int64_t incident = 0;
	int opened = drill_open(t->tx, t->in->settings, tr, &incident, why, sizeof(why)), r = opened < 0 ? opened : 0;

	if (opened == 1)
		r = touch(t, incident);
	if (r < 0)
		return r;
	r = answer(t, DELIVERY_FIRING, tr->rollout->name, opened ? DISP_ROLLBACK_STARTED : DISP_NO_MATCH, incident,
	           opened ? "a drill: nothing is changed" : why);
	if (r == 0)
		t->in->results[t->in->n_results - 1].drill = true;
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
	assert(incident > 0);
	struct applied *a = applied_of(in, t->rollout, t->playbook);
	int r = a ? 0 : intake_grow(&in->applied, &in->cap_applied, in->n_applied, sizeof(*in->applied));

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

static int attach_more(struct taking *t, struct applied *to)
{
	assert(to->incident > 0);
	int r = alert_attach(t->tx, to->incident, t->id);

	to->more++;
	return r < 0 ? r : answer(t, DELIVERY_FIRING, to->rollout->name, DISP_ATTACHED, to->incident, t->rt->why);
}

/* A trigger that nobody claims. One that only holds, or rehearses, protects nothing. */
static bool is_unclaimed(const struct taking *t)
{
	return t->rt->playbook && (!t->rt->playbook->hold || t->rt->blind) && !t->rt->n_rollouts && !drill_is(t->a);
}

/* Whoever reads the page looks for the rule, not for Grafana's name of all that are blind. */
static void note_unseen(const struct taking *t, bool is_new)
{
	const char *name = alert_label(t->a, "alertname"), *rule = alert_label(t->a, "rulename");

	if (is_unclaimed(t))
		unseen_note(t->in, UNSEEN_UNCLAIMED, name, is_new);
	else if (t->rt->blind && !drill_is(t->a))
		unseen_note(t->in, UNSEEN_BLIND, rule ? rule : name, is_new);
}

static int trigger_one(struct taking *t, const struct rollout *rollout)
{
	const struct alert *a = t->a;
	const struct route *rt = t->rt;
	bool drill = drill_is(a);
	struct applied *before = drill ? NULL : applied_of(t->in, rollout, rt->playbook);
	note_unseen(t, true);
	if (is_one_of_many(before, a))
		return attach_more(t, before);
	CLEANUP(cleanup_free) char *summary = summary_of(a);
	struct trigger tr = {.rollout = rollout,
	                     .playbook = rt->playbook,
	                     .kind = drill ? KIND_DRILL : KIND_AUTO,
	                     .who = "alertmanager",
	                     .summary = summary,
	                     .severity = severity_of(rt->playbook, a),
	                     .onset_us = a->starts_at_us,
	                     .onset_from = a->starts_at_us ? "startsAt" : NULL,
	                     .received_us = t->in->received_us,
	                     .alert_id = t->id};
	enum disposition d = DISP_REJECTED;
	int64_t incident = 0;
	bool begun = false;

	if (!summary)
		return -ENOMEM;
	if (drill)
		return drill_one(t, &tr);
	tr.begun = &begun;
	int r = trigger_apply(t->tx, t->in->settings, &tr, &incident, &d);
	if (r == 0 && begun)
		r = intake_note_begun(t->in, incident, rollout);
	if (r == 0)
		r = touch(t, incident);
	if (r == 0)
		r = note_applied(t->in, &tr, incident);
	return r < 0 ? r : answer(t, DELIVERY_FIRING, rollout->name, d, incident, rt->why);
}

static int take_heartbeat(struct taking *t)
{
	metric_set(M_HEARTBEAT_TIME, 0, t->in->received_us / US_PER_S);
	return meta_set(t->tx, "heartbeat_at", t->in->received_us);
}

/* --- what it means --- */

static bool has_disposition(const struct disposition_list *l, const char *rollout)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->item[i].rollout, rollout))
			return true;
	return false;
}

/* Of what concerns no rollout. */
static int decide_for_none(struct taking *t, const struct disposition_list *before)
{
	enum disposition d = t->rt->heartbeat ? DISP_HEARTBEAT : DISP_NO_MATCH;
	bool same = before->n && !before->item[0].rollout[0] && before->item[0].disposition == d;
	int r = 0;

	note_unseen(t, !same);
	if (same)
		return answer_duplicate(t, &before->item[0]);
	if (has_disposition(before, ""))
		r = disposition_withdraw(t->tx, t->id, DELIVERY_FIRING);
	return r < 0 ? r : answer(t, DELIVERY_FIRING, "", d, 0, t->rt->why);
}

/* By the config in force: what it did to a rollout stands, that it concerned none may have changed. */
static int decide(struct taking *t, const struct disposition_list *before)
{
	bool for_some = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < before->n; i++)
		if (before->item[i].rollout[0]) {
			for_some = true;
			r = answer_duplicate(t, &before->item[i]);
		}
	if (r == 0 && !t->rt->n_rollouts && !for_some)
		r = decide_for_none(t, before);
	if (r == 0 && t->rt->n_rollouts && has_disposition(before, ""))
		r = disposition_withdraw(t->tx, t->id, DELIVERY_FIRING);
	for (size_t i = 0; r == 0 && i < t->rt->n_rollouts; i++)
		if (!has_disposition(before, t->rt->rollouts[i]->name))
			r = trigger_one(t, t->rt->rollouts[i]);
	return r;
}

/* A sender of its own make may call several alerts by one fingerprint. */
static bool is_about_more(const struct taking *t, const struct disposition_list *before)
{
	for (size_t i = 0; i < t->rt->n_rollouts; i++)
		if (!has_disposition(before, t->rt->rollouts[i]->name))
			return true;
	return false;
}

/* 1: another config is in force than when it was decided, or it is about another rollout: decided anew. 0: as before.
 */
static int decide_copy(struct taking *t, const struct episode *known)
{
	struct disposition_list before = {0};
	int r = disposition_of_alert(db_tx_conn(t->tx), t->id, DELIVERY_FIRING, &before);
	bool anew = r == 0 && (strcmp(known->decided, t->in->settings->sha) != 0 || is_about_more(t, &before));

	if (anew)
		r = decide(t, &before);
	else if (r == 0)
		r = answer_as_before(t, &before);
	disposition_list_free(&before);
	if (r == 0 && anew)
		r = alert_decided(t->tx, t->id, t->in->settings->sha);
	return r < 0 ? r : anew;
}

static enum delivery delivery_of(const struct alert *a)
{
	return a->rejected ? DELIVERY_REJECTED : a->status == ALERT_RESOLVED ? DELIVERY_RESOLVED : DELIVERY_FIRING;
}

static int add_episode(struct taking *t, int64_t began_us)
{
	struct truncated_alert kept = {0};
	int r = alert_truncate(t->a, &kept);

	if (r < 0)
		return r;
	struct alert_seen seen = {
		.fingerprint = t->fingerprint,
		.starts_at_us = t->a->starts_at_us,
		.began_us = began_us,
		.ends_at_us = t->a->ends_at_us,
		.delivery = delivery_of(t->a),
		.labels = kept.labels,
		.annotations = kept.annotations,
		.generator_url = t->a->generator_url,
		.decided = delivery_of(t->a) == DELIVERY_FIRING ? t->in->settings->sha : NULL,
	};
	r = alert_add(t->tx, &seen, &t->id);
	truncated_alert_free(&kept);
	return r;
}

/* --- one ends --- */

static int resolved_in(struct taking *t, int64_t alert, int64_t id)
{
	assert(alert > 0 && id > 0);
	CLEANUP(cleanup_free) char *summary = summary_of(t->a);
	struct incident inc = {0};
	int r = incident_load(db_tx_conn(t->tx), id, &inc);
	struct event e = {.incident_id = id,
	                  .rollout = inc.rollout,
	                  .who = (char *)"alertmanager",
	                  .what = (char *)"alert resolved",
	                  .note = summary};

	if (r == 0)
		r = event_add(t->tx, &e);
	if (r == 0)
		r = touch(t, id);
	if (r == 0)
		r = intake_note_id(&t->in->calming, id);
	t->id = alert;
	if (r == 0 && t->a->status == ALERT_RESOLVED)
		r = answer(t, DELIVERY_RESOLVED, inc.rollout, DISP_RESOLVED, id, "recorded with its incident");
	incident_free(&inc);
	return r;
}

/* All of them, one per rollout that it concerns: *ret is the caller's to free. How many, or -errno. */
static int incidents_of(struct taking *t, int64_t id, int64_t **ret)
{
	assert(id > 0 && ret);
	for (size_t most = 16;; most *= 2) {
		int64_t *more = reallocarray(*ret, most, sizeof(*more));

		if (!more)
			return -ENOMEM;
		*ret = more;
		int n = alert_incidents(db_tx_conn(t->tx), id, *ret, most);
		if (n < 0 || (size_t)n < most)
			return n;
	}
}

/* By what is being taken: a resolved, or a firing that began later. */
static int end_episode(struct taking *t, int64_t id, int64_t ends_at_us)
{
	assert(id > 0);
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	int n = incidents_of(t, id, &ids), r = n < 0 ? n : 0;

	if (r == 0)
		r = alert_end(t->tx, id, ends_at_us);
	for (int i = 0; r == 0 && i < n; i++)
		r = resolved_in(t, id, ids[i]);
	t->id = id;
	if (r == 0 && n == 0 && t->a->status == ALERT_RESOLVED)
		r = answer(t, DELIVERY_RESOLVED, "", DISP_RESOLVED, 0, "no open incident has this alert");
	return r;
}

/* It ends none that fires. */
static int end_nothing(struct taking *t, const struct episode *last)
{
	if (last && episode_ended_already(last, t->a->starts_at_us)) {
		bool known = episode_end_is_known(last, t->a->starts_at_us, t->a->ends_at_us);
		t->id = last->id;
		int r = known ? alert_again(t->tx, t->id) : alert_ended_again(t->tx, t->id);
		return r < 0 ? r : answer_duplicates(t, DELIVERY_RESOLVED);
	}
	int r = add_episode(t, episode_began(last, t->a->starts_at_us));
	return r < 0 ? r : answer(t, DELIVERY_RESOLVED, "", DISP_RESOLVED, 0, "no open incident has this alert");
}

static int take_resolved(struct taking *t)
{
	struct episode_list firing = {0};
	struct episode last = {0};
	size_t ended = 0;
	int found = episode_last(db_tx_conn(t->tx), t->fingerprint, DELIVERY_RESOLVED, &last),
	    r = found < 0 ? found : episode_firing(db_tx_conn(t->tx), t->fingerprint, &firing);

	for (size_t i = 0; r == 0 && i < firing.n; i++) {
		const struct episode *e = &firing.item[i];

		if (!episode_ends(e, found ? &last : NULL, t->a->starts_at_us, t->a->ends_at_us))
			continue;
		r = alert_again(t->tx, e->id);
		if (r == 0)
			r = end_episode(t, e->id, t->a->ends_at_us);
		ended++;
	}
	free(firing.item);
	return r < 0 || ended ? r : end_nothing(t, found ? &last : NULL);
}

/* --- one fires --- */

/* It says no more than what was written at that time. A drill is on record by another fingerprint than its sender's. */
static void note_copy(struct taking *t, int64_t written_us)
{
	struct intake *in = t->in;

	if (t->rt->heartbeat || drill_is(t->a))
		return;
	if (!in->n_copies || written_us + US_PER_S < in->copies_until_us)
		in->copies_until_us = written_us + US_PER_S;
	in->copies_from_us = db_tx_now(t->tx);
	in->n_copies++;
}

/* Nearly every copy has the start that is known; only for the others it is asked what was before. */
static int told_start(const struct taking *t, const struct episode *known, int64_t *ret_us)
{
	struct episode last = {0};

	*ret_us = episode_told_start(known, NULL, t->a->starts_at_us);
	if (*ret_us == known->told_start_us)
		return 0;
	int found = episode_last(db_tx_conn(t->tx), t->fingerprint, DELIVERY_RESOLVED, &last);
	if (found == 1)
		*ret_us = episode_told_start(known, &last, t->a->starts_at_us);
	return found < 0 ? found : 0;
}

static int take_copy(struct taking *t, const struct episode *known)
{
	struct truncated_alert kept = {0};
	int64_t told_us;
	int r = told_start(t, known, &told_us);

	if (r == 0)
		r = alert_truncate(t->a, &kept);
	t->id = known->id;
	if (r == 0)
		r = alert_copy(t->tx, t->id, told_us, kept.labels, kept.annotations);
	truncated_alert_free(&kept);
	int anew = r < 0 ? r : decide_copy(t, known);
	if (anew != 0)
		return anew < 0 ? anew : 0;
	if (r > 0)
		repeats_changed(t->fingerprint);
	note_copy(t, r > 0 ? db_tx_now(t->tx) : known->last_at_us);
	note_unseen(t, false);
	return 0;
}

static int take_stale(struct taking *t, const struct episode *known)
{
	int r = alert_stale(t->tx, known->id);

	t->id = known->id;
	if (r == 0)
		r = alert_again(t->tx, t->id);
	if (r == 0 && t->in->n_stale < INTAKE_STALE_MAX && !drill_is(t->a))
		t->in->stale[t->in->n_stale++] = (struct stale_copy) {t->id, t->a->starts_at_us};
	if (r < 0)
		return r;
	if (known->stale_at_us)
		return answer_duplicates(t, DELIVERY_STALE);
	return answer(
		t, DELIVERY_STALE, "", DISP_STALE, 0,
		"this episode was already reported resolved; not acted on unless it keeps coming, or is called active");
}

static int take_new(struct taking *t, const struct episode *known)
{
	int r = known && known->firing ? end_episode(t, known->id, t->a->starts_at_us) : 0;

	if (r == 0)
		r = add_episode(t, episode_began(known && !known->firing ? known : NULL, t->a->starts_at_us));
	return r < 0 ? r : decide(t, &(struct disposition_list) {0}); /* add_episode says by which config */
}

static int take_firing(struct taking *t)
{
	struct db_conn *c = db_tx_conn(t->tx);
	struct episode known = {0};
	struct firing_copy f = {.starts_at_us = t->a->starts_at_us,
	                        .now_us = db_tx_now(t->tx),
	                        .stale_us = t->in->settings->limits.stale_us,
	                        .called_active = t->in->called_active};
	int any = episode_any(c, t->fingerprint), found = any, r = 0; /* in a storm nearly none is */

	if (any == 1)
		found = episode_last(c, t->fingerprint, DELIVERY_FIRING, &known);
	if (any == 1 && found == 0)
		found = episode_last(c, t->fingerprint, DELIVERY_RESOLVED, &known);
	if (found >= 0 && t->rt->heartbeat)
		r = take_heartbeat(t);
	if (found < 0 || r < 0)
		return found < 0 ? found : r;
	switch (episode_of_firing(found ? &known : NULL, &f)) {
	case EPISODE_COPY:
		return take_copy(t, &known);
	case EPISODE_STALE:
		return take_stale(t, &known);
	case EPISODE_NEW:
		break;
	}
	return take_new(t, found ? &known : NULL);
}

/* --- any --- */

static int take_rejected(struct taking *t)
{
	struct episode known = {0};
	int found = episode_last(db_tx_conn(t->tx), t->fingerprint, DELIVERY_REJECTED, &known), r;

	if (found < 0)
		return found;
	unseen_note(t->in, UNSEEN_REJECTED, t->a->name, !found);
	if (found) {
		t->id = known.id;
		r = alert_again(t->tx, t->id);
		return r < 0 ? r : answer_duplicates(t, DELIVERY_REJECTED);
	}
	r = add_episode(t, 0);
	return r < 0 ? r : answer(t, DELIVERY_REJECTED, "", DISP_REJECTED, 0, t->rt->why);
}

/* A drill has one of its own: what its sender claims may be a real alert's, which would then pass for a copy of it. */
static void fingerprint_of(const struct alert *a, char *out, size_t size)
{
	assert(out && size > 16);
	if (drill_is(a))
		snprintf(out, size, "%016llx", (unsigned long long)text_fingerprint(a->labels, a->n_labels));
	else
		snprintf(out, size, "%s", a->fingerprint);
}

int take_alert(struct db_tx *tx, struct intake *in, const struct alert *a, const struct route *rt)
{
	assert(tx && in && a && rt);
	struct taking t = {.tx = tx, .in = in, .a = a, .rt = rt};

	size_t copies = in->n_copies;

	fingerprint_of(a, t.fingerprint, sizeof(t.fingerprint));
	int r = a->rejected ? take_rejected(&t) : a->status == ALERT_RESOLVED ? take_resolved(&t) : take_firing(&t);
	if (in->n_copies == copies)
		repeats_changed(t.fingerprint);
	return r;
}
