#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/alert.h"
#include "handlers/steps/command.h"
#include "handlers/engine/file_first.h"
#include "handlers/engine/rehearsal.h"
#include "handlers/engine/round.h"
#include "handlers/incident/kinds.h"
#include "handlers/steps/http_step.h"
#include "handlers/steps/percentage.h"
#include "handlers/steps/names.h"
#include "handlers/checks/verify.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/log.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define DOUBTS_MAX     10                /* attempts of a command whose runner is killed again and again under us */
#define DOUBT_PAUSE_US (100 * US_PER_MS) /* times the attempt */

/* What an act in SLOT_ACT is about; the slot's change names step and attempt. */
void slot_begin(struct slot *s, const struct step *step, int32_t attempt)
{
	assert(s && step && !s->busy && !s->ready && attempt > 0);
	change_clear(&s->ch);
	s->ch = (struct change) {.kind = CHANGE_OUTCOME, .step_id = step->id, .attempt = attempt, .pct_after = -1};
	s->busy = true;
	s->ready = s->stopped = false;
	s->handle = NULL;
}

enum slot_id slot_of(const struct step *step)
{
	return step->kind == STEP_FLAGS ? SLOT_FLAGS : step->phase == PHASE_FOLLOWUP ? SLOT_FOLLOWUP : SLOT_ACT;
}

void slot_end(struct slot *s, enum step_state outcome, const char *text)
{
	assert(s->busy && !s->ready);
	s->busy = false;
	s->ready = true;
	s->handle = NULL;
	s->ch.outcome = outcome;
	free(s->ch.text);
	s->ch.text = strdup(text ? text : "");
}

static void end_errno(struct slot *s, const char *what, int err)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(-err));
	slot_end(s, STEP_FAILED, text);
}

/* --- again --- */

static int read_act(const struct step *step, struct json_object **ret_tree, struct act *ret)
{
	*ret_tree = json_tokener_parse(step->spec);
	return *ret_tree ? act_read(*ret_tree, ret) : -EINVAL;
}

/* The attempt did not happen, or may happen again: a new one, with an intent of its own. */
static void intend_again(struct slot *s)
{
	int64_t step = s->ch.step_id;
	int32_t attempt = s->ch.attempt;

	change_clear(&s->ch);
	s->ch = (struct change) {.kind = CHANGE_INTENT, .step_id = step, .attempt = attempt};
	s->busy = false;
	s->ready = true;
	s->handle = NULL;
}

/* After a restart. More than 0 % is not set once more on what an earlier life knew: the incident asks where it is. */
static void repeat(struct open_incident *l, struct slot *s)
{
	if (kind_of(&l->inc)->lowers && l->inc.pct_wanted > 0 && s != &l->slot[SLOT_FOLLOWUP])
		slot_end(s, STEP_SKIPPED, "not repeated before it is known where the service is");
	else
		intend_again(s);
}

static bool may_repeat(const struct open_incident *l, int64_t step_id)
{
	bool yes = false;

	for (size_t i = 0; i < l->steps.n; i++) {
		CLEANUP(json_cleanup) struct json_object *tree = NULL;
		struct act act = {0};

		if (l->steps.item[i].id == step_id && read_act(&l->steps.item[i], &tree, &act) == 0)
			yes = act.idempotent;
		act_free(&act);
	}
	return yes;
}

/* --- commands --- */

static void drop_command(struct open_incident *l, struct slot *s)
{
	(void)l;
	command_abandon(s->handle);
}

static enum step_state state_of(const struct command_outcome *o)
{
	if (o->end == COMMAND_STOPPED)
		return STEP_SKIPPED;
	return o->end == COMMAND_EXITED && o->exit_code == 0 ? STEP_DONE
	       : o->end == COMMAND_IN_DOUBT                  ? STEP_IN_DOUBT
	                                                     : STEP_FAILED;
}

static void on_paused(void *arg)
{
	struct slot *s = arg;

	s->handle = NULL;
	if (incident_is_open(s->of->inc.state))
		intend_again(s);
	else
		slot_end(s, STEP_IN_DOUBT, "its runner was stopped before it could say how the command ended");
	engine_advance(s->of);
}

/* A runner that found no room for its result finds none in the same moment: the attempts are spread over seconds. */
static void repeat_soon(struct open_incident *l, struct slot *s)
{
	s->drop = drop_pause;
	s->handle = loop_timer_at(l->engine->o.loop, clock_mono_us() + s->ch.attempt * DOUBT_PAUSE_US, on_paused, s);
	if (!s->handle)
		intend_again(s);
}

static void on_command(void *arg, const struct command_outcome *o)
{
	struct slot *s = arg;
	struct open_incident *l = s->of;

	/* Its runner was killed while we live: the same rule as after a crash of ours, but not for ever. */
	if (o->end == COMMAND_IN_DOUBT && s->ch.attempt < DOUBTS_MAX && incident_is_open(l->inc.state) &&
	    may_repeat(l, s->ch.step_id))
		repeat_soon(l, s);
	else
		slot_end(s, state_of(o), o->text);
	engine_advance(l);
}

/* What follows a rollback may begin hours later, when somebody has lowered it further. */
static int32_t percentage_for(struct open_incident *l, const struct step *step)
{
	return step->phase == PHASE_FOLLOWUP
	               ? percentage_at_most(l->engine->reader, &l->plan->rollout, l->inc.pct_wanted)
	               : l->inc.pct_wanted;
}

static void run_command(struct open_incident *l, const struct step *step, const struct act *act)
{
	CLEANUP(json_cleanup) struct json_object *labels = NULL;
	struct slot *s = &l->slot[slot_of(step)];
	struct text_pair pairs[64];
	char name[ATTEMPT_NAME_SIZE], id[24];
	struct command *c = NULL;

	snprintf(id, sizeof(id), "%lld", (long long)step->id);
	struct command_env env = {.incident_id = l->id,
	                          .step = id,
	                          .attempt = step->attempts,
	                          .rollout = l->inc.rollout,
	                          .pct = percentage_for(l, step),
	                          .labels = pairs};
	env.n_labels = first_labels(l, &labels, pairs, ARRAY_LEN(pairs));
	attempt_name(l->engine->o.db, s->ch.step_id, s->ch.attempt, name);
	int r = command_start(l->engine->o.loop, l->engine->o.runner, l->engine->commands, name, act, &env, on_command,
	                      s, &c);
	if (r == -EEXIST && s->ch.attempt < DOUBTS_MAX) {
		intend_again(s); /* what an older life left: the next number is free */
		return;
	}
	if (r < 0) {
		end_errno(s, "the command could not be started", r);
		return;
	}
	s->handle = c;
	s->drop = drop_command;
}

/* --- HTTP --- */

static void drop_http(struct open_incident *l, struct slot *s)
{
	(void)l;
	http_step_cancel(s->handle);
}

static void on_http(void *arg, const struct http_step_result *r)
{
	struct slot *s = arg;
	struct open_incident *l = s->of;

	slot_end(s, r->done ? STEP_DONE : STEP_FAILED, r->text);
	engine_advance(l);
}

static void run_http(struct open_incident *l, const struct step *step, const struct act *act)
{
	struct slot *s = &l->slot[slot_of(step)];
	struct http_step *h = NULL;
	char key[STEP_KEY_SIZE];

	step_key(l->engine->o.db, l->id, step->id, step->ended_at_us ? step->ended_at_us : l->inc.opened_at_us, key);
	int r = http_step_start(l->engine->o.loop, act, percentage_for(l, step), key, on_http, s, &h);
	if (r < 0) {
		end_errno(s, "the request could not be sent", r);
		return;
	}
	s->handle = h;
	s->drop = drop_http;
}

/* --- beginning --- */

static void begin_act(struct open_incident *l, const struct step *step)
{
	CLEANUP(json_cleanup) struct json_object *tree = NULL;
	struct act act = {0};
	int r = read_act(step, &tree, &act);

	struct slot *s = &l->slot[slot_of(step)];
	slot_begin(s, step, step->attempts);
	if (step->phase != PHASE_FOLLOWUP)
		l->seen.there = -1; /* before this act */
	if (r < 0)
		end_errno(s, "the step cannot be read", r);
	else if (act.kind == ACT_HTTP)
		run_http(l, step, &act);
	else
		run_command(l, step, &act);
	act_free(&act);
}

/* A drill looks whether the step could be done, and does nothing: this is the one place where steps begin, or begin
 * again. */
static bool rehearse(struct open_incident *l, const struct step *step)
{
	struct slot *s = &l->slot[slot_of(step)];
	char text[400];

	if (kind_of(&l->inc)->acts || step->kind == STEP_FLAGS)
		return false; /* a flags step looks by itself */
	slot_begin(s, step, step->attempts);
	enum step_state outcome = rehearse_act(step, l->engine->o.runner, text, sizeof(text));
	slot_end(s, outcome, text);
	return true;
}

/* It has not begun, and is to be done as before. */
static bool wait_for_file(struct open_incident *l, const struct step *step)
{
	struct slot *s = &l->slot[slot_of(step)];
	struct situation now = situation_of(l);
	char why[256];

	if (!file_comes_first(&now, step, why, sizeof(why)))
		return false;
	slot_begin(s, step, step->attempts);
	slot_end(s, STEP_TODO, why);
	return true;
}

void act_begin(struct open_incident *l, const struct step *step)
{
	assert(l && l->plan && thread_may(THREAD_ENGINE));
	FAILPOINT(FAIL_STEP_INTENT_COMMITTED);
	if (rehearse(l, step) || wait_for_file(l, step))
		return;
	if (step->kind == STEP_FLAGS)
		act_write_flags(l, step);
	else
		begin_act(l, step);
}

/* --- recovery: the step is running on disk, and nobody here runs it --- */

static void on_resolved(void *arg, const struct command_outcome *o)
{
	struct slot *s = arg;
	struct open_incident *l = s->of;
	bool doubt = o->end == COMMAND_IN_DOUBT;

	if (!incident_is_open(l->inc.state))
		slot_end(s, o->end == COMMAND_NOT_STARTED ? STEP_SKIPPED : state_of(o), o->text);
	else if (o->end == COMMAND_NOT_STARTED || (doubt && may_repeat(l, s->ch.step_id)))
		repeat(l, s);
	else
		slot_end(s, state_of(o), o->text);
	engine_advance(l);
}

static void recover_command(struct open_incident *l, struct slot *s)
{
	struct command *c = NULL;
	char name[ATTEMPT_NAME_SIZE];

	attempt_name(l->engine->o.db, s->ch.step_id, s->ch.attempt, name);
	int r = command_resolve(l->engine->o.loop, l->engine->commands, name, on_resolved, s, &c);
	if (r == -ENOENT && !incident_is_open(l->inc.state)) {
		slot_end(s, STEP_SKIPPED, "nothing of it was begun");
		return;
	}
	if (r == -ENOENT) {
		repeat(l, s); /* nothing of this attempt ever reached the disk */
		return;
	}
	if (r < 0) {
		slot_end(s, STEP_IN_DOUBT, "what became of the command could not be found out");
		return;
	}
	s->handle = c;
	s->drop = drop_command;
}

static void on_reprobe(void *arg, const struct verify_result *r)
{
	struct slot *s = arg;
	struct open_incident *l = s->of;

	if (r->acknowledged.state == STATUS_YES)
		slot_end(s, STEP_DONE, "found done after a restart: the service is at the wanted percentage");
	else if (may_repeat(l, s->ch.step_id))
		repeat(l, s);
	else
		slot_end(s, STEP_IN_DOUBT, "a crash came between the request and its answer; it is not repeated");
	engine_advance(l);
}

static void recover_http(struct open_incident *l, struct slot *s)
{
	struct verify *p = NULL;

	if (verify_start(l->engine->o.loop, l->plan, incident_wanted(&l->inc), clock_mono_us(), NULL, on_reprobe, s,
	                 &p) < 0) {
		repeat(l, s);
		return;
	}
	s->handle = p;
	s->drop = drop_round;
}

/* What the checks say tells nothing about a step that follows the rollback. */
static void again_or_doubt(struct open_incident *l, struct slot *s)
{
	if (may_repeat(l, s->ch.step_id))
		intend_again(s);
	else
		slot_end(s, STEP_IN_DOUBT, "a crash came between the request and its answer; it is not repeated");
}

static void on_waited(void *arg)
{
	struct slot *s = arg;
	struct open_incident *l = s->of;

	slot_end(s, STEP_SKIPPED, "broken off: something else took its place");
	engine_advance(l);
}

static void drop_wait(struct open_incident *l, struct slot *s)
{
	loop_timer_cancel(l->engine->o.loop, s->handle);
}

/* A request that nobody here listens to any more may still be carried out over there, as long as it had time. */
static void wait_for_request(struct open_incident *l, struct slot *s, const struct step *step)
{
	CLEANUP(json_cleanup) struct json_object *tree = NULL;
	struct act act = {0};
	int64_t limit = read_act(step, &tree, &act) == 0 ? act.timeout_us : 0;
	int64_t left = step->started_at_us + limit - db_now(l->engine->o.db);

	act_free(&act);
	left = left < 0 ? 0 : left > limit ? limit : left;
	s->drop = drop_wait;
	s->handle = loop_timer_at(l->engine->o.loop, clock_mono_us() + left, on_waited, s);
	if (!s->handle)
		slot_end(s, STEP_SKIPPED, "broken off: something else took its place");
}

/* The incident is over: nothing is repeated, but what runs is seen to its end. */
void act_watch_end(struct open_incident *l, const struct step *step)
{
	struct slot *s = &l->slot[slot_of(step)];

	slot_begin(s, step, step->attempts);
	if (step->kind == STEP_COMMAND)
		recover_command(l, s);
	else if (step->kind == STEP_HTTP && step->phase != PHASE_FOLLOWUP)
		wait_for_request(l, s, step);
	else
		slot_end(s, STEP_SKIPPED, "broken off: its incident was over when rollbackd started");
}

void act_recover(struct open_incident *l, const struct step *step)
{
	if (step->started_at_us < l->engine->began_us)
		log_info("a step was under way when rollbackd stopped; finding out what became of it", "incident",
		         log_num(l->id), "step", step->name);
	FAILPOINT(FAIL_STEP_INTENT_COMMITTED);
	if (rehearse(l, step))
		return;
	if (step->kind == STEP_FLAGS) {
		act_write_flags(l, step); /* reads first, writes only if it differs */
		return;
	}
	struct slot *s = &l->slot[slot_of(step)];
	slot_begin(s, step, step->attempts);
	if (step->kind == STEP_HTTP && step->phase != PHASE_FOLLOWUP)
		recover_http(l, s);
	else if (step->kind == STEP_HTTP)
		again_or_doubt(l, s);
	else
		recover_command(l, s);
}

static const struct step *step_in(const struct open_incident *l, const struct slot *s)
{
	for (size_t i = 0; i < l->steps.n; i++)
		if (l->steps.item[i].id == s->ch.step_id)
			return &l->steps.item[i];
	return NULL;
}

static void stop_one(struct open_incident *l, struct slot *s)
{
	const struct step *step = step_in(l, s);

	if (s->drop == drop_command) {
		command_stop(s->handle);
		return;
	}
	if (s->drop == drop_http || s->drop == drop_wait || is_lowering(s))
		return; /* it may be carried out over there whether we listen or not: its time limit ends it */
	s->drop(l, s);
	if (step && step->kind == STEP_HTTP)
		wait_for_request(l, s, step);
	else
		slot_end(s, STEP_SKIPPED, "broken off: something else took its place");
}

/* Its incident gave way: what runs is to end at once, and to be seen to have ended. */
void acts_stop(struct open_incident *l)
{
	for (size_t i = 0; i < ARRAY_LEN(act_slots); i++) {
		struct slot *s = &l->slot[act_slots[i]];

		if (!s->busy || s->stopped || !s->handle)
			continue;
		s->stopped = true;
		stop_one(l, s);
	}
}

void acts_drop(struct open_incident *l)
{
	for (int i = 0; i < SLOT_N; i++)
		if (l->slot[i].busy && l->slot[i].handle) {
			l->slot[i].drop(l, &l->slot[i]);
			l->slot[i].busy = false;
		}
}
