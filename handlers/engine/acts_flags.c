#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "handlers/engine/rehearsal.h"
#include "handlers/incident/kinds.h"
#include "handlers/steps/flags_file.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define FLAGS_SET_MAX     32 /* other flags of one stage; the config's reader knows it, too */
#define FLAGS_PAUSE_US    (20 * US_PER_MS)
#define FLAGS_PATIENCE_US (1 * US_PER_S) /* no longer do the other steps wait for a lock */

/* Entering a stage sets its other flags, too; a rollback writes nothing but the percentage. */
static int set_flags(struct open_incident *l, struct flags_change *change, char *why, size_t why_size)
{
	const struct rollout *r = &l->plan->rollout;
	const struct stage *st = rollout_stage(r, l->inc.stage);
	struct flags_value values[FLAGS_SET_MAX];
	size_t n = st ? st->n_set : 0;

	if (!kind_of(&l->inc)->enters)
		return flags_file_write(r->flags_file, r->flags_key, l->inc.pct_wanted, change, why, why_size);
	for (size_t i = 0; i < n && i < FLAGS_SET_MAX; i++)
		values[i] = (struct flags_value) {st->set[i].name, st->set[i].value};
	return flags_file_set(r->flags_file, r->flags_key, l->inc.pct_before, l->inc.pct_wanted, values,
	                      n < FLAGS_SET_MAX ? n : FLAGS_SET_MAX, change, why, why_size);
}

void drop_pause(struct open_incident *l, struct slot *s)
{
	loop_timer_cancel(l->engine->o.loop, s->handle);
}

static void write_flags_now(struct slot *s);

static void on_pause(void *arg)
{
	struct slot *s = arg;

	s->handle = NULL;
	write_flags_now(s);
	if (!s->busy)
		engine_advance(s->of);
}

/* Somebody else is at it, for an instant as a rule: this thread does not wait, and nor is it a failure at once. */
static bool pause_flags(struct slot *s, int err)
{
	int64_t now = clock_mono_us();

	if ((err != -EBUSY && err != -EAGAIN) || now >= s->until_us)
		return false;
	s->handle = loop_timer_at(s->of->engine->o.loop, now + FLAGS_PAUSE_US, on_pause, s);
	s->drop = drop_pause;
	return s->handle != NULL;
}

static void rehearse_flags_now(struct slot *s)
{
	struct open_incident *l = s->of;
	char text[400 + FLAGS_NOTE_MAX];
	int err = rehearse_flags(&l->plan->rollout, l->inc.pct_wanted, text, sizeof(text));

	if (err >= 0 || !pause_flags(s, err))
		slot_end(s, err < 0 ? STEP_FAILED : STEP_DONE, text);
}

void flags_written(struct slot *s, int err, const struct flags_change *change, const char *why)
{
	assert(s && s->busy && change && why && thread_may(THREAD_ENGINE));
	char text[FLAGS_TEXT_MAX];

	if (err < 0 && !s->stopped && pause_flags(s, err))
		return;
	if (err < 0) {
		s->ch.error = err;
		slot_end(s, STEP_FAILED, why);
		return;
	}
	s->ch.pct_after = change->after;
	flags_change_text(change, s->of->plan->rollout.flags_key, err == 1, text, sizeof(text));
	slot_end(s, STEP_DONE, text);
}

static void write_flags_now(struct slot *s)
{
	struct open_incident *l = s->of;
	struct flags_change change = {0};
	char why[256] = "";

	if (!kind_of(&l->inc)->acts) {
		rehearse_flags_now(s);
		return;
	}
	if (l->engine->o.flags && !kind_of(&l->inc)->enters && lowering_start(s, l->inc.pct_wanted) == 0)
		return;
	int err = set_flags(l, &change, why, sizeof(why));
	flags_written(s, err, &change, why);
}

void act_write_flags(struct open_incident *l, const struct step *step)
{
	assert(l && step && step->kind == STEP_FLAGS && thread_may(THREAD_ENGINE));
	struct slot *s = &l->slot[SLOT_FLAGS];

	slot_begin(s, step, step->attempts);
	s->until_us = clock_mono_us() + FLAGS_PATIENCE_US;
	if (l->plan->rollout.flags_file)
		write_flags_now(s);
	else /* between the intention and the act somebody met the incident, with another config in force */
		slot_end(s, STEP_SKIPPED, "the config in force has no flags file");
}
