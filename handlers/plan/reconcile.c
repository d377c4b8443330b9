#include "handlers/plan/reconcile.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/incident/kinds.h"
#include "handlers/plan/baselines.h"
#include "handlers/plan/flags_watch.h"
#include "handlers/plan/percentage_sync.h"
#include "handlers/offline/import.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/over.h"
#include "handlers/gates/stage_clock.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/gates/success.h"
#include "handlers/gates/gate.h"
#include "handlers/readiness/drill_schedule.h"
#include "handlers/readiness/fallback_watch.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define GAP_LEAST_US (60 * US_PER_S) /* a pass that is later than this, or three intervals, saw nothing in between */

/* --- marks, telling --- */

static char *mark_key(const struct reconcile *l, const char *what, const char *which)
{
	assert(what);
	return which ? text_format("%s:%s:%s", what, l->r->name, which) : text_format("%s:%s", what, l->r->name);
}

int64_t reconcile_mark(const struct reconcile *l, const char *what, const char *which)
{
	assert(l && l->tx);
	CLEANUP(cleanup_free) char *key = mark_key(l, what, which);
	int64_t value = 0;

	if (key && meta_get(db_tx_conn(l->tx), key, &value) < 0)
		return 0;
	return value;
}

int reconcile_set_mark(const struct reconcile *l, const char *what, const char *which, int64_t value)
{
	assert(l && l->tx);
	CLEANUP(cleanup_free) char *key = mark_key(l, what, which);

	return key ? meta_set(l->tx, key, value) : -ENOMEM;
}

int reconcile_announce(const struct reconcile *l, enum announcement_id id, const char *text)
{
	assert(l && text);
	CLEANUP(cleanup_free)
	char *line = l->stage ? text_format("[ROLLOUT] %s Stage %d: %s", l->r->title, l->stage->number, text)
	                      : text_format("[ROLLOUT] %s: %s", l->r->title, text);
	struct event e = {.rollout = (char *)l->r->name,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)announcement_get(id)->what,
	                  .note = (char *)text};
	int r = line ? event_add(l->tx, &e) : -ENOMEM;

	return r < 0 ? r : announce_text(l->tx, l->s, id, l->r->name, line);
}

/* --- the clock --- */

static int count_clock(const struct reconcile *l, struct progress *p)
{
	assert(p);
	int64_t gap = 3 * l->s->evaluation_us > GAP_LEAST_US ? 3 * l->s->evaluation_us : GAP_LEAST_US;
	struct hold_span span = {0};
	char why[400];
	int r = 0;

	gate_clock_why(&(struct gate_view) {l->s, l->r, l->st, l->ev, l->now}, why, sizeof(why));
	if (stage_clock_count(p, l->now, gap, why, &span))
		r = hold_span_add(l->tx, l->r->name, &span);
	free(span.why);
	return r < 0 ? r : progress_save(l->tx, p);
}

/* --- watching the watch --- */

/* A rollback that is under way goes on, blind or not: only what is not being rolled back needs somebody. */
static char *blind_text(const struct reconcile *l)
{
	bool rollback = l->st->open && l->st->kind->lowers;
	enum incident_state s = l->st->open_state;

	if (rollback && (s == INC_ROLLING_BACK || s == INC_VERIFYING || s == INC_FAILED))
		return text_format("MONITORING IS BLIND: %s. A rollback is running (incident %lld); it goes on, but it "
		                   "cannot be verified meanwhile: look at the service yourself",
		                   l->ev->blind, (long long)l->st->open);
	if (rollback && s == INC_PENDING)
		return text_format("MONITORING IS BLIND: %s. A rollback is pending (incident %lld) and will run in its "
		                   "time; nothing else would be noticed",
		                   l->ev->blind, (long long)l->st->open);
	return text_format("THE CANARY IS BLIND: %s. It is above 0%% and nothing would roll it back; "
	                   "watch it yourself or roll it back: rollbackctl rollback %s --stage current",
	                   l->ev->blind, l->r->name);
}

static int blind(const struct reconcile *l, int64_t since)
{
	CLEANUP(cleanup_free) char *text = blind_text(l);

	if (!since)
		return reconcile_set_mark(l, "blind_since", NULL, l->now);
	if (l->now - since < l->r->watch.patience_us || reconcile_mark(l, "blind_told", NULL))
		return 0;
	int r = text ? reconcile_announce(l, ANNOUNCE_BLIND, text) : -ENOMEM;
	return r < 0 ? r : reconcile_set_mark(l, "blind_told", NULL, l->now);
}

static int sees_again(const struct reconcile *l, int64_t since)
{
	bool told = reconcile_mark(l, "blind_told", NULL) != 0;
	char span[40];
	int r = reconcile_set_mark(l, "blind_since", NULL, 0);

	if (r < 0 || !told)
		return r;
	text_duration_words(l->now - since, span, sizeof(span));
	CLEANUP(cleanup_free)
	char *text = rollout_state_above_zero(l->st) ? text_format("the canary is watched again, after %s", span)
	                                             : text_format("it was blind for %s; it is at 0%% now", span);
	r = text ? reconcile_announce(l, ANNOUNCE_SEES_AGAIN, text) : -ENOMEM;
	return r < 0 ? r : reconcile_set_mark(l, "blind_told", NULL, 0);
}

static int watch_sight(const struct reconcile *l)
{
	int64_t since = reconcile_mark(l, "blind_since", NULL);

	return l->ev->blind[0] ? blind(l, since) : since ? sees_again(l, since) : 0;
}

static int watch_fallback(const struct reconcile *l)
{
	char why[400];
	struct fallback_look look = {.above_zero = rollout_state_above_zero(l->st), .why = why};

	look.ready = evaluation_fallback(l->ev, l->r, why, sizeof(why));
	return fallback_watch(l->tx, l->s, l->r, &look);
}

/* Nothing else is going on that a drill could hide, delay or be taken for. false: something is, and why says what. */
static bool is_quiet(const struct reconcile *l, char *why, size_t size)
{
	const struct rollout_state *st = l->st;

	if (st->open && (st->kind->acts || st->open_state != INC_FAILED))
		snprintf(why, size, "%s %lld is open", st->kind->enters ? "a stage is being entered:" : "incident",
		         (long long)st->open);
	else if (st->p.held_by)
		snprintf(why, size, "%.100s holds it", st->p.held_by);
	else if (l->ev->firing != FIRING_NONE)
		snprintf(why, size, "%s", l->ev->firing_why);
	else if (l->ev->unheard.n || l->ev->blind[0])
		snprintf(why, size, "%s", l->ev->blind[0] ? l->ev->blind : "a trigger fires in Prometheus");
	else
		return !freeze_now(l->r, &st->p, l->now, why, size);
	return false;
}

static int rehearse(const struct reconcile *l)
{
	char why[400];

	return drill_schedule(l->tx, l->s, l->r, is_quiet(l, why, sizeof(why)) ? NULL : why, l->drill);
}

/* While the engine acts or verifies, it is the engine that tells. */
static bool is_settled(const struct reconcile *l)
{
	return !l->st->open || !l->st->kind->acts || l->st->open_state == INC_ROLLED_BACK ||
	       l->st->open_state == INC_HELD;
}

/* The incident that a person ended before the percentage was ever seen where it should be: nobody raised it then, it
 * never came down. 0: there is none, or something was entered since. */
static int ended_unverified(const struct reconcile *l, int64_t *ret_id)
{
	const struct incident_filter f = {.rollout = l->r->name, .limit = 10};
	struct incident_list list = {0};
	int r = l->st->p.entered_us ? 0 : incident_find(db_tx_conn(l->tx), &f, &list);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (!kind_of(&list.item[i])->acts || list.item[i].pct_wanted < 0)
			continue; /* they set nothing */
		if (incident_ended_unverified(&list.item[i]))
			*ret_id = list.item[i].id;
		break;
	}
	incident_list_free(&list);
	return r;
}

/* What was noticed before the last change of ours was another rise. 0: none. */
static int64_t mark_of_now(const struct reconcile *l, const char *what)
{
	int64_t at = reconcile_mark(l, what, NULL);

	return at > l->st->row.pct_changed_us && at > l->st->last_rollback_us ? at : 0;
}

/* The world above what it should be: somebody or something raised it, or it never came down. */
static int watch_percentage(const struct reconcile *l)
{
	bool above = l->ev->there == STATUS_NO && l->ev->seen > l->st->row.pct_wanted && is_settled(l);
	int64_t since = mark_of_now(l, "above_since"), told = mark_of_now(l, "above_told");
	bool after_rollback = !l->st->p.entered_us;
	char seen[16], wanted[16];

	text_pct(l->ev->seen, seen, sizeof(seen));
	text_pct(l->st->row.pct_wanted, wanted, sizeof(wanted));
	if (!above && l->ev->there != STATUS_YES)
		return 0; /* unknown: neither alarm nor all-clear */
	if (!above && !since)
		return 0;
	if (!above && told) {
		CLEANUP(cleanup_free)
		char *text = text_format("the percentage is at %s%% again, as it should be", wanted);
		int r = text ? reconcile_announce(
				       l, after_rollback ? ANNOUNCE_NOT_ABOVE_AFTER_ROLLBACK : ANNOUNCE_NOT_ABOVE, text)
		             : -ENOMEM;

		if (r < 0)
			return r;
	}
	if (!above) {
		int r = reconcile_set_mark(l, "above_told", NULL, 0);
		return r < 0 ? r : reconcile_set_mark(l, "above_since", NULL, 0);
	}
	if (!since)
		return reconcile_set_mark(l, "above_since", NULL, l->now); /* one pass may fall into a change */
	if (told)
		return 0;
	int64_t ended = 0;
	int r = ended_unverified(l, &ended);
	if (r < 0)
		return r;
	CLEANUP(cleanup_free)
	char *text =
		ended ? text_format("still at %s%%, never verified at %s%%: incident %lld was ended by a person. %s",
	                            seen, wanted, (long long)ended, l->ev->there_why)
		      : text_format("the percentage was raised outside rollbackd: %s%% seen, %s%% wanted%s. %s%s"
	                            "To lower it again: rollbackctl rollback %s --stage current",
	                            seen, wanted, after_rollback ? " after a rollback" : "", l->ev->there_why,
	                            l->ev->there_why[0] ? ". " : "", l->r->name);
	enum announcement_id id = ended            ? ANNOUNCE_STILL_ABOVE
	                          : after_rollback ? ANNOUNCE_ABOVE_AFTER_ROLLBACK
	                                           : ANNOUNCE_ABOVE;
	r = text ? reconcile_announce(l, id, text) : -ENOMEM;
	return r < 0 ? r : reconcile_set_mark(l, "above_told", NULL, l->now);
}

/* The rollout's row follows what was seen, so that status and metrics are as young as the last pass. What was asked
 * before a change is no evidence of what came after it, however late the answer came: it is as old as its question. */
static int note_seen(const struct reconcile *l)
{
	struct rollout_row row = l->st->row; /* its texts are borrowed */
	bool younger = row.seen_at_us > l->ev->at_us && row.seen_at_us <= l->now;

	if (l->ev->there == STATUS_UNKNOWN || l->ev->seen < 0 || younger || !row.name)
		return 0;
	row.pct_seen = l->ev->seen;
	row.seen_at_us = l->ev->at_us;
	return rollout_save(l->tx, &row);
}

/* --- one pass --- */

static int look_on(struct reconcile *l, struct rollout_state *st, const struct reconcile_last *last)
{
	int r = reconcile_plan(l, &st->p);

	if (r != 0)
		return r < 0 ? r : 0; /* a new run: the next pass counts for it */
	r = count_clock(l, &st->p);
	if (r == 0)
		r = reconcile_approvals(l);
	if (r == 0)
		r = success_keep(l->tx, l->s, l->r, st, l->ev);
	if (r == 0)
		r = baselines_pin(l);
	if (r == 0)
		r = note_seen(l);
	if (r == 0)
		r = watch_sight(l);
	if (r == 0)
		r = reconcile_hear(l);
	if (r == 0)
		r = watch_fallback(l);
	if (r == 0)
		r = rehearse(l);
	if (r == 0)
		r = watch_percentage(l);
	if (r == 0)
		r = reconcile_tick(l);
	if (r == 0)
		r = reconcile_remind(l);
	return r == 0 && last->fn ? last->fn(last->arg, l) : r;
}

int reconcile_write(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct evaluation *ev,
                    struct flags_look *look, const struct reconcile_last *last, int64_t *ret_incident,
                    int64_t *ret_drill)
{
	assert(tx && s && r && ev && look && last && ret_incident && ret_drill && thread_may(THREAD_WRITER));
	struct reconcile l = {.tx = tx, .s = s, .r = r, .ev = ev, .now = db_tx_now(tx), .drill = ret_drill};
	struct rollout_state st = {0};
	int err = import_offline(tx, s, r, ret_incident);

	if (err == 0)
		err = percentage_sync_rollout(tx, s, r, look);
	if (err == 0)
		err = flags_watch(tx, s, r, false, look);
	if (err == 0)
		err = rollout_state_load(db_tx_conn(tx), r, l.now, look, &st);
	l.st = &st;
	l.stage = err == 0 ? rollout_state_stage(&st, r) : NULL;
	if (err == 0 && st.p.rollout)
		err = look_on(&l, &st, last);
	rollout_state_free(&st);
	return err;
}
