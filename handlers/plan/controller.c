#include "handlers/plan/controller.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/settings/current.h"
#include "handlers/plan/evaluate.h"
#include "handlers/plan/reconcile.h"
#include "handlers/readiness/drill_sender.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/thread.h"

#define JUDGED_MAX  16 /* waiting at once: each asks Prometheus */
#define WRITTEN_MAX 64 /* passes that wait for the others' answers, to be committed together */
#define ASKING_MAX  32 /* passes that ask at once; the next begins when one has its answers */

/* One pass over one rollout, from its questions to the commit. With asked: a person wants something that is judged by
 * it. */
struct round {
	struct round *next;
	struct controller *of;
	struct settings *settings;
	char *name;
	const struct rollout *rollout; /* of the settings; NULL: there is none of that name, and no latest */
	struct latest *latest;
	struct evaluating *evaluating; /* NULL: answered */
	struct evaluation ev;
	struct flags_look look;
	struct db_job job;
	/* of a person */
	bool asked;
	struct plan_request rq;
	plan_answer_fn *fn;
	void *arg;
	struct plan_outcome out;
	int64_t incident; /* a row for the engine; 0 none */
	int64_t drill;    /* a drill whose alert is to be sent; 0 none */
	char why[600];
};

struct latest {
	struct latest *next;
	char *rollout;
	struct evaluation ev;
	atomic_bool rehearse;   /* the flags file was told to be unusable: whether it is again is asked the act's own
	                           question */
	struct flags_look look; /* engine thread: the last one, by the config of that hash */
	char look_config[65];
};

struct controller {
	struct controller_options o;
	struct db_conn *reader;
	struct loop_timer *timer;
	struct drill_sender *drills;
	int64_t started_us;   /* mono */
	int64_t next_us;      /* mono */
	struct settings *due; /* of which the rollouts from due_at on have yet to be begun in this turn; NULL: none */
	size_t due_at;
	unsigned asking;                     /* engine thread: passes of a turn that wait for answers … */
	struct round *answered[WRITTEN_MAX]; /* … and those that have them */
	unsigned n_answered;
	pthread_mutex_t lock; /* guards the list of latest and their evaluations, rounds and judged */
	struct latest *latest;
	struct round *rounds; /* all that are under way */
	int judged;
};

/* With the lock held. NULL: out of memory. */
static struct latest *latest_of(struct controller *c, const char *rollout)
{
	struct latest *l;

	for (l = c->latest; l; l = l->next)
		if (!strcmp(l->rollout, rollout))
			return l;
	l = calloc(1, sizeof(*l));
	if (!l || !(l->rollout = strdup(rollout))) {
		free(l);
		return NULL;
	}
	l->ev = (struct evaluation) {.stage = -1, .seen = -1};
	l->next = c->latest;
	c->latest = l;
	return l;
}

/* --- the list of rounds --- */

static struct round *round_new(struct controller *c, const char *name)
{
	assert(c && name);
	struct round *r = calloc(1, sizeof(*r));

	if (!r || !(r->name = strdup(name))) {
		free(r);
		return NULL;
	}
	r->of = c;
	r->settings = current_settings();
	r->rollout = settings_rollout(r->settings, name);
	pthread_mutex_lock(&c->lock);
	r->latest = r->rollout ? latest_of(c, name) : NULL;
	r->next = c->rounds;
	c->rounds = r;
	pthread_mutex_unlock(&c->lock);
	return r;
}

static void round_free(struct round *r)
{
	evaluate_cancel(r->evaluating);
	evaluation_free(&r->ev);
	flags_look_free(&r->look);
	settings_unref(r->settings);
	json_object_put(r->out.missing);
	free(r->name);
	free(r);
}

static void round_end(struct round *r)
{
	struct controller *c = r->of;

	pthread_mutex_lock(&c->lock);
	struct round **at = &c->rounds;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	c->judged -= r->asked;
	pthread_mutex_unlock(&c->lock);
	round_free(r);
}

static void answer(struct round *r, int result)
{
	if (r->asked)
		r->fn(r->arg, &(struct plan_answer) {result, &r->out, r->why});
}

static bool is_under_way(struct controller *c, const char *rollout)
{
	bool yes = false;

	pthread_mutex_lock(&c->lock);
	for (const struct round *r = c->rounds; r; r = r->next)
		yes |= !r->asked && !strcmp(r->name, rollout);
	pthread_mutex_unlock(&c->lock);
	return yes;
}

/* --- what is known last --- */

static void publish(struct round *r)
{
	struct evaluation copy;

	if (evaluation_copy(&r->ev, &copy) < 0)
		return;
	pthread_mutex_lock(&r->of->lock);
	evaluation_free(&r->latest->ev);
	r->latest->ev = copy;
	pthread_mutex_unlock(&r->of->lock);
}

int controller_last(struct controller *c, const char *rollout, struct evaluation *ret)
{
	assert(c && rollout && ret);
	int r = 0;

	*ret = (struct evaluation) {.stage = -1, .seen = -1};
	pthread_mutex_lock(&c->lock);
	for (const struct latest *l = c->latest; l; l = l->next)
		if (!strcmp(l->rollout, rollout))
			r = evaluation_copy(&l->ev, ret);
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* --- committing --- */

static struct round *round_of(struct db_job *job)
{
	return (struct round *)((char *)job - offsetof(struct round, job));
}

static int round_run(struct db_tx *tx, struct db_job *job)
{
	struct round *r = round_of(job);
	assert(r->settings && r->rollout);
	if (r->asked) {
		int e = plan_act(tx, r->settings, &r->rq, &r->ev, &r->out, r->why, sizeof(r->why));

		r->incident = r->out.incident;
		return e;
	}
	return reconcile_write(tx, r->settings, r->rollout, &r->ev, &r->look, &r->of->o.last, &r->incident, &r->drill);
}

static void round_done(struct db_job *job, int result)
{
	struct round *r = round_of(job);
	struct controller *c = r->of;

	if (result < 0 && !r->asked && result != -ESHUTDOWN)
		log_error("a pass over a rollout could not be recorded; the next one follows", "rollout", r->name,
		          "err", strerror(-result));
	if (result >= 0 && !r->asked)
		atomic_store(&r->latest->rehearse, r->look.told);
	if (result >= 0 && r->incident)
		c->o.on_incident(c->o.arg, r->incident);
	if (result >= 0 && r->drill)
		drill_send(c->drills, r->settings, r->name, r->drill);
	if (result >= 0)
		c->o.on_outbox(c->o.arg);
	answer(r, result);
	round_end(r);
}

static void look_at_file(struct round *r, bool rehearse)
{
	struct latest *l = r->latest;

	if (strcmp(l->look_config, r->settings->sha) != 0) {
		l->look = (struct flags_look) {0};
		pthread_mutex_lock(&r->of->lock);
		l->ev.near_at_us = 0; /* which alerts are triggers may have changed */
		l->ev.near_known = false;
		pthread_mutex_unlock(&r->of->lock);
		snprintf(l->look_config, sizeof(l->look_config), "%s", r->settings->sha);
	}
	flags_look_again(r->rollout, db_now(r->of->o.db), rehearse, &l->look);
	r->look = l->look;
}

static void record(struct round *r)
{
	if (!r->asked) { /* the last thing before the writer's turn, and outside of it */
		look_at_file(r, atomic_load(&r->latest->rehearse));
		flags_look_values(r->rollout, &r->look);
	}
	r->job = (struct db_job) {.run = round_run, .done = round_done};
	int e = db_submit(r->of->o.db, &r->job, DB_NORMAL);
	if (e == 0)
		return;
	answer(r, e);
	round_end(r);
}

static void record_answered(struct controller *c)
{
	for (unsigned i = 0; i < c->n_answered; i++)
		record(c->answered[i]);
	c->n_answered = 0;
}

static void begin_due(struct controller *c);

/* Two hundred commits of one pass each cost more than all that is in them. */
static void on_evaluated(void *arg, struct evaluation *ev)
{
	struct round *r = arg;
	struct controller *c = r->of;

	r->evaluating = NULL;
	r->ev = *ev;
	publish(r);
	if (r->asked) {
		record(r);
		return;
	}
	assert(c->asking > 0 && c->n_answered < WRITTEN_MAX);
	c->asking--;
	c->answered[c->n_answered++] = r;
	begin_due(c);
	if (c->n_answered == WRITTEN_MAX || c->asking == 0)
		record_answered(c);
}

static void round_begin(struct round *r)
{
	assert(thread_may(THREAD_ENGINE) && r->settings && !r->evaluating);
	struct controller *c = r->of;
	int64_t now = db_now(c->o.db);
	int e = !r->rollout ? -ENOENT : !r->latest ? -ENOMEM : 0;

	if (e == 0) {
		look_at_file(r, false);
		e = evaluate_start(c->o.loop, c->reader, r->settings, r->rollout, &r->look, &r->latest->ev, now,
		                   now - (clock_mono_us() - c->started_us), on_evaluated, r, &r->evaluating);
	}
	if (e == 0) {
		c->asking += !r->asked;
		return;
	}
	if (!r->rollout)
		snprintf(r->why, sizeof(r->why), "there is no rollout %.100s", r->name);
	answer(r, e);
	round_end(r);
}

/* --- every so often --- */

/* Not all at once: two hundred rollouts with a check command each would leave no room for the children of a rollback's
 * own checks, and found none themselves beyond CHILDREN_MAX. */
static void begin_due(struct controller *c)
{
	while (c->due && c->asking < ASKING_MAX) {
		const char *name = c->due->rollouts[c->due_at].name;
		struct round *r = is_under_way(c, name) ? NULL : round_new(c, name);

		if (r)
			round_begin(r);
		if (++c->due_at == c->due->n_rollouts) {
			settings_unref(c->due);
			c->due = NULL;
		}
	}
}

/* A turn that is not through when the next is due is that one, too. */
static void on_timer(void *arg)
{
	assert(thread_may(THREAD_ENGINE));
	struct controller *c = arg;
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	int64_t now = clock_mono_us();

	c->next_us = c->next_us + s->evaluation_us > now ? c->next_us + s->evaluation_us : now + s->evaluation_us;
	c->timer = loop_timer_at(c->o.loop, c->next_us, on_timer, c);
	if (!c->timer)
		abort(); /* out of memory: rather a restart than a rollout that nobody looks after */
	if (!c->due && s->n_rollouts > 0) {
		c->due = TAKE(s);
		c->due_at = 0;
		begin_due(c);
	}
}

/* --- people --- */

static void judge_begin(void *arg)
{
	round_begin(arg);
}

static bool admit(struct controller *c)
{
	pthread_mutex_lock(&c->lock);
	bool ok = c->judged < JUDGED_MAX;
	c->judged += ok;
	pthread_mutex_unlock(&c->lock);
	return ok;
}

static void take_back(struct controller *c)
{
	pthread_mutex_lock(&c->lock);
	assert(c->judged > 0);
	c->judged--;
	pthread_mutex_unlock(&c->lock);
}

int controller_judge(struct controller *c, const struct plan_request *rq, plan_answer_fn *fn, void *arg)
{
	assert(c && rq && rq->rollout && fn && plan_move_is_judged(rq->move));
	if (!admit(c))
		return -EAGAIN;
	struct round *r = round_new(c, rq->rollout);
	if (!r) {
		take_back(c);
		return -ENOMEM;
	}
	r->asked = true;
	r->rq = *rq;
	r->fn = fn;
	r->arg = arg;
	int e = loop_post(c->o.loop, judge_begin, r);
	if (e < 0)
		round_end(r);
	return e;
}

/* --- life --- */

int controller_new(const struct controller_options *o, struct controller **ret)
{
	assert(o && o->loop && o->db && ret);
	struct controller *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct controller) {.o = *o, .started_us = clock_mono_us(), .next_us = clock_mono_us()};
	pthread_mutex_init(&c->lock, NULL);
	int r = db_reader_open(o->db, &c->reader);
	if (r == 0)
		r = drill_sender_new(o->loop, &c->drills);
	if (r == 0 && !(c->timer = loop_timer_at(o->loop, c->next_us, on_timer, c)))
		r = -ENOMEM;
	if (r < 0) {
		controller_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void controller_stop(struct controller *c)
{
	if (c)
		c->n_answered = 0; /* they are among all rounds */
	while (c && c->rounds) {
		struct round *r = c->rounds;

		answer(r, -ESHUTDOWN);
		round_end(r);
	}
}

void controller_free(struct controller *c)
{
	if (!c)
		return;
	loop_timer_cancel(c->o.loop, c->timer);
	settings_unref(c->due);
	while (c->latest) {
		struct latest *l = c->latest;

		c->latest = l->next;
		evaluation_free(&l->ev);
		free(l->rollout);
		free(l);
	}
	drill_sender_free(c->drills);
	db_reader_close(c->reader);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
