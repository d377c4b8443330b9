#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/engine/file_first.h"
#include "handlers/incident/kinds.h"
#include "handlers/settings/current.h"
#include "handlers/steps/command.h"
#include "handlers/steps/names.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/log.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define RETRY_US        (1 * US_PER_S) /* after a commit or a read that failed */
#define DEADLINE_MAX_US (366 * 86400 * US_PER_S)

/* --- waiting --- */

static void on_timer(void *arg)
{
	struct open_incident *l = arg;

	l->timer = NULL;
	engine_advance(l);
}

static void wake_at(struct open_incident *l, int64_t mono_us)
{
	loop_timer_cancel(l->engine->o.loop, l->timer);
	l->timer = loop_timer_at(l->engine->o.loop, mono_us, on_timer, l);
}

/* The wall time is translated once, when first seen: a clock that jumps later moves no deadline. */
int64_t deadline_mono(const struct engine *e, struct deadline *d, int64_t wall_us)
{
	assert(e && d);
	if (d->wall_us != wall_us) {
		int64_t wait = wall_us - db_now(e->o.db);

		if (wait > DEADLINE_MAX_US)
			wait = DEADLINE_MAX_US;
		d->wall_us = wall_us;
		d->mono_us = clock_mono_us() + (wait > 0 ? wait : 0);
	}
	return d->mono_us;
}

static bool passed(const struct engine *e, struct deadline *d, int64_t wall_us)
{
	return wall_us && clock_mono_us() >= deadline_mono(e, d, wall_us);
}

static bool is_verifying(const struct open_incident *l)
{
	return l->inc.state == INC_VERIFYING || l->inc.state == INC_FAILED || watches_cure(&l->inc, l->plan);
}

static void sooner(const struct engine *e, int64_t *best, struct deadline *d, int64_t wall_us)
{
	if (!wall_us)
		return;
	int64_t at = deadline_mono(e, d, wall_us);

	if (*best == 0 || at < *best)
		*best = at;
}

/* What follows the rollback is not over: silence does not end the incident. */
bool followup_is_open(const struct open_incident *l)
{
	for (size_t i = 0; i < l->steps.n; i++)
		if (l->steps.item[i].phase == PHASE_FOLLOWUP &&
		    (l->steps.item[i].state == STEP_TODO || l->steps.item[i].state == STEP_RUNNING ||
		     l->steps.item[i].state == STEP_WAITING))
			return true;
	return false;
}

/* Slow and beside the point of the rollback: not while it acts. */
static bool may_preserve(const struct open_incident *l)
{
	return l->inc.state != INC_ROLLING_BACK && !l->slot[SLOT_SNAPSHOT].busy;
}

/* The snapshot that is due first; NULL: none is to be done any more. */
static const struct step *next_snapshot(const struct open_incident *l, int64_t *ret_due)
{
	const struct step *best = NULL;

	for (size_t i = 0; i < l->steps.n; i++) {
		int64_t due = l->steps.item[i].kind == STEP_SNAPSHOT ? snapshot_due_us(&l->inc, &l->steps.item[i]) : 0;

		if (!due || (best && due >= *ret_due))
			continue;
		best = &l->steps.item[i];
		*ret_due = due;
	}
	return best;
}

struct situation situation_of(const struct open_incident *l)
{
	assert(l && l->plan);
	return (struct situation) {.inc = &l->inc,
	                           .steps = &l->steps,
	                           .rollout = &l->plan->rollout,
	                           .seen = l->seen,
	                           .now_us = db_now(l->engine->o.db)};
}

/* Not beside an act: what it makes the service read may be what this changes. */
static const struct step *due_first(const struct open_incident *l, int64_t *ret_due)
{
	struct situation s = situation_of(l);
	bool busy = l->slot[SLOT_FLAGS].busy || l->slot[SLOT_ACT].busy;
	bool old = l->inc.pct_wanted > 0 && !l->looked; /* what an earlier life saw */

	return busy || old ? NULL : next_retry(&s, ret_due);
}

/* One timer for the earliest thing this state waits for. */
static void arm(struct open_incident *l)
{
	int64_t at = 0, due = 0;

	if (may_preserve(l) && next_snapshot(l, &due))
		sooner(l->engine, &at, &l->snapshot, due);
	if (at && at < l->no_snapshot_before)
		at = l->no_snapshot_before;
	if (due_first(l, &due))
		sooner(l->engine, &at, &l->retry, due);
	if (l->inc.state == INC_PENDING)
		sooner(l->engine, &at, &l->due, l->inc.due_at_us);
	if (is_verifying(l) && !l->slot[SLOT_ROUND].busy)
		sooner(l->engine, &at, &l->round, l->inc.next_probe_us);
	int64_t calm = calm_wake(l);
	if (calm && (!at || calm < at))
		at = calm;
	if (at)
		wake_at(l, at);
}

/* --- committing --- */

/* The outcome is on disk: the runner's files have served. Harmless for steps that are no commands. */
static void forget_attempt(struct open_incident *l, int64_t step_id, int32_t attempt)
{
	assert(step_id > 0);
	char name[ATTEMPT_NAME_SIZE];

	attempt_name(l->engine->o.db, step_id, attempt, name);
	command_forget(l->engine->commands, name);
}

static void on_committed(void *arg)
{
	struct open_incident *l = arg;
	struct change *ch = l->committing;
	bool intent = ch->kind == CHANGE_INTENT && l->commit_result == 1, outcome = ch->kind == CHANGE_OUTCOME;
	int64_t step_id = ch->step_id, begin = intent ? step_id : outcome && l->commit_result == 2 ? ch->next_id : 0;
	int32_t attempt = ch->attempt;

	l->committing = NULL;
	settings_unref(l->job_settings);
	l->job_settings = NULL;
	if (l->commit_result < 0) {
		l->met = l->met && ch->event != EV_ASK;
		log_error("an incident's change could not be recorded; trying again", "incident", log_num(l->id), "err",
		          strerror(-l->commit_result));
		wake_at(l, clock_mono_us() + RETRY_US);
		return;
	}
	for (int i = 0; i < SLOT_N; i++)
		if (ch == &l->slot[i].ch)
			l->slot[i].ready = false;
	change_clear(ch);
	FAILPOINT(FAIL_MOVE_COMMITTED);
	if (outcome || (intent && attempt > 0)) /* an intent to repeat ends the attempt before it */
		forget_attempt(l, step_id, attempt);
	if (l->engine->o.on_outbox)
		l->engine->o.on_outbox(l->engine->o.on_outbox_arg);
	int r = open_incident_read(l);
	for (size_t i = 0; begin && r == 1 && i < l->steps.n; i++)
		if (l->steps.item[i].id == begin) {
			act_begin(l, &l->steps.item[i]);
			break;
		}
	engine_advance_as_read(l, r);
}

static int job_run(struct db_tx *tx, struct db_job *job)
{
	struct open_incident *l = (struct open_incident *)((char *)job - offsetof(struct open_incident, job));

	return change_write(tx, l->job_settings, l->committing);
}

static void job_done(struct db_job *job, int result)
{
	struct open_incident *l = (struct open_incident *)((char *)job - offsetof(struct open_incident, job));

	l->commit_result = result;
	if (loop_post(l->engine->o.loop, on_committed, l) < 0)
		abort(); /* out of memory: a crash is safe, a lost outcome is not */
}

static void commit(struct open_incident *l, struct change *ch)
{
	assert(!l->committing && ch->incident_id == l->id);
	l->committing = ch;
	l->job_settings = current_settings();
	l->job = (struct db_job) {.run = job_run, .done = job_done};
	int r = db_submit(l->engine->o.db, &l->job, DB_URGENT);
	if (r == 0)
		return;
	l->met = l->met && ch->event != EV_ASK;
	l->committing = NULL;
	settings_unref(l->job_settings);
	l->job_settings = NULL;
	if (r != -ESHUTDOWN)
		wake_at(l, clock_mono_us() + RETRY_US);
}

static void commit_own(struct open_incident *l, struct change ch)
{
	change_clear(&l->own);
	l->own = ch;
	l->own.incident_id = l->id;
	commit(l, &l->own);
}

/* --- deciding: each rule returns true when it has sent a change on its way --- */

static const struct step *first_step(const struct open_incident *l, enum step_state state, enum slot_id slot)
{
	for (size_t i = 0; i < l->steps.n; i++) {
		const struct step *s = &l->steps.item[i];

		if (s->kind != STEP_VERIFY && s->kind != STEP_SNAPSHOT && s->state == state && slot_of(s) == slot)
			return s;
	}
	return NULL;
}

const enum slot_id act_slots[ACT_SLOTS] = {SLOT_FLAGS, SLOT_ACT, SLOT_FOLLOWUP};

/* In their order, but for those that wait for the flags file. */
static const struct step *first_that_may_begin(const struct open_incident *l, enum slot_id slot)
{
	struct situation now = situation_of(l);

	for (size_t i = 0; i < l->steps.n; i++) {
		const struct step *s = &l->steps.item[i];

		if (s->state != STEP_TODO || s->kind == STEP_VERIFY || s->kind == STEP_SNAPSHOT || slot_of(s) != slot)
			continue;
		if (next_may_begin(&now, s))
			return s;
		if (slot != SLOT_ACT)
			return NULL;
	}
	return NULL;
}

/* What next_step will find once the outcome of this slot is on disk: committed together with it. */
static int64_t next_after(const struct open_incident *l, const struct slot *ended)
{
	for (size_t i = 0; i < ARRAY_LEN(act_slots); i++) {
		const struct slot *s = &l->slot[act_slots[i]];
		bool busy = s->busy || l->slot[SLOT_FLAGS].busy || (s->ready && s != ended);
		const struct step *next = busy ? NULL : first_that_may_begin(l, act_slots[i]);

		if (next)
			return next->phase == PHASE_APPLY ? next->id : 0;
	}
	return 0;
}

static bool commit_what_is_ready(struct open_incident *l)
{
	for (int i = 0; i < SLOT_N; i++) {
		if (!l->slot[i].ready || (i == SLOT_ONSET && l->inc.state == INC_ROLLING_BACK))
			continue; /* no act waits until the onset is on disk */
		FAILPOINT(i == SLOT_ROUND ? FAIL_VERIFY_ROUND_UNCOMMITTED : FAIL_STEP_DONE_UNCOMMITTED);
		l->slot[i].ch.incident_id = l->id;
		if (l->slot[i].ch.kind == CHANGE_OUTCOME)
			l->slot[i].ch.next_id = next_after(l, &l->slot[i]);
		commit(l, &l->slot[i].ch);
		return true;
	}
	return false;
}

static bool recover(struct open_incident *l)
{
	for (size_t i = 0; i < ARRAY_LEN(act_slots); i++) {
		const struct step *s = first_step(l, STEP_RUNNING, act_slots[i]);

		if (s && !l->slot[act_slots[i]].busy)
			act_recover(l, s);
	}
	return commit_what_is_ready(l);
}

static bool intend(struct open_incident *l, const struct step *s)
{
	if (!s)
		return false;
	commit_own(l, (struct change) {.kind = CHANGE_INTENT, .step_id = s->id, .attempt = s->attempts});
	return true;
}

/* The percentage goes first, also while an act for an earlier target is still under way; the acts wait for it. */
static bool next_step(struct open_incident *l)
{
	for (size_t i = 0; i < ARRAY_LEN(act_slots); i++) {
		bool busy = l->slot[act_slots[i]].busy || l->slot[SLOT_FLAGS].busy;
		const struct step *s = busy ? NULL : first_that_may_begin(l, act_slots[i]);

		if (intend(l, s))
			return true;
	}
	struct situation now = situation_of(l);

	return !l->slot[SLOT_FLAGS].busy && intend(l, file_to_write_again(&now));
}

static bool retry(struct open_incident *l)
{
	int64_t due = 0;
	const struct step *s = due_first(l, &due);

	return s && passed(l->engine, &l->retry, due) && intend(l, s);
}

/* Its turn has come, and a person has to say yes: that is told once. */
static bool ask_person(struct open_incident *l)
{
	const struct step *s = first_step(l, STEP_WAITING, SLOT_FOLLOWUP);

	if (!s || s->started_at_us || l->slot[SLOT_FOLLOWUP].busy || !step_may_run(l->inc.state, PHASE_FOLLOWUP))
		return false;
	for (size_t i = 0; i < l->steps.n; i++)
		if (l->steps.item[i].phase == PHASE_FOLLOWUP && l->steps.item[i].ord < s->ord &&
		    (l->steps.item[i].state == STEP_TODO || l->steps.item[i].state == STEP_RUNNING))
			return false;
	commit_own(l, (struct change) {.kind = CHANGE_ASK, .step_id = s->id});
	return true;
}

static bool fire(struct open_incident *l, enum incident_event ev)
{
	commit_own(l, (struct change) {.kind = CHANGE_EVENT, .event = ev});
	return true;
}

static bool has_open_acts(const struct open_incident *l)
{
	for (size_t i = 0; i < l->steps.n; i++) {
		const struct step *s = &l->steps.item[i];

		if ((s->phase == PHASE_APPLY || s->phase == PHASE_FALLBACK) &&
		    (s->state == STEP_TODO || s->state == STEP_RUNNING))
			return true;
	}
	return false;
}

/* What an earlier life had begun was right by what it had seen. Somebody may have lowered it further since: above 0 %
 * it is asked before anything goes on. */
static bool ask_after_start(struct open_incident *l)
{
	const struct kind *k = kind_of(&l->inc);
	bool acts = l->inc.state == INC_ROLLING_BACK ||
	            ((l->inc.state == INC_VERIFYING || l->inc.state == INC_FAILED) && has_open_acts(l));

	if (l->met)
		return false;
	l->met = true;
	if (k->once && acts && l->id <= l->engine->taken_up) {
		commit_own(l, (struct change) {.kind = CHANGE_EVENT,
		                               .event = EV_SUPERSEDED,
		                               .text = text_format("rollbackd was started again meanwhile")});
		return true;
	}
	return k->lowers && k->acts && l->inc.pct_wanted > 0 && acts && fire(l, EV_ASK);
}

static bool deadlines(struct open_incident *l)
{
	if (l->inc.state == INC_PENDING && passed(l->engine, &l->due, l->inc.due_at_us))
		return fire(l, EV_DUE);
	return false;
}

static bool verify(struct open_incident *l)
{
	if (!is_verifying(l) || l->slot[SLOT_ROUND].busy || !passed(l->engine, &l->round, l->inc.next_probe_us))
		return false;
	deadline_mono(l->engine, &l->until, l->inc.verify_until_us);
	round_begin(l);
	return commit_what_is_ready(l);
}

static bool preserve(struct open_incident *l)
{
	int64_t due = 0;
	const struct step *s = may_preserve(l) ? next_snapshot(l, &due) : NULL;

	if (s && passed(l->engine, &l->snapshot, due) && clock_mono_us() >= l->no_snapshot_before)
		snapshot_begin(l, s);
	return commit_what_is_ready(l);
}

/* Whatever the incident waits for, but not beside an act. */
static bool ask_onset(struct open_incident *l)
{
	if (l->onset_of_us != l->inc.decided_at_us) {
		l->onset_of_us = l->inc.decided_at_us;
		l->onset_asked = false;
	}
	if (l->onset_asked || l->slot[SLOT_ONSET].busy || l->inc.state == INC_ROLLING_BACK || !l->inc.onset_from ||
	    strcmp(l->inc.onset_from, "startsAt") != 0)
		return false;
	l->onset_asked = true;
	onset_begin(l);
	return false;
}

void tell_others(struct open_incident *l)
{
	assert(l && l->engine);
	for (struct open_incident *o = l->engine->open; o; o = o->next)
		if (o != l && o->inc.rollout && l->inc.rollout && !strcmp(o->inc.rollout, l->inc.rollout))
			engine_notify(l->engine, o->id);
}

/* It is over: what is under way is seen to its end, and made to end where something else took its place. */
static void see_to_end(struct open_incident *l)
{
	for (size_t i = 0; i < ACT_SLOTS; i++) {
		const struct step *s = first_step(l, STEP_RUNNING, act_slots[i]);

		if (s && !l->slot[act_slots[i]].busy && !l->slot[act_slots[i]].ready)
			act_watch_end(l, s);
	}
	if (l->inc.state == INC_CANCELLED)
		acts_stop(l);
	for (size_t i = 0; i < ACT_SLOTS; i++)
		if (l->slot[act_slots[i]].ready && l->slot[act_slots[i]].ch.kind == CHANGE_OUTCOME) {
			l->slot[act_slots[i]].ch.incident_id = l->id;
			commit(l, &l->slot[act_slots[i]].ch);
			return;
		}
	for (size_t i = 0; i < ACT_SLOTS; i++)
		if (l->slot[act_slots[i]].busy)
			return;
	tell_others(l);
	open_incident_drop(l);
}

void engine_advance_as_read(struct open_incident *l, int r)
{
	assert(l && !l->committing);
	static bool (*const rules[])(struct open_incident *) = {
		commit_what_is_ready,
		ask_after_start,
		recover,
		next_step,
		retry,
		ask_person,
		deadlines,
		calm_ask,
		verify,
		preserve,
		ask_onset,
	};

	if (r < 0) {
		log_error("an incident could not be read; trying again", "incident", log_num(l->id), "err",
		          strerror(-r));
		wake_at(l, clock_mono_us() + RETRY_US);
		return;
	}
	if (r == 0) {
		see_to_end(l);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i](l))
			return;
	arm(l);
}

void engine_advance(struct open_incident *l)
{
	assert(l && thread_may(THREAD_ENGINE));
	if (!l->committing)
		engine_advance_as_read(l, open_incident_read(l));
}
