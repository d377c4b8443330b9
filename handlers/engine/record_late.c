#include "handlers/engine/record_private.h"

#include <assert.h>

#include "handlers/incident/kinds.h"
#include "handlers/incident/move.h"
#include "handlers/incident/open.h"
#include "handlers/settings/snapshot.h"
#include "server/core/text.h"

int record_acts_open(struct work *w, bool *ret)
{
	assert(w && ret);
	struct step_list l = {0};
	struct situation now;
	int64_t elsewhere = 0;
	int r = record_situation(w, &l, &now);

	*ret = r == 0 && acts_are_open(&now);
	step_list_free(&l);
	if (r == 0)
		r = step_running_elsewhere(db_tx_conn(w->tx), w->inc.rollout, w->inc.id, &elsewhere);
	*ret |= elsewhere > 0;
	return r;
}

/* It was rolled back without us, or before a start, and no step runs in that state. */
static int ask_where_it_is(struct work *w, struct incident *open)
{
	CLEANUP(plan_cleanup) struct plan *plan = NULL;
	int r = plan_get(db_tx_conn(w->tx), open->config, &plan);

	if (r < 0)
		return r;
	incident_ask(open, &plan->rollout, w->now);
	r = incident_move(w->tx, w->settings, open, EV_ASK, "rollbackd", "what gave way to it has ended late");
	return r < 0 ? r : 0;
}

/* Nothing that the incident has done or seen so far is the last word. One that has done nothing yet asks: what it is
 * told from now on counts. */
static int act_once_more(struct work *w, struct incident *open)
{
	if (!kind_of(open)->lowers || open->state == INC_HELD || open->state == INC_PENDING)
		return 0;
	if (open->state == INC_ROLLED_BACK)
		return ask_where_it_is(w, open);
	open->evidence_since_us = w->now;
	open->verify_passes = 0;
	open->next_probe_us = w->now;
	int r = incident_save(w->tx, open);
	return r < 0 || !open->started_at_us ? r : trigger_add_steps(w->tx, open);
}

int record_late_outcome(struct work *w)
{
	struct incident open = {0};

	assert(!incident_is_open(w->inc.state) && w->ch->kind == CHANGE_OUTCOME);
	if (w->step.state != STEP_RUNNING || w->step.attempts != w->ch->attempt)
		return 0;
	w->step.state = w->ch->outcome;
	w->step.ended_at_us = w->now;
	int r = text_set(&w->step.output, w->ch->text ? w->ch->text : "");
	if (r == 0)
		r = step_save(w->tx, &w->step);
	if (r == 0)
		r = record_note(w, "ended late", w->step.name);
	if (r < 0 || (w->step.phase != PHASE_APPLY && w->step.phase != PHASE_FALLBACK))
		return r < 0 ? r : 1;
	r = incident_open_of(db_tx_conn(w->tx), w->inc.rollout, &open);
	if (r == 1)
		r = act_once_more(w, &open);
	incident_free(&open);
	return r < 0 ? r : 1;
}
