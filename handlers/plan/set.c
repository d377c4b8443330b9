#include "handlers/plan/actions_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"

/* Entering a stage again asks no gate. So one that lies ahead is taken by word only where the world is at it already.
 */
static bool skips_gates(const struct plan_act *w, const struct stage *to)
{
	assert(to);
	bool stands_there = !stage_is_elsewhere(w->s, to) && w->st.there == to->pct,
	     ahead = w->stage && to->number > w->stage->number;

	for (size_t i = 0; !w->stage && i < w->r->n_stages; i++)
		ahead |= w->r->stages[i].number < to->number;
	return ahead && !stands_there;
}

/* Rules leave a stage of another environment alone: with traffic here, nothing would be rolled back. */
static int may_be_elsewhere(struct plan_act *w, const struct stage *to)
{
	assert(to);
	const struct stage *at = stage_of_percentage(w->s, w->r, w->st.there);
	char pct[16], instead[200] = "";

	if (w->st.there == 0 && !rollout_state_above_zero(&w->st))
		return 0;
	if (w->st.there <= 0)
		return refuse(
			w, -EPERM,
			"stage %d is of environment %s, and that it is at 0%% here is not certain (%s): its triggers "
			"would not roll it back. First rollbackctl rollback %s, and see it verified",
			to->number, to->environment,
			w->st.there < 0 ? w->st.there_why : "it was last seen, or is wanted, above that", w->r->name);
	text_pct(w->st.there, pct, sizeof(pct));
	if (at)
		snprintf(instead, sizeof(instead), "say where it stands: rollbackctl stage set %.100s %d, or ",
		         w->r->name, at->number);
	return refuse(
		w, -EPERM,
		"stage %d is of environment %s, and it is at %s%% here: its triggers would not roll it back. %sroll "
		"back first: rollbackctl rollback %s",
		to->number, to->environment, pct, instead, w->r->name);
}

static int may_set(struct plan_act *w, const struct stage *to)
{
	char there[16], pct[16];

	if (w->rq->stage < 0)
		return refuse(w, -EINVAL, "say which stage (its number)");
	if (!to)
		return refuse(w, -ENOENT, "there is no stage %d", w->rq->stage);
	if (w->st.open)
		return refuse(w, -EPERM, "incident %lld is open", (long long)w->st.open);
	if (w->st.p.restart_at >= 0 && to->number > w->st.p.restart_at)
		return refuse(w, -EPERM, "after the last incident it starts again from stage %d only",
		              w->st.p.restart_at);
	text_pct(w->st.there, there, sizeof(there));
	text_pct(to->pct, pct, sizeof(pct));
	if (skips_gates(w, to) && !(w->rq->force && plan_reason(w)))
		return refuse(w, w->rq->force ? -EINVAL : -EPERM,
		              "it is at %s%s, stage %d has %s%%: that would skip the gates before it; "
		              "advance, or say why not: --force --reason TEXT",
		              there, w->st.there < 0 ? "" : "%", to->number, pct);
	if (stage_is_elsewhere(w->s, to))
		return may_be_elsewhere(w, to);
	if (w->st.there >= 0 && w->st.there <= to->pct)
		return 0;
	return refuse(w, -EPERM, "it is at %s%s, stage %d has %s%%: roll back first", there, w->st.there < 0 ? "" : "%",
	              to->number, pct);
}

/* The plan begins with its first stage; or, where nobody knows when it began, here. */
static int note_began(struct plan_act *w, const struct stage *to)
{
	assert(to);
	struct plan_began began = {0};
	bool first = true;

	for (size_t i = 0; i < w->r->n_stages; i++)
		first &= w->r->stages[i].number >= to->number;
	int r = plan_began_load(db_tx_conn(w->tx), w->r->name, &began);
	if (r == 0 && (!began.at_us || (first && w->st.p.restart_at < 0)))
		r = plan_began_save(w->tx, w->r->name, &(struct plan_began) {db_tx_now(w->tx), to->number});
	return r;
}

static int move_to(struct plan_act *w, const struct stage *to, bool entered)
{
	int r = note_began(w, to);

	w->st.row.stage = to->number;
	w->st.row.stage_since_us = db_tx_now(w->tx);
	if (r == 0 && !w->st.row.name)
		r = text_set(&w->st.row.name, w->r->name);
	if (r == 0)
		r = rollout_save(w->tx, &w->st.row);
	if (r == 0)
		r = progress_new_run(w->tx, w->r->name, entered ? db_tx_now(w->tx) : 0, w->rq->who.name,
		                     "the stage was set by hand");
	w->stage = to;
	return r;
}

int plan_set(struct plan_act *w)
{
	assert(w);
	const struct stage *to = rollout_stage(w->r, w->rq->stage);
	const char *with = NULL;
	int r = may_set(w, to);
	bool forced = r == 0 && skips_gates(w, to);

	if (forced)
		r = plan_force(w, to, &with);
	if (r < 0 || w->out->waits[0])
		return r;
	CLEANUP(cleanup_free)
	char *text = text_format("set by %s to stage %d, %s; no percentage was changed%s%s%s%s", w->rq->who.name,
	                         to->number, to->name, forced ? ". FORCED past the gates before it: " : "",
	                         forced ? w->rq->note : "", with ? ", with " : "", with ? with : "");
	r = text ? move_to(w, to, !stage_is_elsewhere(w->s, to) && w->st.there == to->pct) : -ENOMEM;
	return r < 0 ? r : plan_tell(w, ANNOUNCE_STAGE_SET, text);
}
