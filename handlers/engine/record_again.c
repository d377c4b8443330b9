/*
 * Steps that were done, and did not last: an instance came back with what it had, somebody set it, a reload was lost.
 * As long as the incident is open and the service is seen above the target, or nobody can tell and 0 is wanted, which
 * raises nothing, they are done again.
 */
#include "handlers/engine/record_private.h"

#include <assert.h>

#include "handlers/engine/retry.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open.h"
#include "server/core/clock.h"

#define AGAIN_US    (60 * US_PER_S)
#define DOUBT_US    (5 * US_PER_S) /* at first: a reload that read half a file is mended soon */
#define DOUBT_TIMES 4              /* nobody reloads a service for ever because its monitoring is down */

/* 0: not again. */
static int64_t pause_us(const struct step_list *l, bool above)
{
	int32_t attempts = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->item[i].phase == PHASE_APPLY && l->item[i].attempts > attempts)
			attempts = l->item[i].attempts;
	return above ? AGAIN_US : attempts >= DOUBT_TIMES ? 0 : DOUBT_US + retry_pause_us(attempts);
}

static size_t steps_of_apply(const struct work *w)
{
	return w->plan->rollout.n_apply + (w->plan->rollout.flags_file != NULL);
}

/* Somebody met the incident while it acted, and it was asked whether there is anything to do: what was to be done then
 * was passed over, and nobody has said since that it is there. */
static bool was_passed_over(const struct work *w, const struct step_list *l)
{
	size_t left = steps_of_apply(w);
	bool skipped = false;

	for (size_t i = l->n; left > 0 && i-- > 0;)
		if (l->item[i].phase == PHASE_APPLY) {
			left--;
			skipped |= l->item[i].state == STEP_SKIPPED;
		}
	return skipped || left > 0;
}

/* The rows of the last apply serve again: their attempts are counted, and an incident that nobody ends does not grow.
 */
static int do_last_apply_again(struct work *w, const struct step_list *l)
{
	size_t left = steps_of_apply(w);
	int r = 0;

	for (size_t i = l->n; r == 0 && left > 0 && i-- > 0;)
		if (l->item[i].phase == PHASE_APPLY) {
			left--;
			if (l->item[i].state != STEP_DONE) /* the failed ones have a time of their own */
				continue;
			l->item[i].state = STEP_TODO;
			r = step_save(w->tx, &l->item[i]);
		}
	return r;
}

int record_apply_again(struct work *w, bool above)
{
	assert(w && w->tx);
	struct step_list l = {0};
	bool open = false;
	int64_t ago = w->now - w->inc.evidence_since_us;

	assert(w->inc.state == INC_FAILED);
	if (!kind_of(&w->inc)->lowers || !kind_of(&w->inc)->acts || (ago >= 0 && ago < (above ? AGAIN_US : DOUBT_US)))
		return 0; /* below 0: the clock was set back meanwhile */
	int r = record_acts_open(w, &open);
	if (r < 0 || open)
		return r;
	r = step_of_incident(db_tx_conn(w->tx), w->inc.id, &l);
	int64_t pause = pause_us(&l, above);
	bool anew = was_passed_over(w, &l), there = w->ch->acknowledged == STATUS_YES;
	/* Only the file is above: what was done to it is done again by itself. */
	bool due = pause && (ago < 0 || ago >= pause) && (anew || !there);
	if (r == 0 && due && w->inc.pct_wanted > 0) { /* somebody may have lowered a part of it further meanwhile */
		step_list_free(&l);
		r = incident_ask_anew(w->tx, w->settings, &w->inc, w->plan, w->ch->acknowledged_note);
		return r < 0 ? r : 1;
	}
	if (r == 0 && due)
		r = anew ? trigger_add_steps(w->tx, &w->inc) : do_last_apply_again(w, &l);
	step_list_free(&l);
	if (r < 0 || !due)
		return r;
	w->inc.evidence_since_us = w->now;
	if (r == 0)
		r = record_note(w, "apply again", w->ch->acknowledged_note);
	r = r < 0 ? r : incident_save(w->tx, &w->inc);
	return r < 0 ? r : 0;
}
