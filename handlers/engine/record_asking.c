#include "handlers/engine/record_private.h"

#include <assert.h>
#include <errno.h>

#include "handlers/incident/kinds.h"
#include "handlers/incident/move.h"
#include "handlers/incident/open.h"
#include "server/core/text.h"

#define UNKNOWN_ROUNDS_MAX 3 /* each bounded by its checks' time limits */

/* What a round says about whether anything has to be done. */
enum asked {
	ASKED_WAIT,   /* not known yet: another round */
	ASKED_THERE,  /* at or below the target, and so is the file */
	ASKED_ABOVE,  /* above it, or nobody can tell and 0 % is wanted, which cannot raise */
	ASKED_NOBODY, /* nobody can tell within their bounds, and more than 0 % is wanted */
};

/* It has acted since it was told to, and only looks again because somebody else asked. */
static bool acted(const struct incident *inc)
{
	return inc->applied_at_us && !inc->rolled_back_at_us && !inc->already_there;
}

static bool file_is_above(const struct work *w)
{
	return w->plan->rollout.flags_file && w->ch->written != STATUS_YES;
}

/* One instance is above, another has not said where it is: more than 0 % might raise that one. */
static bool might_raise(const struct work *w)
{
	return w->inc.pct_wanted > 0 && w->ch->partial;
}

/* Does the round leave open what has to be known? */
static bool is_open(const struct work *w)
{
	return w->ch->acknowledged == STATUS_UNKNOWN || (w->ch->acknowledged == STATUS_NO && might_raise(w));
}

static enum asked judge_unknown(const struct work *w)
{
	if (w->ch->stale && !w->ch->deadline_passed)
		return ASKED_WAIT;
	if (acted(&w->inc))
		return ASKED_WAIT; /* verification's own time limit is running */
	if (w->inc.pct_wanted == 0)
		return ASKED_ABOVE;
	if (!w->ch->asked && w->ch->file >= 0)
		return w->ch->file > w->inc.pct_wanted ? ASKED_ABOVE : ASKED_NOBODY;
	return w->ch->deadline_passed || w->inc.unknown_rounds >= UNKNOWN_ROUNDS_MAX ? ASKED_NOBODY : ASKED_WAIT;
}

static enum asked judge(const struct work *w)
{
	switch (w->ch->acknowledged) {
	case STATUS_YES:
		if (file_is_above(w))
			return ASKED_ABOVE;
		if (!w->wants_effect || w->ch->effective == STATUS_YES)
			return ASKED_THERE;
		return w->ch->deadline_passed ? ASKED_ABOVE : ASKED_WAIT;
	case STATUS_NO:
		if (might_raise(w) && !acted(&w->inc))
			return judge_unknown(w);
		/* An apply needs its time before it can be seen. */
		return acted(&w->inc) && w->now < w->inc.applied_at_us + w->plan->rollout.verify_delay_us ? ASKED_WAIT
		                                                                                          : ASKED_ABOVE;
	case STATUS_UNKNOWN:
		return judge_unknown(w);
	}
	return ASKED_WAIT;
}

/* Never more than is there: neither what the service was seen at, nor what the file holds. */
static int32_t at_most(const struct work *w)
{
	const struct playbook *p = &w->plan->playbook;
	bool seen = w->ch->acknowledged != STATUS_UNKNOWN && w->ch->seen >= 0;
	int32_t to = w->inc.pct_wanted;

	if (seen && p->previous_stage) {
		int32_t previous = stage_previous(w->settings, &w->plan->rollout, w->inc.stage, w->ch->seen);
		to = previous < to ? previous : to;
	}
	if (seen && w->ch->least >= 0 && w->ch->least < to)
		to = w->ch->least; /* instances differ: what is applied, the lowest gets, too */
	return w->ch->file >= 0 && w->ch->file < to ? w->ch->file : to;
}

static int begin(struct work *w, const char *note)
{
	bool started = w->inc.started_at_us && !w->inc.rolled_back_at_us && !w->inc.failed_at_us;
	enum incident_event ev = acted(&w->inc) || started ? EV_AGAIN : EV_ABOVE;

	if (!acted(&w->inc))
		w->inc.verify_until_us = 0;
	w->inc.pct_wanted = at_most(w);
	int r = record_note(w, "not there", note);
	if (r == 0)
		r = record_verify_step(w, STEP_RUNNING);
	if (r == 0)
		r = incident_move(w->tx, w->settings, &w->inc, ev, "rollbackd", NULL);
	return r == 1 ? trigger_add_steps(w->tx, &w->inc) : r;
}

static int nobody_can_tell(struct work *w)
{
	char to[16];

	text_pct(w->inc.pct_wanted, to, sizeof(to));
	CLEANUP(cleanup_free)
	char *text = text_format(
		"where it is cannot be told (%s), so a rollback to %s%% might raise it. Rolling back to 0%%",
		w->ch->acknowledged_note ? w->ch->acknowledged_note : "no answer", to);
	int r = text ? record_page(w, ANNOUNCE_THERE_UNKNOWN, text) : -ENOMEM;

	w->inc.pct_wanted = 0;
	return r < 0 ? r : begin(w, text);
}

static int there(struct work *w)
{
	bool open = false;

	w->inc.verify_passes++;
	int r = record_acts_open(w, &open);
	if (r == 0 && !w->inc.rolled_back_at_us && !acted(&w->inc))
		w->inc.already_there = true;
	if (r == 0)
		r = incident_save(w->tx, &w->inc);
	if (r < 0 || open || w->inc.verify_passes < w->plan->rollout.passes)
		return r < 0 ? r : record_verify_step(w, STEP_RUNNING);
	return record_seen(w, w->inc.rolled_back_at_us ? EV_CONFIRMED : EV_SEEN);
}

int record_asking(struct work *w)
{
	assert(w->inc.asking);
	w->inc.verify_rounds++;
	w->inc.unknown_rounds = is_open(w) && !w->ch->stale ? w->inc.unknown_rounds + 1 : 0;
	enum asked what = judge(w);
	if (what != ASKED_THERE)
		w->inc.verify_passes = 0;
	if (acted(&w->inc) && w->ch->deadline_passed && what != ASKED_THERE)
		return record_deadline(w);
	int r = incident_save(w->tx, &w->inc);
	if (r < 0)
		return r;
	switch (what) {
	case ASKED_THERE:
		return there(w);
	case ASKED_ABOVE:
		return begin(w, w->ch->acknowledged == STATUS_NO || w->ch->acknowledged == STATUS_YES
		                        ? w->ch->acknowledged_note
		                        : "nobody can tell where it is; to 0% nothing can be raised");
	case ASKED_NOBODY:
		return nobody_can_tell(w);
	case ASKED_WAIT:
		break;
	}
	return record_verify_step(w, STEP_RUNNING);
}
