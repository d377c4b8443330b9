#include "handlers/engine/record_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "db/event.h"
#include "db/progress.h"
#include "handlers/engine/file_first.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/move.h"
#include "handlers/incident/sla.h"
#include "handlers/engine/round.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open.h"
#include "handlers/incident/over.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"

#define ROUND_SLOWEST_US (60 * US_PER_S)
#define CURE_TEXT_MAX    1000

int64_t next_round_us(const struct incident *inc, int64_t every_us, int64_t now_us)
{
	assert(inc && every_us > 0 && now_us > 0);
	int64_t since = inc->state == INC_FAILED ? inc->failed_at_us : inc->rolled_back_at_us, wait = every_us;

	if ((inc->state == INC_FAILED || inc->state == INC_ROLLED_BACK) && since) {
		int64_t slower = (now_us - since) / 10;

		if (slower > ROUND_SLOWEST_US)
			slower = ROUND_SLOWEST_US;
		if (slower > wait)
			wait = slower;
	}
	return now_us + wait;
}

static void observe_phases(const struct incident *inc, const struct sla *sla)
{
	struct sla_span spans[PHASE_N];
	size_t n = sla_spans(inc, sla, spans);

	for (size_t i = 0; i < n; i++) {
		metric_phase(spans[i].phase, (double)spans[i].took_us / (double)US_PER_S);
		if (spans[i].took_us > spans[i].budget_us)
			metric_add(M_SLA_BREACHES, spans[i].phase, 1);
	}
}

int record_verify_step(struct work *w, enum step_state state)
{
	assert(w && state > 0 && state < STEP_STATE_N);
	struct step_list l = {0};
	int r = step_of_incident(db_tx_conn(w->tx), w->inc.id, &l);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		struct step *st = &l.item[i];

		if (st->kind != STEP_VERIFY)
			continue;
		st->state = state;
		st->attempts = (int32_t)w->inc.verify_rounds;
		st->started_at_us = st->started_at_us ? st->started_at_us : w->now;
		st->ended_at_us = state == STEP_RUNNING ? 0 : w->now;
		r = text_set(&st->output, w->ch->text ? w->ch->text : "");
		if (r == 0)
			r = step_save(w->tx, st);
	}
	step_list_free(&l);
	return r;
}

/* The stage's time begins now. 1, or -errno. */
static int stage_entered(struct work *w)
{
	struct progress p = {0};
	int r = progress_load(db_tx_conn(w->tx), w->inc.rollout, &p);

	if (r == 0) {
		p.entered_us = p.run_since_us = p.clean_at_us = w->now;
		p.clean_us = 0;
		r = progress_save(w->tx, &p);
	}
	progress_free(&p);
	if (r < 0 && r != -ENOENT)
		return r;
	CLEANUP(cleanup_free) char *mark = text_format("entered:%s:%d", w->inc.rollout, w->inc.stage);
	r = mark ? meta_set(w->tx, mark, w->now) : -ENOMEM;
	return r < 0 ? r : 1;
}

/* With a flags file its steps have recorded it. Without one the rollback's target is what the watch goes by. -1: as it
 * is. */
static int32_t wanted_from_now_on(const struct work *w)
{
	return w->plan->rollout.flags_file || !kind_of(&w->inc)->acts ? -1 : w->inc.pct_wanted;
}

/* It is there without them, and the file holds no more: somebody else lowered it. */
static int skip_waiting(struct work *w)
{
	struct step_list l = {0};
	struct situation now;
	int r = record_situation(w, &l, &now);

	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (step_waits_for_file(&now, &l.item[i]) || step_waits_for_round(&w->inc, &l.item[i])) {
			l.item[i].state = STEP_SKIPPED;
			r = step_save(w->tx, &l.item[i]);
		}
	step_list_free(&l);
	return r;
}

int record_seen(struct work *w, enum incident_event ev)
{
	char text[100], pct[16];

	text_pct(w->inc.pct_wanted, pct, sizeof(pct));
	snprintf(text, sizeof(text), "%s%% seen %lld %s in a row", pct, (long long)w->inc.verify_passes,
	         text_many(w->inc.verify_passes, "time", "times"));
	int r = record_note(w, "verified", text);
	w->inc.verify_until_us = w->now + w->plan->rollout.cured_timeout_us; /* from here on the cure's */
	if (r == 0 && w->inc.condition[CONDITION_CURED].state == STATUS_YES)
		w->inc.next_probe_us = 0; /* cured already: nothing more to watch */
	if (r == 0)
		r = record_percentage(w, wanted_from_now_on(w), w->inc.pct_seen);
	if (r == 0)
		r = skip_waiting(w);
	if (r == 0)
		r = record_verify_step(w, STEP_DONE);
	if (r == 0 && w->inc.already_there) /* nothing was applied: what follows was not added then */
		r = trigger_add_followups(w->tx, &w->inc, &w->plan->playbook);
	if (r == 0)
		r = incident_move(w->tx, w->settings, &w->inc, ev, "rollbackd", text);
	if (r == 1 && kind_of(&w->inc)->enters)
		r = stage_entered(w);
	if (r == 1 && kind_of(&w->inc)->brief)
		return incident_move(w->tx, w->settings, &w->inc, EV_ENTERED, "rollbackd", NULL);
	if (r == 1 && ev != EV_CONFIRMED) /* that was counted when it was seen first */
		observe_phases(&w->inc, &w->plan->sla);
	return r;
}

/* --- did it help: watched after it was seen, reported beside it --- */

static int tell_cure(struct work *w, bool cured)
{
	const char *title = w->plan->rollout.title, *found = w->inc.condition[CONDITION_CURED].note;
	CLEANUP(buf_free) struct buf b = BUF(CURE_TEXT_MAX);

	buf_printf(&b, "%s: ", title);
	if (cured)
		buf_printf(&b, "cured: the symptom is gone (%s)", found);
	else
		incident_symptom_text(&b, &w->inc);
	buf_printf(&b, "%s (incident %lld)", cured ? "" : ". The incident stays open", (long long)w->inc.id);
	int r = b.error ? b.error : record_note(w, cured ? "cured" : "not cured", found);

	return r < 0 ? r
	             : announce_text(w->tx, w->settings, cured ? ANNOUNCE_CURED : ANNOUNCE_NOT_CURED, w->inc.rollout,
	                             buf_text(&b));
}

/* Its time is up, and that was not said yet. */
static bool cure_is_late(const struct work *w)
{
	return w->inc.verify_until_us && w->now >= w->inc.verify_until_us;
}

static int tell_late(struct work *w)
{
	const struct condition *c = &w->inc.condition[CONDITION_CURED];

	return c->state == STATUS_NO ? tell_cure(w, false) : record_note(w, "cure unknown", c->note);
}

/* It is looked at until the symptom is gone, ever more rarely. That it was there is not forgotten because for a moment
 * nobody knows. */
static int write_cure(struct work *w)
{
	struct finding f = record_finding(w);
	struct condition found = round_cure(&f);
	bool late = cure_is_late(w), cured = found.state == STATUS_YES;
	int r = found.state == STATUS_UNKNOWN && incident_symptom_persists(&w->inc)
	                ? 0
	                : record_condition(w, CONDITION_CURED, found.state, found.note);

	w->inc.next_probe_us = cured ? 0 : next_round_us(&w->inc, w->plan->rollout.verify_every_us, w->now);
	if (late || cured)
		w->inc.verify_until_us = 0;
	if (r == 0)
		r = incident_save(w->tx, &w->inc);
	if (r == 0 && (cured || late))
		r = cured ? tell_cure(w, true) : tell_late(w);
	return r < 0 ? r : 1;
}

bool watches_cure(const struct incident *inc, const struct plan *plan)
{
	assert(inc && plan);
	return inc->state == INC_ROLLED_BACK && kind_of(inc)->lowers && plan->rollout.cured_query && inc->next_probe_us;
}

/* --- other ways to get there --- */

static int add_fallback(struct work *w)
{
	struct step_list l = {0};
	struct situation now;
	int r = record_situation(w, &l, &now);
	const struct fallback *next = r < 0 ? NULL : next_fallback(&now);
	int32_t ord = (int32_t)l.n;

	step_list_free(&l);
	if (!next)
		return r;
	r = record_note(w, "fallback", next->act.name);
	return r < 0 ? r : trigger_add_act(w->tx, w->inc.id, ord, PHASE_FALLBACK, &next->act, STEP_TODO);
}

int record_deadline(struct work *w)
{
	int r = record_verify_step(w, STEP_FAILED);

	w->inc.asking = false; /* from here on it is looked at, and what is above is applied again */
	return r < 0 ? r : incident_move(w->tx, w->settings, &w->inc, EV_DEADLINE, "rollbackd", w->ch->text);
}

static int take_conditions(struct work *w)
{
	const struct change *ch = w->ch;

	log_debug("a round of verification", "incident", log_num(w->inc.id), "written",
	          ch->written_note ? ch->written_note : "", "acknowledged",
	          ch->acknowledged_note ? ch->acknowledged_note : "");
	struct finding f = record_finding(w);
	int r = round_conditions(&f);

	if (ch->seen >= 0) {
		w->inc.pct_seen = ch->seen;
		w->inc.seen_at_us = w->now;
		if (r == 0)
			r = record_percentage(w, -1, ch->seen); /* what is seen is as young as the last round */
	}
	w->inc.next_probe_us = next_round_us(&w->inc, w->plan->rollout.verify_every_us, w->now);
	return r;
}

static int take_in_round(struct work *w)
{
	struct finding f = record_finding(w);
	bool open = false;
	int r = record_acts_open(w, &open);

	round_count(&f, open);
	return r == 0 && kind_of(&w->inc)->acts && !kind_of(&w->inc)->once ? add_fallback(w) : r;
}

/* --- a drill's end --- */

/* Of its steps but the verification. *ret_failed: a copy of the first failed one's name, or NULL. */
static int drill_steps(struct work *w, bool *ret_open, char **ret_failed)
{
	struct step_list l = {0};
	int r = step_of_incident(db_tx_conn(w->tx), w->inc.id, &l);

	for (size_t i = 0; i < l.n; i++) {
		*ret_open |= l.item[i].kind != STEP_VERIFY &&
		             (l.item[i].state == STEP_TODO || l.item[i].state == STEP_RUNNING);
		if (l.item[i].state == STEP_FAILED && !*ret_failed)
			*ret_failed = text_format("step \"%s\" could not be done", l.item[i].name);
	}
	step_list_free(&l);
	return r;
}

/* It has failed: nothing more is looked at. A person reads why, and tries again. */
static int drill_fails(struct work *w, const char *why)
{
	int r = record_verify_step(w, w->inc.verify_passes ? STEP_DONE : STEP_FAILED);

	w->inc.next_probe_us = 0;
	return r < 0 ? r : incident_move(w->tx, w->settings, &w->inc, EV_DEADLINE, "rollbackd", why);
}

static int drill_passes(struct work *w)
{
	int r = record_verify_step(w, STEP_DONE);

	return r < 0 ? r
	             : incident_move(
			       w->tx, w->settings, &w->inc, EV_PASSED, "rollbackd",
			       "every step could be done, and the checks say where the world is; nothing was changed");
}

static int drill_round(struct work *w)
{
	CLEANUP(cleanup_free) char *failed = NULL;
	bool open = false, seen = w->inc.verify_passes >= w->plan->rollout.passes;
	int r = drill_steps(w, &open, &failed);

	if (r < 0)
		return r;
	if (!seen && w->ch->deadline_passed)
		return drill_fails(w, w->ch->text);
	if (!seen || (open && !w->ch->deadline_passed))
		return record_verify_step(w, STEP_RUNNING);
	if (failed || open)
		return drill_fails(w, failed ? failed : "not every step has ended in time");
	return drill_passes(w);
}

int record_round(struct work *w)
{
	assert(w && w->plan && w->ch);
	bool asked = w->inc.state == INC_VERIFYING || w->inc.state == INC_FAILED;

	if (w->ch->evidence_since_us != w->inc.evidence_since_us)
		return 0; /* the answer to an older question */
	if (watches_cure(&w->inc, w->plan))
		return write_cure(w);
	if (!asked)
		return 0;
	int r = take_conditions(w);
	if (r == 0 && w->inc.asking) {
		r = record_asking(w);
		return r < 0 ? r : 1;
	}
	if (r == 0)
		r = take_in_round(w);
	if (r == 0)
		r = incident_save(w->tx, &w->inc);
	if (r < 0)
		return r;
	bool above = (w->ch->acknowledged == STATUS_NO && w->ch->seen > w->inc.pct_wanted) ||
	             (w->ch->written == STATUS_NO && w->ch->file > w->inc.pct_wanted);
	bool in_doubt = w->ch->acknowledged == STATUS_UNKNOWN && w->inc.pct_wanted == 0;
	if (w->inc.state == INC_FAILED && (above || in_doubt))
		r = record_apply_again(w, above);
	if (r != 0)
		return r;
	if (!kind_of(&w->inc)->acts)
		r = drill_round(w);
	else if (w->inc.verify_passes >= w->plan->rollout.passes)
		r = record_seen(w, EV_SEEN);
	else if (w->inc.state == INC_VERIFYING && w->ch->deadline_passed)
		r = record_deadline(w);
	else
		r = record_verify_step(w, w->inc.state == INC_FAILED ? STEP_FAILED : STEP_RUNNING);
	return r < 0 ? r : 1;
}
