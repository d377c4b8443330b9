#include "handlers/incident/open.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/progress.h"
#include "db/rollout.h"
#include "db/search.h"
#include "db/step.h"
#include "handlers/steps/percentage.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/move.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open_private.h"
#include "handlers/settings/snapshot.h"
#include "server/core/clock.h"
#include "server/core/metrics.h"
#include "server/core/text.h"

#define ASK_MAX_US (60 * US_PER_S) /* how long a rollback to 0 % waits for young samples before it acts anyway */

int32_t trigger_target(const struct settings *s, const struct trigger *t, int32_t stage, int32_t there)
{
	assert(s && t && t->playbook && t->rollout);
	int32_t to;

	if (t->playbook->hold)
		return -1;
	to = t->playbook->previous_stage ? stage_previous(s, t->rollout, stage, there) : t->playbook->to_pct;
	return there >= 0 && there < to ? there : to; /* a rollback never writes more than is there */
}

static int add_step(struct db_tx *tx, int64_t incident, int32_t *ord, enum step_phase phase, enum step_kind kind,
                    const char *name, const char *spec)
{
	assert(incident > 0 && *ord >= 0 && name && spec);
	struct step st = {.incident_id = incident,
	                  .ord = (*ord)++,
	                  .phase = phase,
	                  .kind = kind,
	                  .name = (char *)name,
	                  .spec = (char *)spec,
	                  .state = STEP_TODO};

	return step_insert(tx, &st);
}

int trigger_add_act(struct db_tx *tx, int64_t incident, int32_t ord, enum step_phase phase, const struct act *a,
                    enum step_state state)
{
	assert(tx && incident > 0 && ord >= 0 && a);
	CLEANUP(cleanup_free) char *spec = act_text(a);
	struct step st = {.incident_id = incident,
	                  .ord = ord,
	                  .phase = phase,
	                  .kind = a->kind == ACT_HTTP ? STEP_HTTP : STEP_COMMAND,
	                  .name = (char *)a->name,
	                  .spec = spec,
	                  .state = state};

	return spec ? step_insert(tx, &st) : -ENOMEM;
}

/* The same act, whichever playbook asked for it first. */
static bool has_followup(const struct step_list *l, const struct act *a)
{
	CLEANUP(cleanup_free) char *spec = act_text(a);

	for (size_t i = 0; spec && i < l->n; i++)
		if (l->item[i].phase == PHASE_FOLLOWUP && !strcmp(l->item[i].name, a->name) &&
		    !strcmp(l->item[i].spec, spec))
			return true;
	return false;
}

int trigger_add_followups(struct db_tx *tx, const struct incident *inc, const struct playbook *p)
{
	assert(tx && inc && inc->id > 0 && p);
	struct step_list l = {0};
	int err = step_of_incident(db_tx_conn(tx), inc->id, &l);
	int32_t ord = (int32_t)l.n;

	for (size_t i = 0; err == 0 && i < p->n_followups; i++)
		if (!has_followup(&l, &p->followups[i].act))
			err = trigger_add_act(tx, inc->id, ord++, PHASE_FOLLOWUP, &p->followups[i].act,
			                      p->followups[i].needs_approval && kind_of(inc)->acts ? STEP_WAITING
			                                                                           : STEP_TODO);
	step_list_free(&l);
	return err;
}

int64_t snapshot_decided_us(const struct step *step)
{
	assert(step && step->kind == STEP_SNAPSHOT);
	CLEANUP(json_cleanup) struct json_object *spec = json_tokener_parse(step->spec);

	return spec ? json_int_or(spec, "decided", 0) : 0;
}

/* What an incident has already: read once for all that is added to it. */
struct so_far {
	struct step_list list; /* owned */
	int32_t ord;           /* of the next one */
	bool verify;
	bool writing; /* its flags file is being written */
};

static void so_far_free(struct so_far *s)
{
	step_list_free(&s->list);
}

static int so_far_load(struct db_tx *tx, int64_t incident, struct so_far *s)
{
	int r = step_of_incident(db_tx_conn(tx), incident, &s->list);

	s->ord = (int32_t)s->list.n;
	for (size_t i = 0; i < s->list.n; i++) {
		const struct step *st = &s->list.item[i];

		s->verify |= st->kind == STEP_VERIFY;
		s->writing |= st->kind == STEP_FLAGS && st->state == STEP_RUNNING;
	}
	return r;
}

static bool has_snapshot(const struct so_far *s, const struct incident *inc, const char *name)
{
	for (size_t i = 0; i < s->list.n; i++)
		if (s->list.item[i].kind == STEP_SNAPSHOT && !strcmp(s->list.item[i].name, name) &&
		    snapshot_decided_us(&s->list.item[i]) == inc->decided_at_us)
			return true;
	return false;
}

static int add_snapshot(struct db_tx *tx, const struct incident *inc, struct so_far *so_far, const char *name,
                        const char *after)
{
	CLEANUP(cleanup_free) char *spec = NULL;

	if (has_snapshot(so_far, inc, name))
		return 0;
	spec = inc->decided_at_us ? text_format("{%s%s\"decided\":%lld}", after, after[0] ? "," : "",
	                                        (long long)inc->decided_at_us)
	                          : text_format("{%s}", after);
	return spec ? add_step(tx, inc->id, &so_far->ord, PHASE_SNAPSHOT, STEP_SNAPSHOT, name, spec) : -ENOMEM;
}

/* For each trigger that decides: what was before it, at once; what came of it, several times over the same span, for a
 * person may end the incident early. What waits for a person changes nothing yet. */
static int add_snapshots(struct db_tx *tx, const struct incident *inc, const struct rollout *r, struct so_far *so_far)
{
	long long span = (long long)(r->snapshot_window_us / US_PER_S);
	bool waits = inc->state == INC_HELD || inc->state == INC_PENDING;
	char after[100];

	if (!r->n_queries || !kind_of(inc)->follows)
		return 0;
	snprintf(after, sizeof(after), "\"after\":[%lld,%lld,%lld]", span / 10, span / 2, span);
	int err = add_snapshot(tx, inc, so_far, "preserve metrics", "");
	return err < 0 || waits || !kind_of(inc)->acts ? err
	                                               : add_snapshot(tx, inc, so_far, "metrics afterwards", after);
}

static int add_tail(struct db_tx *tx, const struct incident *inc, const struct rollout *r, struct so_far *so_far)
{
	int err = 0;

	if (!so_far->verify)
		err = add_step(tx, inc->id, &so_far->ord, PHASE_VERIFY, STEP_VERIFY, "verify", "{}");
	return err < 0 ? err : add_snapshots(tx, inc, r, so_far);
}

int trigger_add_tail(struct db_tx *tx, const struct incident *inc, const struct rollout *r)
{
	assert(tx && inc && inc->id > 0 && r);
	CLEANUP(so_far_free) struct so_far so_far = {0};
	int err = so_far_load(tx, inc->id, &so_far);

	return err < 0 ? err : add_tail(tx, inc, r, &so_far);
}

int trigger_preserve(struct db_tx *tx, const struct incident *inc, const struct rollout *r)
{
	assert(tx && inc && inc->id > 0 && r);
	CLEANUP(so_far_free) struct so_far so_far = {0};
	int err = so_far_load(tx, inc->id, &so_far);

	return err < 0 ? err : add_snapshots(tx, inc, r, &so_far);
}

/* What was to be done for what was asked before: what is applied now has its own steps and its own time. */
static int skip_these(struct db_tx *tx, const struct step_list *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++)
		if ((l->item[i].phase == PHASE_FALLBACK || l->item[i].phase == PHASE_APPLY) &&
		    (l->item[i].state == STEP_TODO || l->item[i].state == STEP_FAILED)) {
			l->item[i].state = STEP_SKIPPED;
			r = step_save(tx, &l->item[i]);
		}
	return r;
}

int trigger_skip_older(struct db_tx *tx, int64_t incident)
{
	CLEANUP(so_far_free) struct so_far so_far = {0};
	int r = so_far_load(tx, incident, &so_far);

	return r < 0 ? r : skip_these(tx, &so_far.list);
}

/* Lowering to 0 % is right in any doubt, and may be done again: its intention is committed together with what asked for
 * it, and the file is written without another commit on the way. */
static bool begins_at_once(const struct incident *inc, const struct rollout *r)
{
	return r->flags_file && inc->pct_wanted == 0 && kind_of(inc)->lowers && kind_of(inc)->acts;
}

static int add_flags(struct db_tx *tx, struct incident *inc, const struct rollout *r, struct so_far *so_far)
{
	bool at_once = begins_at_once(inc, r) && !so_far->writing; /* one write at a time */
	struct step st = {.incident_id = inc->id,
	                  .ord = so_far->ord++,
	                  .phase = PHASE_APPLY,
	                  .kind = STEP_FLAGS,
	                  .name = (char *)"set percentage",
	                  .spec = (char *)"{}",
	                  .state = at_once ? STEP_RUNNING : STEP_TODO,
	                  .attempts = at_once,
	                  .started_at_us = at_once ? db_tx_now(tx) : 0};
	int r2 = step_insert(tx, &st);

	return r2 < 0 || !at_once || !incident_note_act(inc, st.started_at_us) ? r2 : incident_save(tx, inc);
}

int trigger_add_steps(struct db_tx *tx, struct incident *inc)
{
	assert(tx && inc && inc->id > 0 && inc->config);
	CLEANUP(plan_cleanup) struct plan *plan = NULL;
	CLEANUP(so_far_free) struct so_far so_far = {0};
	int err = plan_get(db_tx_conn(tx), inc->config, &plan);

	if (err == 0)
		err = so_far_load(tx, inc->id, &so_far);
	if (err == 0)
		err = skip_these(tx, &so_far.list);
	if (err < 0)
		return err;
	const struct rollout *r = &plan->rollout;
	if (r->flags_file && !kind_of(inc)->once)
		err = add_flags(tx, inc, r, &so_far);
	for (size_t i = 0; err == 0 && i < r->n_apply; i++)
		err = trigger_add_act(tx, inc->id, so_far.ord++, PHASE_APPLY, &r->apply[i], STEP_TODO);
	return err == 0 ? add_tail(tx, inc, r, &so_far) : err;
}

void incident_ask(struct incident *inc, const struct rollout *r, int64_t now)
{
	assert(inc && r);
	int64_t limit = r->verify_timeout_us;

	if (inc->pct_wanted == 0 && limit > ASK_MAX_US)
		limit = ASK_MAX_US;
	inc->asking = true;
	inc->unknown_rounds = inc->verify_passes = 0;
	inc->evidence_since_us = inc->next_probe_us = now;
	inc->verify_until_us = now + limit;
}

int incident_ask_anew(struct db_tx *tx, const struct settings *s, struct incident *inc, const struct plan *plan,
                      const char *note)
{
	assert(inc->pct_wanted > 0 && kind_of(inc)->lowers);
	int r = trigger_skip_older(tx, inc->id);

	incident_ask(inc, &plan->rollout, db_tx_now(tx));
	inc->applied_at_us = 0;
	return r < 0 ? r : incident_move(tx, s, inc, EV_ASK, "rollbackd", note);
}

/* What begins now goes by the config in force, whenever the incident was opened; a playbook that is gone meanwhile
 * serves as it was. */
static int follow_config(struct db_tx *tx, const struct settings *s, struct incident *inc)
{
	const struct rollout *r = settings_rollout(s, inc->rollout);
	const struct playbook *own = settings_playbook(s, inc->playbook);
	CLEANUP(plan_cleanup) struct plan *old = NULL;
	char sha[CONFIG_SHA_SIZE];

	if (!r || !kind_of(inc)->lowers)
		return 0;
	int e = plan_get(db_tx_conn(tx), inc->config, &old);
	if (e < 0)
		return e;
	e = plan_put(tx, s, r, own ? own : &old->playbook, sha);
	return e < 0 ? e : text_set(&inc->config, sha);
}

static int begin(struct db_tx *tx, const struct settings *s, struct incident *inc, enum incident_event ev,
                 const char *who, const char *note)
{
	CLEANUP(plan_cleanup) struct plan *plan = NULL;

	if (inc->pct_wanted > 0 && kind_of(inc)->lowers && inc->state != INC_ROLLING_BACK &&
	    machine_edge(inc->state, ev) && machine_edge(inc->state, EV_ASK)) {
		int r = plan_get(db_tx_conn(tx), inc->config, &plan);
		if (r < 0)
			return r;
		incident_ask(inc, &plan->rollout, db_tx_now(tx));
		inc->applied_at_us = 0;
		r = incident_move(tx, s, inc, EV_ASK, who, note);
		if (r == 1)
			r = trigger_add_tail(tx, inc, &plan->rollout);
		return r < 0 ? r : 1;
	}
	int r = incident_move(tx, s, inc, ev, who, note);
	if (r == 1)
		r = trigger_add_steps(tx, inc);
	else
		return r;
	return r < 0 ? r : 1;
}

int incident_begin(struct db_tx *tx, const struct settings *s, struct incident *inc, enum incident_event ev,
                   const char *who, const char *note)
{
	assert(tx && s && inc && inc->id > 0 && who);
	CLEANUP(cleanup_free) char *before = strdup(inc->config);
	int r = before ? 0 : -ENOMEM;

	if (r == 0 && machine_edge(inc->state, ev))
		r = follow_config(tx, s, inc);
	if (r == 0)
		r = begin(tx, s, inc, ev, who, note);
	int e = r == 1 ? config_row_drop(tx, before) : 0;
	return e < 0 ? e : r;
}

/* The percentage that is thought to be there decides what the sender is told; what is done, the world decides. */
static enum disposition open_state(const struct trigger *t, struct incident *inc, int32_t there, int64_t now)
{
	assert(inc->id == 0);
	if (t->playbook->hold) {
		inc->state = INC_HELD;
		return DISP_HELD;
	}
	if (t->playbook->after_us > 0) {
		inc->state = INC_PENDING;
		inc->due_at_us = now + t->playbook->after_us;
		return DISP_PENDING;
	}
	bool below = there >= 0 && there <= inc->pct_wanted;
	if (inc->pct_wanted > 0 || below) {
		inc->state = INC_VERIFYING;
		inc->already_there = below;
		incident_ask(inc, t->rollout, now);
		return below ? DISP_ALREADY_THERE : DISP_ROLLBACK_STARTED;
	}
	inc->state = INC_ROLLING_BACK;
	return DISP_ROLLBACK_STARTED;
}

static enum announcement_id say_opened(enum incident_state s)
{
	return s == INC_ROLLING_BACK ? ANNOUNCE_STARTED
	       : s == INC_HELD       ? ANNOUNCE_HELD
	       : s == INC_PENDING    ? ANNOUNCE_PENDING
	                             : ANNOUNCE_OPENED;
}

int trigger_stage(struct db_tx *tx, const char *rollout, int32_t *ret)
{
	struct rollout_row row = {0};
	int err = rollout_load(db_tx_conn(tx), rollout, &row);

	*ret = err == 0 ? row.stage : -1;
	rollout_row_free(&row);
	return err == -ENOENT ? 0 : err;
}

static int steps_of_opening(struct db_tx *tx, struct incident *inc, const struct trigger *t)
{
	return inc->state == INC_ROLLING_BACK ? trigger_add_steps(tx, inc)
	       : inc->state == INC_VERIFYING  ? trigger_add_tail(tx, inc, t->rollout)
	                                      : trigger_preserve(tx, inc, t->rollout);
}

/* A rollback and a P0 begin the stage anew: approvals, checkmarks and clean time are gone. */
static int run_ends(struct db_tx *tx, const struct incident *inc)
{
	if (inc->state == INC_ROLLING_BACK)
		return progress_new_run(tx, inc->rollout, 0, inc->opened_by, "a rollback");
	if (!strcmp(inc->severity, "P0"))
		return progress_reset_clock(tx, inc->rollout, "a P0 incident");
	return 0;
}

int trigger_attach(struct db_tx *tx, int64_t incident, const struct trigger *t)
{
	assert(tx && incident > 0 && t);
	return t->alert_id ? alert_attach(tx, incident, t->alert_id) : 0;
}

static int insert_open(struct db_tx *tx, const struct settings *s, const struct trigger *t, int32_t stage,
                       int32_t there, int64_t *ret_incident, enum disposition *ret_disposition)
{
	char config[CONFIG_SHA_SIZE];
	struct incident inc = {
		.rollout = (char *)t->rollout->name,
		.playbook = (char *)t->playbook->name,
		.severity = (char *)t->severity,
		.summary = (char *)t->summary,
		.kind = t->kind,
		.config = config,
		.reason = (char *)t->reason,
		.opened_by = (char *)t->who,
		.stage = stage,
		.pct_before = there,
		.pct_seen = -1,
		.review = t->playbook->review ? REVIEW_REQUIRED : REVIEW_NONE,
		.pct_wanted = trigger_target(s, t, stage, there),
		.opened_at_us = t->received_us,
		.onset_at_us = t->onset_us,
		.onset_from = (char *)t->onset_from,
		.decided_alert = t->alert_id,
	};

	inc.evidence_since_us = db_tx_now(tx);
	*ret_disposition = open_state(t, &inc, there, db_tx_now(tx));
	bool begun = inc.state == INC_ROLLING_BACK && begins_at_once(&inc, t->rollout);
	if (begun)
		inc.started_at_us = db_tx_now(tx);
	if (t->begun)
		*t->begun = begun;
	int err = plan_put(tx, s, t->rollout, t->playbook, config);
	if (err == 0)
		err = incident_insert(tx, &inc);
	if (err == 0)
		err = trigger_attach(tx, inc.id, t);
	if (err == 0)
		err = steps_of_opening(tx, &inc, t);
	if (err < 0)
		return err;
	struct event e = {.incident_id = inc.id,
	                  .rollout = inc.rollout,
	                  .who = (char *)t->who,
	                  .what = (char *)"opened",
	                  .note = (char *)(t->reason ? t->reason : t->summary)};
	err = event_add(tx, &e);
	if (err == 0)
		err = run_ends(tx, &inc);
	if (err == 0)
		err = announce_incident(tx, s, &inc, say_opened(inc.state));
	metric_add(M_INCIDENTS, (unsigned)inc.state - 1, 1);
	if (err == 0)
		incident_log(&inc, "", t->who, t->summary);
	*ret_incident = inc.id;
	return err;
}

/* The engine finds its row ended, stops what it began, and sees it over before the rollback is said to be. */
int trigger_supersede(struct db_tx *tx, const struct settings *s, struct incident *inc, const char *why)
{
	assert(kind_of(inc)->gives_way);
	int r = incident_move(tx, s, inc, EV_SUPERSEDED, "rollbackd", why);
	return r < 0 ? r : 0;
}

int trigger_apply(struct db_tx *tx, const struct settings *s, const struct trigger *t, int64_t *ret_incident,
                  enum disposition *ret_disposition)
{
	assert(tx && s && t && t->rollout && t->playbook && t->who && ret_incident && ret_disposition);
	struct incident open = {0};
	int32_t stage = -1, there = percentage_there(db_tx_conn(tx), t->rollout, NULL, 0);
	int found = incident_open_of(db_tx_conn(tx), t->rollout->name, &open), err;

	if (found < 0)
		return found;
	if (t->playbook->restart_at >= 0 && !t->playbook->hold) {
		err = progress_restart_at(tx, t->rollout->name, t->playbook->restart_at);
		if (err < 0)
			return err;
	}
	if (found && kind_of(&open)->gives_way) {
		err = trigger_supersede(tx, s, &open,
		                        t->playbook->hold ? "an incident was opened" : "a rollback was asked for");
		incident_free(&open);
		if (err < 0)
			return err;
		found = 0;
	}
	if (found) {
		*ret_incident = open.id;
		*ret_disposition = DISP_ATTACHED;
		err = trigger_join(tx, s, t, &open, there);
		incident_free(&open);
		return err;
	}
	err = trigger_stage(tx, t->rollout->name, &stage);
	return err < 0 ? err : insert_open(tx, s, t, stage, there, ret_incident, ret_disposition);
}
