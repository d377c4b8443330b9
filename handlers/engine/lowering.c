/*
 * Flags files that are lowered by threads of their own (handlers/steps/flags_writer.h), so that the engine waits for no
 * disk. Most begin before the engine has read the incident: right after the commit of the intention, by whoever
 * committed it.
 */
#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/steps/flags_writer.h"
#include "server/core/clock.h"
#include "server/core/thread.h"

/* So long the outcome of one file waits for the files that are being written beside it: their outcomes are one commit,
 * and the commands that follow, which take a processor for milliseconds each, do not come before the last file. */
#define HOLD_US (50 * US_PER_MS)

struct lowering {
	struct flags_task task; /* first */
	struct lowering *next;
	struct engine *engine;
	int64_t incident;
	struct slot *slot; /* whom it is told; NULL: nobody has asked yet */
	bool ended;        /* and not told */
	bool forgotten;    /* nobody will ask */
};

static void lowering_free(struct lowering *w)
{
	free(w->task.path);
	free(w->task.key);
	free(w);
}

static void remove_from_list(struct lowering *w)
{
	struct engine *e = w->engine;

	pthread_mutex_lock(&e->lock);
	struct lowering **at = &e->lowerings;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	pthread_mutex_unlock(&e->lock);
}

static void tell(struct lowering *w)
{
	assert(w->slot && w->slot->of && w->slot->busy);
	struct slot *s = w->slot;

	remove_from_list(w);
	s->handle = NULL;
	flags_written(s, w->task.result, &w->task.change, w->task.why);
	lowering_free(w);
}

/* NULL: there is none. */
static struct lowering *first_to_tell(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	struct lowering *w = e->lowerings;
	while (w && !(w->ended && w->slot))
		w = w->next;
	pthread_mutex_unlock(&e->lock);
	return w;
}

static void tell_all(struct engine *e)
{
	struct lowering *w;

	loop_timer_cancel(e->o.loop, e->held_outcomes);
	e->held_outcomes = NULL;
	while ((w = first_to_tell(e)) != NULL) {
		struct slot *s = w->slot;

		tell(w);
		if (!s->busy)
			engine_advance(s->of);
	}
}

static void on_held(void *arg)
{
	struct engine *e = arg;

	e->held_outcomes = NULL;
	tell_all(e);
}

/* True: others are still being written. */
static bool one_less(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	assert(e->lowering > 0);
	bool others = --e->lowering > 0;
	pthread_mutex_unlock(&e->lock);
	return others;
}

static void on_lowered(void *arg)
{
	assert(thread_may(THREAD_ENGINE));
	struct lowering *w = arg;
	struct engine *e = w->engine;
	bool others = one_less(e);

	w->ended = true;
	if (w->forgotten) {
		remove_from_list(w);
		lowering_free(w);
	}
	if (others && !e->held_outcomes)
		e->held_outcomes = loop_timer_at(e->o.loop, clock_mono_us() + HOLD_US, on_held, e);
	if (!others || !e->held_outcomes)
		tell_all(e);
}

static void lowered(struct flags_task *t)
{
	struct lowering *w = (struct lowering *)t;

	if (loop_post(w->engine->o.loop, on_lowered, w) < 0)
		abort(); /* out of memory: a crash is safe, an outcome that nobody hears of is not */
}

static int begin(struct engine *e, int64_t incident, const char *path, const char *key, int32_t pct, struct slot *s,
                 struct lowering **ret)
{
	assert(e->o.flags && incident > 0 && path && key);
	struct lowering *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct lowering) {.task = {.path = strdup(path), .key = strdup(key), .pct = pct, .done = lowered},
	                        .engine = e,
	                        .incident = incident,
	                        .slot = s};
	if (!w->task.path || !w->task.key) {
		lowering_free(w);
		return -ENOMEM;
	}
	pthread_mutex_lock(&e->lock);
	w->next = e->lowerings;
	e->lowerings = w;
	e->lowering++;
	pthread_mutex_unlock(&e->lock);
	int r = flags_writer_submit(e->o.flags, &w->task);
	if (r < 0) {
		one_less(e);
		remove_from_list(w);
		lowering_free(w);
		return r;
	}
	if (ret)
		*ret = w;
	return 0;
}

/* Out of memory, or about to stop: the engine does it when it gets there, now or after the start. */
void engine_lower(struct engine *e, int64_t incident, const char *path, const char *key)
{
	assert(e && thread_may(THREAD_WRITER));
	if (e->o.flags)
		(void)!begin(e, incident, path, key, 0, NULL, NULL);
}

/* What was begun for that incident and is nobody's yet. */
static struct lowering *find(struct engine *e, int64_t incident)
{
	struct lowering *found = NULL;

	pthread_mutex_lock(&e->lock);
	for (struct lowering *w = e->lowerings; w && !found; w = w->next)
		if (w->incident == incident && !w->slot && !w->forgotten)
			found = w;
	pthread_mutex_unlock(&e->lock);
	return found;
}

static void forget(struct lowering *w)
{
	w->forgotten = true;
	if (!w->ended)
		return;
	remove_from_list(w);
	lowering_free(w);
}

static void drop_lowering(struct open_incident *l, struct slot *s)
{
	struct lowering *w = s->handle;

	(void)l;
	w->slot = NULL;
	forget(w);
}

bool is_lowering(const struct slot *s)
{
	assert(s);
	return s->drop == drop_lowering;
}

static bool does_the_same(const struct lowering *w, const struct rollout *r, int32_t pct)
{
	return w->task.pct == pct && !strcmp(w->task.path, r->flags_file) && !strcmp(w->task.key, r->flags_key);
}

int lowering_start(struct slot *s, int32_t pct)
{
	assert(s && s->busy && thread_may(THREAD_ENGINE));
	struct open_incident *l = s->of;
	const struct rollout *r = &l->plan->rollout;
	struct lowering *w = find(l->engine, l->id);

	if (w && does_the_same(w, r, pct))
		w->slot = s;
	else
		w = NULL;
	int e = w ? 0 : begin(l->engine, l->id, r->flags_file, r->flags_key, pct, s, &w);
	if (e < 0)
		return e;
	s->handle = w;
	s->drop = drop_lowering;
	if (w->ended && !l->engine->held_outcomes)
		tell(w);
	return 0;
}

void lowering_forget(struct engine *e, int64_t incident)
{
	struct lowering *w;

	while ((w = find(e, incident)) != NULL)
		forget(w);
}

void lowerings_free(struct engine *e)
{
	struct lowering *w;

	loop_timer_cancel(e->o.loop, e->held_outcomes);
	while ((w = e->lowerings) != NULL) {
		e->lowerings = w->next;
		lowering_free(w);
	}
}
