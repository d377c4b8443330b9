#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/incident/announce.h"
#include "handlers/gates/checklist.h"
#include "handlers/gates/gate.h"
#include "handlers/plan/reconcile.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define COUNTDOWN_LEAST_US (60 * US_PER_S) /* a shorter one is over before a reminder is read */

/* --- recurring items: told once each time one falls overdue, never paged --- */

static int remind_item(const struct reconcile *l, const struct checklist *list, const struct check_item *item)
{
	assert(list && item);
	const struct checkmark *last = NULL;
	char at[40];

	if (!item->every_us)
		return 0;
	item_state(list, item, &l->st->checkmarks, l->now, &last);
	int64_t since = last ? last->at_us : l->st->p.entered_us;
	if (!since || since + item->every_us >= l->now || reconcile_mark(l, "reminded", item->text) >= since)
		return 0;
	text_time_words(since, at, sizeof(at));
	CLEANUP(cleanup_free)
	char *text = last ? text_format("overdue: \"%s\", last done %s by %s", item->text, at, last->person)
	                  : text_format("overdue: \"%s\", not done since the stage began %s", item->text, at);
	int r = text ? reconcile_announce(l, ANNOUNCE_OVERDUE, text) : -ENOMEM;
	return r < 0 ? r : reconcile_set_mark(l, "reminded", item->text, l->now);
}

static int remind_items(const struct reconcile *l)
{
	const struct checklist *list = l->stage ? rollout_checklist(l->r, l->stage->checklist) : NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && list && i < list->n_items; i++)
		r = remind_item(l, list, &list->items[i]);
	return r;
}

/* --- milestones: from the real entering of their stage --- */

static bool is_done(const struct reconcile *l, const struct milestone *m)
{
	for (size_t i = 0; i < l->st->settled.n; i++)
		if (l->st->settled.item[i].kind == SETTLED_MILESTONE && !strcmp(l->st->settled.item[i].text, m->text))
			return true;
	return false;
}

static int tell_milestone(const struct reconcile *l, const struct milestone *m)
{
	assert(m->text);
	char why[400];
	int64_t due = rollout_state_milestone_us(db_tx_conn(l->tx), l->r, l->st, m);

	if (!due || due > l->now || milestone_is_locked(l->r, m, l->ev, why, sizeof(why)) ||
	    reconcile_mark(l, "milestone", m->text) || is_done(l, m))
		return 0; /* told once, also when its stage is entered again */
	CLEANUP(cleanup_free) char *text = text_format("due: %s%s%s", m->text, m->owner[0] ? ", by " : "", m->owner);
	int r = text ? reconcile_announce(l, ANNOUNCE_MILESTONE, text) : -ENOMEM;
	return r < 0 ? r : reconcile_set_mark(l, "milestone", m->text, l->now);
}

/* --- the ETA of the open incident --- */

static int tell_eta(const struct reconcile *l, const struct incident *inc)
{
	int64_t at = 0;

	if (!inc->eta || text_time_parse(inc->eta, strlen(inc->eta), &at) < 0 || at > l->now ||
	    reconcile_mark(l, "eta_passed", NULL) == at)
		return 0;
	struct event e = {.incident_id = inc->id,
	                  .rollout = inc->rollout,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)"eta passed",
	                  .note = inc->eta};
	int r = event_add(l->tx, &e);
	if (r == 0)
		r = announce_incident(l->tx, l->s, inc, ANNOUNCE_ETA_PASSED);
	return r < 0 ? r : reconcile_set_mark(l, "eta_passed", NULL, at);
}

/* --- the countdown of a pending rollback: at half of it, and shortly before its end --- */

static int count_down(const struct reconcile *l, const struct incident *inc, const char *mark, int64_t from_us,
                      enum announcement_id id)
{
	if (l->now < from_us || l->now >= inc->due_at_us || reconcile_mark(l, mark, NULL) == inc->due_at_us)
		return 0;
	int r = announce_incident(l->tx, l->s, inc, id);

	return r < 0 ? r : reconcile_set_mark(l, mark, NULL, inc->due_at_us);
}

static int tell_countdown(const struct reconcile *l, const struct incident *inc)
{
	int64_t whole = inc->due_at_us - incident_decided_us(inc);
	bool late = l->now >= inc->due_at_us - whole / 10;

	if (inc->state != INC_PENDING || whole < COUNTDOWN_LEAST_US)
		return 0;
	return late ? count_down(l, inc, "countdown_last", inc->due_at_us - whole / 10, ANNOUNCE_LAST_CALL)
	            : count_down(l, inc, "countdown_half", inc->due_at_us - whole / 2, ANNOUNCE_COUNTDOWN);
}

static int remind_incident(const struct reconcile *l)
{
	struct incident inc = {0};
	int r = l->st->open ? incident_load(db_tx_conn(l->tx), l->st->open, &inc) : 0;

	if (r == 0 && l->st->open && incident_is_open(inc.state))
		r = tell_eta(l, &inc);
	if (r == 0 && l->st->open)
		r = tell_countdown(l, &inc);
	incident_free(&inc);
	return r == -ENOENT ? 0 : r;
}

int reconcile_remind(const struct reconcile *l)
{
	assert(l && l->tx && l->s && l->r && l->st && l->ev);
	int r = remind_items(l);

	if (r == 0)
		r = remind_incident(l);
	for (size_t i = 0; r == 0 && i < l->r->n_milestones; i++)
		r = tell_milestone(l, &l->r->milestones[i]);
	return r;
}
