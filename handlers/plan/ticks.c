/*
 * Items of a checklist that tick themselves (by: …): what is measured every pass is not ticked on somebody's word.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/gates/checklist.h"
#include "handlers/gates/gate.h"
#include "handlers/plan/reconcile.h"
#include "handlers/readiness/drill_schedule.h"
#include "server/core/text.h"

#define NOTE_MAX 300

/* The rollback was rehearsed, and the last drill passed. */
static bool drilled(const struct reconcile *l, int64_t *ret_at, char *note)
{
	struct drill_standing d;

	drill_standing_load(db_tx_conn(l->tx), l->r, &d);
	*ret_at = d.passed_us;
	snprintf(note, NOTE_MAX, "a drill passed");
	return drill_standing_of(&d) == 1;
}

/* The file can be read, and every instance says what it says. */
static bool flags_work(const struct reconcile *l, int64_t *ret_at, char *note)
{
	char pct[16];

	text_pct(l->st->there, pct, sizeof(pct));
	*ret_at = l->ev->at_us;
	snprintf(note, NOTE_MAX, "%s%% in the flags file, and seen: %.200s", pct, l->ev->there_why);
	return l->r->flags_file && l->st->there >= 0 && l->ev->there == STATUS_YES && l->ev->seen == l->st->there;
}

/* Something is watched, and nothing of it is unknown: what a look at the dashboard would show. */
static bool metrics_known(const struct reconcile *l, int64_t *ret_at, char *note)
{
	size_t n = l->ev->stage == l->st->row.stage ? l->ev->n : 0;

	*ret_at = l->ev->at_us;
	snprintf(note, NOTE_MAX, "all %zu criteria are known, and it is watched", n);
	for (size_t i = 0; i < n; i++)
		if (l->ev->results[i].state == CRITERION_UNKNOWN)
			return false;
	return n && !l->ev->blind[0] && !l->ev->unreached[0];
}

/* The old way could take the traffic. */
static bool fallback_ready(const struct reconcile *l, int64_t *ret_at, char *note)
{
	char why[NOTE_MAX];

	*ret_at = l->ev->at_us;
	snprintf(note, NOTE_MAX, "all %zu checks of fallback_probe hold", l->r->n_probes);
	return l->r->n_probes && evaluation_fallback(l->ev, l->r, why, sizeof(why)) == STATUS_YES;
}

/* by: doctor is ticked by rollbackctl doctor, under the name of whoever runs it. */
static const struct {
	const char *by;
	bool (*holds)(const struct reconcile *l, int64_t *ret_at, char *note);
} evidences[] = {{"drill", drilled}, {"fallback", fallback_ready}, {"flags", flags_work}, {"metrics", metrics_known}};

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Evidence from before the run counts only where the item says for how long. Renewed at half of its time, so that it is
 * never overdue while it holds. */
static bool is_wanted(const struct reconcile *l, const struct check_item *item, const struct checkmark *last,
                      int64_t at)
{
	int64_t lasts = item->every_us ? item->every_us : item->valid_us;

	if (lasts ? at + lasts <= l->now : at < l->st->p.run_since_us)
		return false;
	return !last || (lasts && later(last->at_us, last->at_us + lasts / 2) < at);
}

static int tick(const struct reconcile *l, const struct checklist *list, const struct check_item *item, int64_t at,
                const char *note, bool first)
{
	struct checkmark t = {.list = (char *)list->name,
	                      .item = (char *)item->text,
	                      .person = (char *)"rollbackd",
	                      .note = (char *)note,
	                      .at_us = at};
	CLEANUP(cleanup_free) char *text = text_format("%s: %s (%s)", list->name, item->text, note);
	struct event e = {.rollout = (char *)l->r->name,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)announcement_get(ANNOUNCE_TICKED)->what,
	                  .note = text};
	int r = text ? checkmark_add(l->tx, l->r->name, l->st->p.run, &t) : -ENOMEM;

	return r == 0 && first ? event_add(l->tx, &e) : r;
}

static int tick_item(const struct reconcile *l, const struct checklist *list, const struct check_item *item)
{
	assert(list && item && item->by);
	const struct checkmark *last = NULL;
	char note[NOTE_MAX];
	int64_t at = 0;

	item_state(list, item, &l->st->checkmarks, l->now, &last);
	for (size_t i = 0; i < ARRAY_LEN(evidences); i++)
		if (!strcmp(item->by, evidences[i].by) && evidences[i].holds(l, &at, note) &&
		    is_wanted(l, item, last, at))
			return tick(l, list, item, at, note, !last);
	return 0;
}

int reconcile_tick(const struct reconcile *l)
{
	assert(l && l->tx && l->r && l->st && l->ev);
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->r->n_checklists; i++)
		for (size_t k = 0; r == 0 && k < l->r->checklists[i].n_items; k++)
			if (l->r->checklists[i].items[k].by)
				r = tick_item(l, &l->r->checklists[i], &l->r->checklists[i].items[k]);
	return r;
}
