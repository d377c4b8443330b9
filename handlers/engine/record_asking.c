#include "handlers/engine/record_private.h"

#include <assert.h>
#include <errno.h>

#include "handlers/engine/round.h"
#include "handlers/incident/move.h"
#include "handlers/incident/open.h"
#include "server/core/text.h"

/* It had been there and was raised since: what lowers it now has clocks of its own, from when it was asked about. */
static void decide_anew(struct work *w)
{
	struct incident *inc = &w->inc;

	inc->decided_at_us = inc->evidence_since_us;
	inc->onset_at_us = inc->acted_at_us = 0;
	inc->pct_before = w->ch->seen;
}

static int begin(struct work *w, const char *note)
{
	struct finding f = record_finding(w);
	bool started = w->inc.started_at_us && !w->inc.rolled_back_at_us && !w->inc.failed_at_us;
	enum incident_event ev = round_is_after_act(&w->inc) || started ? EV_AGAIN : EV_ABOVE;

	if (!round_is_after_act(&w->inc))
		w->inc.verify_until_us = 0;
	if (w->inc.rolled_back_at_us)
		decide_anew(w);
	w->inc.pct_wanted = round_target(&f);
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
	int r = record_acts_open(w, &open);

	if (r == 0 && !w->inc.rolled_back_at_us && !round_is_after_act(&w->inc))
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
	struct finding f = record_finding(w);
	enum asked_answer what = round_asked(&f);

	if (round_is_after_act(&w->inc) && w->ch->deadline_passed && what != ASKED_THERE)
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
