#include "handlers/plan/actions_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/step.h"
#include "handlers/settings/snapshot.h"
#include "handlers/gates/success.h"
#include "handlers/incident/text.h"
#include "handlers/plan/json.h"
#include "server/core/text.h"

struct json_object *plan_missing_json(const struct gate *g, unsigned but)
{
	assert(g);
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < g->n; i++) {
		struct json_object *o = json_object_new_object();

		json_add_str(o, "what", g->missing[i].what);
		json_add_str(o, "text", g->missing[i].text);
		if (g->missing[i].flags & but)
			json_object_put(o);
		else
			json_object_array_add(arr, o);
	}
	return arr;
}

static int open_advance(struct plan_act *w, const struct stage *to, const char *reason)
{
	assert(to && w->st.there >= 0);
	struct playbook by_hand = {
		.frozen = (char *)"{\"name\":\"advance\"}", .name = "advance", .restart_at = -1, .severity = ""};
	CLEANUP(cleanup_free)
	char *summary = text_format("stage %d: %s", to->number, to->name);
	char config[CONFIG_SHA_SIZE];
	struct incident advance = {
		.rollout = (char *)w->r->name,
		.playbook = (char *)"advance",
		.severity = (char *)"",
		.summary = summary,
		.kind = KIND_ADVANCE,
		.state = INC_ROLLING_BACK,
		.config = config,
		.reason = (char *)reason,
		.opened_by = (char *)w->rq->who.name,
		.stage = to->number,
		.pct_before = w->st.there,
		.pct_seen = -1,
		.pct_wanted = to->pct,
		.opened_at_us = db_tx_now(w->tx),
	};

	if (!summary)
		return -ENOMEM;
	int r = plan_put(w->tx, w->s, w->r, &by_hand, config);
	if (r == 0)
		r = incident_insert(w->tx, &advance);
	if (r == 0)
		r = trigger_add_steps(w->tx, &advance);
	w->out->incident = advance.id;
	return r;
}

/* reason NULL: none was needed. */
static int enter(struct plan_act *w, const struct stage *to, const char *reason, bool forced)
{
	assert(to && to->pct >= 0 && to->pct <= 10000);
	CLEANUP(cleanup_free)
	char *text = text_format("stage %d%s%s%s", to->number, forced ? ", FORCED" : "", reason ? ": " : "",
	                         reason ? reason : "");
	bool again = w->st.row.stage == to->number;
	int r = text ? open_advance(w, to, reason) : -ENOMEM;

	w->st.row.stage = to->number;
	if (!again)
		w->st.row.stage_since_us = db_tx_now(w->tx);
	if (r == 0)
		r = rollout_save(w->tx, &w->st.row);
	if (r == 0)
		r = progress_new_run(w->tx, w->r->name, 0, w->rq->who.name, text);
	if (r == 0 && w->st.p.restart_at >= 0) /* begun again from where it should */
		r = progress_restarted(w->tx, w->r->name);
	return r < 0 ? r : plan_note(w, "advance", text);
}

/* What a request does not pass over: it may force, or say why. */
static unsigned passed_over(const struct plan_act *w)
{
	return plan_reason(w) ? MISSING_REASON : 0;
}

static int gate_says(struct plan_act *w, const struct gate *g)
{
	assert(g);
	const struct missing *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		unsigned flags = g->missing[i].flags;

		if (flags & passed_over(w) || (w->rq->force && !(flags & MISSING_HARD)))
			continue;
		first = first ? first : &g->missing[i];
		n++;
	}
	if (!n)
		return 0;
	w->out->missing = plan_missing_json(g, passed_over(w));
	return refuse(w, -EPERM, "not advanced, %zu %s missing: %s%s", n,
	              text_many((int64_t)n, "thing is", "things are"), first->text, n > 1 ? " …" : "");
}

/* The reason; of what was forced also who else wanted it, and what was passed over: by that it is told from the other.
 */
static char *reason_text(const struct gate *g, const char *reason, const char *with, bool forced)
{
	assert(g && reason);
	struct buf b = BUF(1000);
	size_t n = 0;

	buf_printf(&b, "%.300s", reason);
	if (!forced)
		return buf_take(&b);
	buf_str(&b, " (");
	if (with)
		buf_printf(&b, "with %.60s; ", with);
	buf_str(&b, MESSAGE_PASSED_OVER);
	for (size_t i = 0; i < g->n; i++)
		if (!(g->missing[i].flags & MISSING_REASON))
			buf_printf(&b, "%s%.120s", n++ ? "; " : "", g->missing[i].text);
	buf_str(&b, ")");
	return buf_take(&b);
}

/* Is anything passed over that a reason alone does not pass. */
static bool is_forced(const struct gate *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (!(g->missing[i].flags & MISSING_REASON))
			return true;
	return false;
}

/* Past its gate, or straight up again for a reason. */
static int pass(struct plan_act *w, const struct gate *g)
{
	const char *with = NULL;
	bool forced = is_forced(g);
	int r = forced ? plan_force(w, g->next, &with) : 0;

	if (r < 0 || w->out->waits[0])
		return r;
	if (!g->n)
		return enter(w, g->next, NULL, false);
	CLEANUP(cleanup_free) char *reason = reason_text(g, w->rq->note, with, forced);
	return reason ? enter(w, g->next, reason, forced) : -ENOMEM;
}

int plan_advance(struct plan_act *w)
{
	assert(w && w->ev);
	struct gate_view v = plan_view(w);
	struct gate g = {0};
	int r = 0;

	if (w->rq->force && !plan_reason(w))
		r = refuse(w, -EINVAL, "forcing needs a reason (reason; --reason TEXT)");
	if (r == 0)
		r = gate_judge(&v, &g);
	if (r == 0)
		r = gate_says(w, &g);
	if (r == 0) /* the answers that it was judged by */
		r = success_keep(w->tx, w->s, w->r, &w->st, w->ev);
	if (r == 0)
		r = pass(w, &g);
	gate_free(&g);
	return r;
}
