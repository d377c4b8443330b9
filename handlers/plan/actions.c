#include "handlers/plan/actions_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/incident/announce.h"
#include "handlers/plan/prefill.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define FREEZE_MAX_US (366 * 86400 * US_PER_S)

/* --- what the moves share --- */

int plan_note(const struct plan_act *w, const char *what, const char *text)
{
	assert(w && w->r && what);
	struct event e = {.rollout = (char *)w->r->name,
	                  .who = (char *)w->rq->who.name,
	                  .what = (char *)what,
	                  .note = (char *)text};

	return event_add(w->tx, &e);
}

int plan_tell(const struct plan_act *w, enum announcement_id id, const char *text)
{
	assert(w && w->r && text);
	CLEANUP(cleanup_free)
	char *line = w->stage ? text_format("[ROLLOUT] %s Stage %d: %s", w->r->title, w->stage->number, text)
	                      : text_format("[ROLLOUT] %s: %s", w->r->title, text);
	int r = line ? plan_note(w, announcement_get(id)->what, text) : -ENOMEM;

	return r < 0 ? r : announce_text(w->tx, w->s, id, w->r->name, line);
}

const char *plan_reason(const struct plan_act *w)
{
	assert(w);
	return w->rq->note && w->rq->note[0] ? w->rq->note : NULL;
}

char *plan_known(const struct plan_act *w, const char *prefill)
{
	assert(w);
	bool known = prefill && (w->rq->comparison || !prefill_compares(prefill));

	return plan_reason(w) || !known ? NULL
	                                : prefill_text(db_tx_conn(w->tx), w->r, prefill, w->rq->comparison, NULL);
}

struct gate_view plan_view(const struct plan_act *w)
{
	assert(w && w->ev);
	return (struct gate_view) {w->s, w->r, &w->st, w->ev, db_tx_now(w->tx)};
}

bool is_among(const char **list, const char *word)
{
	for (; list && *list; list++)
		if (!strcmp(*list, word))
			return true;
	return false;
}

bool person_has_role(const struct settings *s, const struct person *who, const char *role)
{
	assert(s && who && role);
	for (size_t i = 0; i < s->n_users; i++)
		if (!strcmp(s->users[i].name, who->name))
			return is_among(s->users[i].roles, role);
	return false;
}

int plan_needs_person(const struct plan_act *w, const char *for_what)
{
	assert(w && for_what);
	return w->rq->who.known ? 0
	                        : refuse(w, -EACCES,
	                                 "%s needs to know who you are: a web config with passwords "
	                                 "(--web.config.file), or the unix "
	                                 "socket",
	                                 for_what);
}

/* --- hold, freeze --- */

static int hold(struct plan_act *w)
{
	struct progress *p = &w->st.p;

	if (p->held_by)
		return refuse(w, -EPERM, "%s holds it already", p->held_by);
	if (!plan_reason(w))
		return refuse(w, -EINVAL, "say why (note; --reason TEXT)");
	int r = text_set(&p->held_by, w->rq->who.name);
	if (r == 0)
		r = text_set(&p->hold_note, w->rq->note);
	p->held_since_us = db_tx_now(w->tx);
	CLEANUP(cleanup_free) char *text = text_format("held by %s: %s", w->rq->who.name, w->rq->note);
	if (r == 0)
		r = text ? progress_save(w->tx, p) : -ENOMEM;
	return r < 0 ? r : plan_tell(w, ANNOUNCE_STAGE_HELD, text);
}

static int resume(struct plan_act *w)
{
	struct progress *p = &w->st.p;
	char span[40];

	if (!p->held_by)
		return refuse(w, -EPERM, "%s is not held", w->r->name);
	text_duration_words(db_tx_now(w->tx) - p->held_since_us, span, sizeof(span));
	CLEANUP(cleanup_free) char *text = text_format("resumed by %s after %s", w->rq->who.name, span);
	text_set(&p->held_by, NULL);
	text_set(&p->hold_note, NULL);
	p->held_since_us = 0;
	int r = text ? progress_save(w->tx, p) : -ENOMEM;
	return r < 0 ? r : plan_tell(w, ANNOUNCE_RESUMED, text);
}

static int freeze(struct plan_act *w)
{
	struct progress *p = &w->st.p;
	bool ends = w->rq->for_us == 0;
	char until[40];

	if (w->rq->for_us < 0)
		return refuse(w, -EINVAL, "say for how long (duration, like 4h); 0s ends a freeze");
	if (w->rq->for_us > FREEZE_MAX_US)
		return refuse(w, -EINVAL, "a freeze lasts a year at most; 0s ends it");
	if (ends && p->frozen_until_us <= db_tx_now(w->tx))
		return refuse(w, -EPERM, "%s is not frozen by anybody", w->r->name);
	if (!ends && !plan_reason(w))
		return refuse(w, -EINVAL, "say why (note; --reason TEXT)");
	p->frozen_until_us = ends ? 0 : db_tx_now(w->tx) + w->rq->for_us;
	int r = text_set(&p->frozen_by, ends ? NULL : w->rq->who.name);
	if (r == 0)
		r = text_set(&p->freeze_note, ends ? NULL : w->rq->note);
	text_time_words(p->frozen_until_us, until, sizeof(until));
	CLEANUP(cleanup_free)
	char *text = ends ? text_format("freeze ended by %s", w->rq->who.name)
	                  : text_format("frozen until %s by %s: %s", until, w->rq->who.name, w->rq->note);
	if (r == 0)
		r = text ? progress_save(w->tx, p) : -ENOMEM;
	return r < 0 ? r : plan_tell(w, ANNOUNCE_FROZEN, text);
}

/* --- release notes --- */

static int publish(struct plan_act *w)
{
	const struct stage *st = w->rq->stage < 0 ? w->stage : rollout_stage(w->r, w->rq->stage);

	if (!st)
		return refuse(w, -ENOENT, "say which stage's release notes (stage)");
	if (!st->release_notes[0])
		return refuse(w, -EPERM, "stage %d has no release_notes in the config", st->number);
	CLEANUP(cleanup_free)
	char *text = text_format("[RELEASE NOTES] %s Stage %d\n%s", w->r->title, st->number, st->release_notes);
	int r = text ? plan_note(w, "release notes published", st->name) : -ENOMEM;
	return r < 0 ? r : announce_text(w->tx, w->s, ANNOUNCE_RELEASE_NOTES, w->r->name, text);
}

/* --- the table --- */

static const struct {
	const char *word;
	plan_move_fn *act;
	bool is_judged; /* by a fresh evaluation */
} moves[MOVE_N] = {
	[MOVE_APPROVE] = {"approve", plan_approve, .is_judged = true},
	[MOVE_CHECK] = {"check", plan_check},
	[MOVE_HOLD] = {"hold", hold},
	[MOVE_RESUME] = {"resume", resume},
	[MOVE_FREEZE] = {"freeze", freeze},
	[MOVE_SET] = {"set", plan_set},
	[MOVE_PUBLISH] = {"publish", publish},
	[MOVE_CERTIFY] = {"certify", plan_certify, .is_judged = true},
	[MOVE_EVIDENCE] = {"evidence", plan_evidence},
	[MOVE_DONE] = {"done", plan_done, .is_judged = true},
	[MOVE_ADVANCE] = {"advance", plan_advance, .is_judged = true},
	[MOVE_FLAG] = {NULL, plan_flag, .is_judged = true},
};

int plan_move_find(const char *word)
{
	assert(word);
	for (int i = 0; i < MOVE_N; i++)
		if (moves[i].word && !strcmp(moves[i].word, word))
			return i;
	return -EINVAL;
}

bool plan_move_is_judged(enum plan_move move)
{
	assert(move < MOVE_N);
	return moves[move].is_judged;
}

static int work_load(struct plan_act *w, const char *rollout)
{
	assert(w->s && rollout);
	w->r = settings_rollout(w->s, rollout);
	if (!w->r)
		return refuse(w, -ENOENT, "there is no rollout %.100s", rollout);
	int r = rollout_state_load(db_tx_conn(w->tx), w->r, db_tx_now(w->tx), NULL, &w->st);
	w->stage = r == 0 ? rollout_state_stage(&w->st, w->r) : NULL;
	return r;
}

int plan_act(struct db_tx *tx, const struct settings *s, const struct plan_request *rq, const struct evaluation *ev,
             struct plan_outcome *out, char *why, size_t why_size)
{
	assert(tx && s && rq && rq->rollout && out && why && why_size >= 600);
	assert(thread_may(THREAD_WRITER) && rq->move >= 0 && rq->move < MOVE_N && (ev || !moves[rq->move].is_judged));
	struct plan_act w = {.tx = tx, .s = s, .rq = rq, .ev = ev, .out = out, .why = why, .why_size = why_size};
	int r = work_load(&w, rq->rollout);

	if (r == 0)
		r = moves[rq->move].act(&w);
	rollout_state_free(&w.st);
	return r;
}
