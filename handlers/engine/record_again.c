/*
 * Steps that were done, and did not last: an instance came back with what it had, somebody set it, a reload was lost.
 * As long as the incident is open and the service is seen above the target, they are done again.
 */
#include "handlers/engine/record_private.h"

#include <assert.h>

#include "handlers/incident/kinds.h"
#include "server/core/clock.h"

#define AGAIN_US (60 * US_PER_S)

/* The rows of the last apply serve again: their attempts are counted, and an incident that nobody ends does not grow.
 */
static int do_last_apply_again(struct work *w, const struct step_list *l)
{
	size_t left = w->plan->rollout.n_apply + (w->plan->rollout.flags_file != NULL);
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

int record_apply_again(struct work *w)
{
	struct step_list l = {0};
	bool open = false;
	int64_t ago = w->now - w->inc.evidence_since_us;

	assert(w->inc.state == INC_FAILED);
	if (!kind_of(&w->inc)->lowers || !kind_of(&w->inc)->acts || (ago >= 0 && ago < AGAIN_US))
		return 0; /* below 0: the clock was set back meanwhile */
	int r = record_acts_open(w, &open);
	if (r < 0 || open)
		return r;
	r = step_of_incident(db_tx_conn(w->tx), w->inc.id, &l);
	if (r == 0)
		r = do_last_apply_again(w, &l);
	step_list_free(&l);
	w->inc.evidence_since_us = w->now;
	if (r == 0)
		r = record_note(w, "apply again", w->ch->acknowledged_note);
	return r < 0 ? r : incident_save(w->tx, &w->inc);
}
