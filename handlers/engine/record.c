#include "handlers/engine/record_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "db/event.h"
#include "db/rollout.h"
#include "handlers/engine/retry.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/move.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open.h"
#include "handlers/settings/snapshot.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/core/thread.h"

int record_note(struct work *w, const char *what, const char *text)
{
	assert(w->inc.id > 0 && what);
	struct event e = {.incident_id = w->inc.id,
	                  .rollout = w->inc.rollout,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)what,
	                  .note = (char *)text};

	return event_add(w->tx, &e);
}

int record_page(struct work *w, enum announcement_id id, const char *text)
{
	assert(text);
	CLEANUP(cleanup_free)
	char *line = text_format("%s: %s (incident %lld)", w->plan->rollout.title, text, (long long)w->inc.id);

	if (!line)
		return -ENOMEM;
	return announce_text(w->tx, w->settings, id, w->inc.rollout, line);
}

int record_condition(struct work *w, enum condition_type which, enum condition_status state, const char *text)
{
	assert(w);
	return condition_is(&w->inc, which, state, text, w->now);
}

/* The rollout's row follows what was written and seen. */
int record_percentage(struct work *w, int32_t wanted, int32_t seen)
{
	assert(w && wanted <= 10000 && seen <= 10000);
	struct rollout_row row = {0};
	int r = rollout_load(db_tx_conn(w->tx), w->inc.rollout, &row);

	if (r == -ENOENT) {
		row = (struct rollout_row) {
			.stage = w->inc.stage, .stage_since_us = w->now, .pct_wanted = -1, .pct_seen = -1};
		r = text_set(&row.name, w->inc.rollout);
	}
	if (r == 0 && wanted >= 0 && wanted != row.pct_wanted) {
		row.pct_wanted = wanted;
		row.pct_changed_us = w->now;
		row.generation++;
	}
	if (r == 0 && seen >= 0) {
		row.pct_seen = seen;
		row.seen_at_us = w->now;
	}
	if (r == 0)
		r = rollout_save(w->tx, &row);
	rollout_row_free(&row);
	return r;
}

int record_situation(struct work *w, struct step_list *steps, struct situation *ret)
{
	assert(w && w->plan && steps && ret);
	*ret = (struct situation) {.inc = &w->inc,
	                           .steps = steps,
	                           .rollout = &w->plan->rollout,
	                           .seen = {.there = -1, .file = -1},
	                           .now_us = w->now};
	return step_of_incident(db_tx_conn(w->tx), w->inc.id, steps);
}

struct finding record_finding(struct work *w)
{
	assert(w && w->ch && w->ch->kind == CHANGE_ROUND);
	return (struct finding) {w->settings, w->plan, &w->inc, w->ch, w->now};
}

/* --- intent and outcome of a step --- */

/* A step that failed, and whose time has come. */
static int is_retry(struct work *w)
{
	struct step_list l = {0};

	if (w->step.state != STEP_FAILED || w->step.attempts != w->ch->attempt)
		return 0;
	int r = step_of_incident(db_tx_conn(w->tx), w->inc.id, &l);
	if (r == 0)
		r = retry_due_us(&w->inc, &l, &w->step) != 0;
	step_list_free(&l);
	return r;
}

/* Somebody wrote the file since it was lowered (file_first.h). */
static bool is_file_again(const struct work *w)
{
	return w->step.kind == STEP_FLAGS && w->step.state == STEP_DONE && w->step.attempts == w->ch->attempt &&
	       kind_of(&w->inc)->lowers;
}

static int begin_step(struct work *w)
{
	w->step.state = STEP_RUNNING;
	w->step.attempts++;
	w->step.started_at_us = w->now;
	int r = step_save(w->tx, &w->step);

	if (r < 0 || !incident_note_act(&w->inc, w->now))
		return r;
	return incident_save(w->tx, &w->inc);
}

static int write_intent(struct work *w)
{
	bool again = w->step.state == STEP_RUNNING && w->step.attempts == w->ch->attempt;
	int retry = is_retry(w);

	if (retry < 0)
		return retry;
	if (!step_may_run(w->inc.state, w->step.phase) ||
	    !(w->step.state == STEP_TODO || again || retry || is_file_again(w)))
		return 0;
	int r = begin_step(w);
	return r < 0 ? r : 1;
}

/* The next step's intention, in the same commit as the outcome of the one before. 2: it is; 1: it does not fit. */
static int intend_next(struct work *w)
{
	if (!w->ch->next_id)
		return 1;
	step_free(&w->step);
	w->step = (struct step) {0};
	int r = step_load(db_tx_conn(w->tx), w->ch->next_id, &w->step);
	if (r < 0)
		return r;
	if (w->step.state != STEP_TODO || !step_may_run(w->inc.state, w->step.phase))
		return 1;
	r = begin_step(w);
	return r < 0 ? r : 2;
}

static int apply_ended(struct work *w, bool *ret)
{
	struct step_list l = {0};
	struct situation now;
	int r = record_situation(w, &l, &now);

	*ret = r == 0 && !apply_is_open(&now);
	step_list_free(&l);
	return r;
}

static int start_verifying(struct work *w)
{
	w->inc.applied_at_us = w->inc.evidence_since_us = w->now;
	if (!w->inc.verify_until_us) /* else it acts once more within the same time */
		w->inc.verify_until_us = w->now + w->plan->rollout.verify_timeout_us;
	w->inc.next_probe_us = w->now + w->plan->rollout.verify_delay_us;
	int r = !kind_of(&w->inc)->follows ? 0 : trigger_add_followups(w->tx, &w->inc, &w->plan->playbook);
	return r < 0 ? r : incident_move(w->tx, w->settings, &w->inc, EV_APPLIED, "rollbackd", NULL);
}

/* What ran before the file was lowered made the service read the old one. */
static int again_after_flags(struct work *w)
{
	struct step_list l = {0};
	int r = step_of_incident(db_tx_conn(w->tx), w->inc.id, &l);

	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (retry_follows(&w->step, &l.item[i])) {
			l.item[i].state = STEP_TODO;
			r = step_save(w->tx, &l.item[i]);
		}
	step_list_free(&l);
	return r;
}

/* A step was done at last, while the verification goes on: only what is seen from now on counts. The deadline stays. */
static int applied_late(struct work *w)
{
	w->inc.applied_at_us = w->now;
	w->inc.verify_passes = 0;
	w->inc.next_probe_us = w->now + w->plan->rollout.verify_delay_us;
	return incident_save(w->tx, &w->inc);
}

/* Once: at the first failure of a kind that stays, later for one that may pass by itself. */
static bool is_told(const struct work *w)
{
	return w->step.attempts == (retry_may_help(w->ch->error) ? RETRY_TELL_AFTER : 1);
}

static int flags_outcome(struct work *w)
{
	bool ok = w->ch->outcome == STEP_DONE;
	int r = record_condition(w, CONDITION_WRITTEN, ok ? STATUS_YES : STATUS_UNKNOWN, w->ch->text);

	if (ok && w->ch->pct_after >= 0 && w->ch->pct_after < w->inc.pct_wanted)
		w->inc.pct_wanted = w->ch->pct_after; /* somebody lowered it further: no step may ask for more */
	if (r == 0)
		r = incident_save(w->tx, &w->inc);
	if (r == 0 && ok)
		return record_percentage(w, w->ch->pct_after, -1);
	if (r < 0 || !kind_of(&w->inc)->acts || !is_told(w))
		return r;
	CLEANUP(cleanup_free)
	char *text = text_format("the flags file could not be changed: %s. The other steps run%s; "
	                         "look at the file now",
	                         w->ch->text ? w->ch->text : "unknown",
	                         !kind_of(&w->inc)->lowers ? ""
	                                                   : " where the service does not read more from it than it "
	                                                     "has, and it is tried again");
	return text ? record_page(w, ANNOUNCE_FLAGS_UNKNOWN, text) : -ENOMEM;
}

static int page_doubt(struct work *w)
{
	CLEANUP(cleanup_free)
	char *text = text_format("step \"%s\" is in doubt: it was started before a crash and nobody knows "
	                         "whether it ended; it is not repeated. Check by hand",
	                         w->step.name);
	return text ? record_page(w, ANNOUNCE_IN_DOUBT, text) : -ENOMEM;
}

static int page_followup(struct work *w)
{
	CLEANUP(cleanup_free)
	char *text = text_format("step \"%s\", which follows the rollback, has failed; do it by hand", w->step.name);
	return text ? record_page(w, ANNOUNCE_FOLLOWUP_FAILED, text) : -ENOMEM;
}

static void log_step(const struct work *w, const char *what, const char *text)
{
	bool bad = w->ch->outcome == STEP_FAILED || w->ch->outcome == STEP_IN_DOUBT;

	log_write(bad ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, __FILE__, __LINE__, what, "incident", log_num(w->inc.id),
	          "rollout", w->inc.rollout, "step", w->step.name, "attempt", log_num(w->step.attempts),
	          bad ? "err" : "note", text, NO_MORE, NO_MORE);
}

static int first_line_note(struct work *w)
{
	struct buf b = BUF(600);

	text_one_line(&b, w->step.name, strlen(w->step.name), 100);
	if (w->ch->text && w->ch->text[0]) {
		buf_str(&b, ": ");
		text_one_line(&b, w->ch->text, strcspn(w->ch->text, "\n"), 400);
	}
	CLEANUP(cleanup_free) char *what = text_format("step %s", step_state_name(w->ch->outcome));
	int r = what ? record_note(w, what, buf_text(&b)) : -ENOMEM;
	if (r == 0)
		log_step(w, what, buf_text(&b));
	buf_free(&b);
	return r;
}

/* Failing again in the same way is no news. */
static bool is_news(const struct work *w)
{
	return w->step.attempts == 1 || w->ch->outcome != STEP_FAILED || !w->step.output || !w->ch->text ||
	       strcmp(w->step.output, w->ch->text) != 0;
}

static int retry_outcome(struct work *w)
{
	bool late = step_may_run(w->inc.state, PHASE_FALLBACK) && w->ch->outcome == STEP_DONE, ended = false;
	int r = 0;

	if (!late || (w->step.phase != PHASE_APPLY && w->step.phase != PHASE_FALLBACK))
		return 0;
	if (w->step.kind == STEP_FLAGS)
		r = again_after_flags(w);
	if (r == 0)
		r = apply_ended(w, &ended);
	return r == 0 && ended ? applied_late(w) : r;
}

/* What was seen before this act ended says nothing any more. */
static int acted_late(struct work *w)
{
	bool looks = w->inc.state == INC_VERIFYING || w->inc.state == INC_FAILED;

	if (!looks || (w->step.phase != PHASE_APPLY && w->step.phase != PHASE_FALLBACK))
		return 0;
	w->inc.evidence_since_us = w->now;
	w->inc.verify_passes = 0;
	w->inc.next_probe_us = w->now + w->plan->rollout.verify_delay_us;
	return incident_save(w->tx, &w->inc);
}

static int write_outcome(struct work *w)
{
	assert(w->step.id > 0);
	static const unsigned metric_index[STEP_STATE_N] = {[STEP_FAILED] = 1, [STEP_IN_DOUBT] = 2, [STEP_SKIPPED] = 3};
	bool ended = false;

	if (w->step.state != STEP_RUNNING || w->step.attempts != w->ch->attempt)
		return 0;
	bool news = w->ch->outcome != STEP_TODO && is_news(w);
	w->step.state = w->ch->outcome;
	w->step.ended_at_us = w->now;
	int r = text_set(&w->step.output, w->ch->text ? w->ch->text : "");
	if (r == 0)
		r = step_save(w->tx, &w->step);
	if (r == 0 && news)
		r = first_line_note(w);
	if (r == 0 && w->step.kind == STEP_FLAGS && w->ch->outcome != STEP_SKIPPED)
		r = flags_outcome(w);
	if (r == 0 && w->ch->outcome == STEP_IN_DOUBT)
		r = page_doubt(w);
	if (r == 0 && w->ch->outcome == STEP_FAILED && w->step.phase == PHASE_FOLLOWUP && kind_of(&w->inc)->acts)
		r = page_followup(w);
	if (r == 0 && w->ch->outcome != STEP_TODO) /* that has not begun */
		r = acted_late(w);
	if (r == 0)
		r = retry_outcome(w);
	if (r == 0)
		r = apply_ended(w, &ended);
	if (r == 0 && ended && w->inc.state == INC_ROLLING_BACK)
		r = start_verifying(w);
	if (r >= 0 && kind_of(&w->inc)->acts && w->ch->outcome != STEP_TODO)
		metric_add(M_STEPS, metric_index[w->ch->outcome], 1);
	return r < 0 ? r : intend_next(w);
}

/* --- the rest --- */

/* An alert that fired again since the question was asked makes its answer worth nothing. */
static bool is_calm_still(const struct work *w)
{
	return w->inc.quiet_since_us && w->inc.quiet_since_us == w->ch->calm_since_us;
}

static int write_doubt(struct work *w)
{
	bool waits = w->ch->event == EV_CALM;
	CLEANUP(cleanup_free) char *line = NULL;

	if (!is_calm_still(w) || !machine_edge(w->inc.state, w->ch->event))
		return 0;
	line = text_format("%s: the rollback goes on waiting: %s (incident %lld)", w->plan->rollout.title, w->ch->text,
	                   (long long)w->inc.id);
	int r = line ? record_note(w, waits ? "goes on waiting" : "stays open", w->ch->text) : -ENOMEM;
	if (r == 0 && waits)
		r = announce_text(w->tx, w->settings, ANNOUNCE_GOES_ON_WAITING, w->inc.rollout, line);
	return r < 0 ? r : 1;
}

static int write_event(struct work *w)
{
	if ((w->ch->event == EV_CALM || w->ch->event == EV_QUIET) && !is_calm_still(w))
		return 0;
	if (w->ch->event == EV_ASK && w->inc.pct_wanted == 0)
		return 0; /* lowered meanwhile: 0 % raises nothing */
	if (w->ch->event == EV_ASK)
		return incident_ask_anew(w->tx, w->settings, &w->inc, w->plan,
		                         "rollbackd was started again: where it is is asked before anything goes on");
	return w->ch->event == EV_DUE
	               ? incident_begin(w->tx, w->settings, &w->inc, EV_DUE, "rollbackd", w->ch->text)
	               : incident_move(w->tx, w->settings, &w->inc, w->ch->event, "rollbackd", w->ch->text);
}

/* The seconds of the n-th look of {"after": [180, 900]}; -1: there is none. Without the list one look, at once. */
static int64_t nth_look(const char *spec, int32_t n)
{
	const char *p = strchr(spec, '[');
	char *end = NULL;

	if (!p)
		return n ? -1 : 0;
	for (; *p == '[' || *p == ','; p = end) {
		int64_t seconds = strtoll(p + 1, &end, 10);

		if (end == p + 1)
			return -1;
		if (n-- == 0)
			return seconds;
	}
	return -1;
}

int64_t snapshot_due_us(const struct incident *inc, const struct step *step)
{
	assert(inc && step && step->kind == STEP_SNAPSHOT);
	int64_t since = inc->applied_at_us ? inc->applied_at_us : incident_decided_us(inc);
	int64_t seconds = step->state == STEP_TODO ? nth_look(step->spec, step->attempts) : -1;

	return seconds < 0 ? 0 : since + seconds * US_PER_S;
}

/* "1 of 3", where there are several looks, and what the last one preserved. */
static char *snapshot_text(const struct work *w)
{
	int32_t all = 0;

	while (nth_look(w->step.spec, all) >= 0)
		all++;
	const char *text = w->ch->text ? w->ch->text : "";
	return all > 1 ? text_format("%d of %d\n%s", w->step.attempts, all, text) : text_format("%s", text);
}

static int write_snapshot(struct work *w)
{
	size_t good = 0;
	int r = 0;

	if (w->step.state != STEP_TODO)
		return 0;
	for (size_t i = 0; r == 0 && i < w->ch->n_items; i++) {
		const struct snapshot_item *it = &w->ch->items[i];

		good += it->series != NULL;
		r = snapshot_put(w->tx, w->inc.id, w->ch->decided_at_us, it->name, it->unit, it->series, it->error);
	}
	w->step.attempts++;
	w->step.started_at_us = w->step.started_at_us ? w->step.started_at_us : w->now;
	w->step.ended_at_us = w->now;
	if (!snapshot_due_us(&w->inc, &w->step))
		w->step.state = good == w->ch->n_items ? STEP_DONE : STEP_FAILED;
	CLEANUP(cleanup_free) char *text = snapshot_text(w);
	if (r == 0)
		r = text ? text_set(&w->step.output, text) : -ENOMEM;
	if (r == 0)
		r = step_save(w->tx, &w->step);
	return r < 0 ? r : 1;
}

static int write_onset(struct work *w)
{
	if (w->ch->decided_at_us != w->inc.decided_at_us)
		return 0; /* it began before something else decided */
	w->inc.onset_at_us = w->ch->onset_us;
	int r = text_set(&w->inc.onset_from, "ALERTS_FOR_STATE");

	if (r == 0)
		r = incident_save(w->tx, &w->inc);
	return r < 0 ? r : 1;
}

/* Whoever says yes must know what the step would stand on. */
static char *waits_text(struct work *w)
{
	struct step_list l = {0};
	struct buf b = BUF(1000);
	int n = 0, r = step_of_incident(db_tx_conn(w->tx), w->inc.id, &l);

	buf_printf(&b, "step \"%s\" waits for a person: rollbackctl incident approve %lld", w->step.name,
	           (long long)w->inc.id);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (l.item[i].phase == PHASE_FOLLOWUP && l.item[i].ord < w->step.ord && l.item[i].state != STEP_DONE)
			buf_printf(&b, "%s\"%.80s\" (%s)", n++ ? ", " : ". BEFORE IT WAS NOT DONE: ", l.item[i].name,
			           step_state_name(l.item[i].state));
	step_list_free(&l);
	return buf_take(&b);
}

static int write_ask(struct work *w)
{
	if (w->step.state != STEP_WAITING || w->step.started_at_us)
		return 0;
	w->step.started_at_us = w->now;
	CLEANUP(cleanup_free) char *text = waits_text(w);
	int r = text ? step_save(w->tx, &w->step) : -ENOMEM;
	if (r == 0)
		r = record_note(w, "waits for approval", w->step.name);
	if (r == 0)
		r = record_page(w, ANNOUNCE_WAITS_FOR_APPROVAL, text);
	return r < 0 ? r : 1;
}

static int (*const writers[CHANGE_N])(struct work *) = {
	[CHANGE_INTENT] = write_intent, [CHANGE_OUTCOME] = write_outcome,   [CHANGE_ROUND] = record_round,
	[CHANGE_EVENT] = write_event,   [CHANGE_SNAPSHOT] = write_snapshot, [CHANGE_ONSET] = write_onset,
	[CHANGE_ASK] = write_ask,       [CHANGE_DOUBT] = write_doubt,
};

static bool may_write(const struct work *w)
{
	return incident_is_open(w->inc.state) || w->ch->kind == CHANGE_OUTCOME;
}

int change_write(struct db_tx *tx, const struct settings *s, const struct change *ch)
{
	assert(tx && s && ch && ch->incident_id > 0 && thread_may(THREAD_WRITER));
	struct work w = {.tx = tx, .settings = s, .ch = ch, .now = db_tx_now(tx)};
	int r = incident_load(db_tx_conn(tx), ch->incident_id, &w.inc);

	if (r == 0 && ch->step_id)
		r = step_load(db_tx_conn(tx), ch->step_id, &w.step);
	if (r == 0)
		r = plan_get(db_tx_conn(tx), w.inc.config, &w.plan);
	if (r == 0)
		r = !may_write(&w)                  ? 0
		    : incident_is_open(w.inc.state) ? writers[ch->kind](&w)
		                                    : record_late_outcome(&w);
	plan_unref(w.plan);
	step_free(&w.step);
	incident_free(&w.inc);
	return r;
}

void change_clear(struct change *ch)
{
	assert(ch);
	free(ch->text);
	free(ch->written_note);
	free(ch->acknowledged_note);
	free(ch->effective_note);
	free(ch->cured_note);
	for (size_t i = 0; i < ch->n_items; i++) {
		free(ch->items[i].name);
		free(ch->items[i].unit);
		free(ch->items[i].series);
		free(ch->items[i].error);
	}
	free(ch->items);
	*ch = (struct change) {0};
}
