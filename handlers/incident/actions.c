#include "handlers/incident/actions.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/rollout.h"
#include "db/step.h"
#include "handlers/steps/percentage.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/move.h"
#include "handlers/incident/open.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/over.h"
#include "handlers/settings/keys.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define ETA_MOST_US    (366 * 86400 * US_PER_S) /* beyond that it is a slip of the pen */
#define EXTEND_MOST_US (86400 * US_PER_S)

static const char *const action_words[ACTION_N] = {
	[ACTION_ACKNOWLEDGE] = "acknowledge", [ACTION_NOTE] = "note",     [ACTION_ETA] = "eta",
	[ACTION_CANCEL] = "cancel",           [ACTION_RETRY] = "retry",   [ACTION_RESOLVE] = "resolve",
	[ACTION_APPROVE] = "approve",         [ACTION_REVIEW] = "review", [ACTION_EXTEND] = "extend",
};

int action_find(const char *word)
{
	assert(word);
	return text_enum_find(action_words, ACTION_N, word);
}

static int on_timeline(struct db_tx *tx, const struct incident *inc, const struct action_request *rq, const char *what)
{
	struct event e = {.incident_id = inc->id,
	                  .rollout = inc->rollout,
	                  .who = (char *)rq->who,
	                  .what = (char *)what,
	                  .note = (char *)rq->note};

	return event_add(tx, &e);
}

/* What changed nothing but is told all the same. */
static int save_and_tell(struct db_tx *tx, const struct settings *s, struct incident *inc,
                         const struct action_request *rq, const char *what, enum announcement_id say)
{
	assert(inc->id > 0);
	int r = incident_save(tx, inc);

	if (r == 0)
		r = on_timeline(tx, inc, rq, what);
	return r < 0 ? r : announce_incident(tx, s, inc, say);
}

static int acknowledge(struct db_tx *tx, const struct settings *s, struct incident *inc,
                       const struct action_request *rq)
{
	int r = text_set(&inc->acknowledged_by, rq->who);

	inc->acknowledged_at_us = db_tx_now(tx);
	return r < 0 ? r : save_and_tell(tx, s, inc, rq, "acknowledged", ANNOUNCE_ACKNOWLEDGED);
}

/* "2 hours", "1 hour 30 minutes" as the notation that is known: "2h", "1h30m". */
static int duration_in_words(const char *said, int64_t *ret_us)
{
	static const struct {
		const char *word, *unit;
	} units[] = {{"minute", "m"}, {"min", "m"}, {"hour", "h"}, {"day", "d"}};
	CLEANUP(buf_free) struct buf b = BUF(100);

	for (const char *p = said; *p;) {
		size_t i = 0;

		if (*p == ' ' && ++p)
			continue;
		while (i < ARRAY_LEN(units) && strncmp(p, units[i].word, strlen(units[i].word)) != 0)
			i++;
		if (i < ARRAY_LEN(units)) {
			buf_str(&b, units[i].unit);
			p += strlen(units[i].word);
			p += *p == 's';
		} else {
			buf_char(&b, *p++);
		}
	}
	return b.error ? b.error : text_duration_parse(buf_text(&b), ret_us);
}

/* "2h" is from now; 0 for a text that is neither that nor a time to come. */
static int64_t eta_of(const char *said, int64_t now)
{
	int64_t span = 0, at = 0;

	if (duration_in_words(said, &span) == 0)
		return span > 0 && span <= ETA_MOST_US ? now + span : 0;
	return text_time_parse(said, strlen(said), &at) == 0 && at > now && at - now <= ETA_MOST_US ? at : 0;
}

static int eta(struct db_tx *tx, const struct settings *s, struct incident *inc, const struct action_request *rq,
               char *why, size_t why_size)
{
	bool clears = !rq->note || !rq->note[0];
	int64_t at = clears ? 0 : eta_of(rq->note, db_tx_now(tx));
	char text[40];

	if (!clears && !at) {
		snprintf(why, why_size,
		         "an ETA is a duration like 2h or a time to come like 2030-10-14T12:00:00Z, not "
		         "\"%.60s\"; it was not changed",
		         rq->note);
		return -EINVAL;
	}
	text_time(at - at % US_PER_S, text, sizeof(text));
	int r = text_set(&inc->eta, clears ? NULL : text);
	return r < 0 ? r : save_and_tell(tx, s, inc, rq, "eta", ANNOUNCE_ETA);
}

/* A rollback that is pending waits longer: bounded, and said why, for meanwhile nothing else protects. */
static int extend(struct db_tx *tx, const struct settings *s, struct incident *inc, const struct action_request *rq,
                  char *why, size_t why_size)
{
	int64_t most = incident_decided_us(inc) + EXTEND_MOST_US - inc->due_at_us;
	char at[60];

	if (inc->state != INC_PENDING)
		return say_why(why, why_size, -EPERM, "incident %lld is %s: only a pending rollback can be put off",
		               (long long)inc->id, incident_state_name(inc->state));
	if (rq->for_us <= 0)
		return say_why(why, why_size, -EINVAL, "say how much longer it may wait (duration, like 30m)");
	if (!rq->note || !rq->note[0])
		return say_why(why, why_size, -EINVAL, "say why it may wait (note; --note TEXT)");
	if (rq->for_us > most)
		return say_why(why, why_size, -EINVAL,
		               "a rollback waits for a day at most since its trigger came; cancel it, or roll back");
	inc->due_at_us += rq->for_us;
	text_time_local(inc->due_at_us, at, sizeof(at));
	CLEANUP(cleanup_free) char *note = text_format("until %s: %s", at, rq->note);
	struct action_request told = *rq;

	told.note = note;
	return note ? save_and_tell(tx, s, inc, &told, "extended", ANNOUNCE_EXTENDED) : -ENOMEM;
}

/* --- steps that wait for a person --- */

static struct step *asked_step(struct step_list *l)
{
	assert(l->item || l->n == 0);
	for (size_t i = 0; i < l->n; i++)
		if (l->item[i].state == STEP_WAITING)
			return l->item[i].started_at_us ? &l->item[i] : NULL;
	return NULL;
}

static int approve(struct db_tx *tx, struct incident *inc, const struct action_request *rq, char *why, size_t why_size)
{
	struct step_list l = {0};

	if (!rq->known) {
		snprintf(why, why_size,
		         "approving needs to know who you are: a web config with passwords, or the unix socket");
		return -EACCES;
	}
	int r = step_of_incident(db_tx_conn(tx), inc->id, &l);
	struct step *s = r == 0 ? asked_step(&l) : NULL;
	if (r == 0 && (!s || !incident_is_open(inc->state))) {
		snprintf(why, why_size, "no step of incident %lld waits for approval now", (long long)inc->id);
		r = -EPERM;
	}
	if (r == 0 && rq->step && strcmp(rq->step, s->name) != 0) {
		snprintf(why, why_size, "the step that waits is \"%.80s\", not \"%.80s\": nothing was approved",
		         s->name, rq->step);
		r = -EPERM;
	}
	if (r == 0) {
		CLEANUP(cleanup_free) char *what = text_format("approved: %s", s->name);

		s->state = STEP_TODO;
		s->started_at_us = 0;
		r = step_save(tx, s);
		if (r == 0)
			r = what ? on_timeline(tx, inc, rq, what) : -ENOMEM;
	}
	step_list_free(&l);
	return r;
}

static int review(struct db_tx *tx, struct incident *inc, const struct action_request *rq, char *why, size_t why_size)
{
	if (inc->review != REVIEW_REQUIRED) {
		snprintf(why, why_size, "incident %lld %s", (long long)inc->id,
		         inc->review == REVIEW_DONE ? "is reviewed already" : "needs no review");
		return -EPERM;
	}
	if (!rq->note || !rq->note[0]) {
		snprintf(why, why_size, "a review needs its result (note): what was wrong, and what was done");
		return -EINVAL;
	}
	inc->review = REVIEW_DONE;
	inc->reviewed_at_us = db_tx_now(tx);
	int r = text_set(&inc->reviewed_by, rq->who);
	if (r == 0)
		r = incident_save(tx, inc);
	return r < 0 ? r : on_timeline(tx, inc, rq, "reviewed");
}

static const char *allowed_in(enum incident_action a)
{
	return a == ACTION_CANCEL  ? "only a pending or held incident can be cancelled"
	       : a == ACTION_RETRY ? "only a failed incident, or a held one with a percentage to go to, can be "
	                             "retried; instead of a "
	                             "drill start another"
	                           : "an incident cannot be resolved while it acts, nor twice";
}

/* What was still to follow the rollback is not done any more; the timeline says so. */
static int skip_the_rest(struct db_tx *tx, const struct incident *inc, const struct action_request *rq)
{
	struct step_list l = {0};
	int r = step_of_incident(db_tx_conn(tx), inc->id, &l);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		struct step *s = &l.item[i];

		if (s->kind == STEP_SNAPSHOT && s->state == STEP_TODO) {
			s->state = s->attempts ? STEP_DONE : STEP_SKIPPED;
			r = step_save(tx, s);
			continue;
		}
		if (s->phase != PHASE_FOLLOWUP || (s->state != STEP_TODO && s->state != STEP_WAITING))
			continue;
		CLEANUP(cleanup_free) char *what = text_format("not done: %s", s->name);
		s->state = STEP_SKIPPED;
		r = step_save(tx, s);
		if (r == 0)
			r = what ? on_timeline(tx, inc, rq, what) : -ENOMEM;
	}
	step_list_free(&l);
	return r;
}

static int move(struct db_tx *tx, const struct settings *s, struct incident *inc, const struct action_request *rq,
                enum incident_event ev, char *why, size_t why_size)
{
	const struct kind *k = kind_of(inc);
	bool nothing_to_retry = ev == EV_RETRY && (inc->pct_wanted < 0 || !k->acts || k->once);
	int r = nothing_to_retry ? 0
	        : ev == EV_RETRY ? incident_begin(tx, s, inc, ev, rq->who, rq->note)
	                         : incident_move(tx, s, inc, ev, rq->who, rq->note);

	if (r == 0) {
		snprintf(why, why_size, "incident %lld is %s: %s", (long long)inc->id, incident_state_name(inc->state),
		         allowed_in(rq->action));
		return -EPERM;
	}
	return r > 0 && ev == EV_RESOLVE ? skip_the_rest(tx, inc, rq) : r < 0 ? r : 0;
}

/* Nobody waits for somebody who takes over what has ended. */
static int refuse_ended(const struct incident *inc, char *why, size_t why_size)
{
	snprintf(why, why_size, "incident %lld is %s: nothing is left to take over or to wait for", (long long)inc->id,
	         incident_state_name(inc->state));
	return -EPERM;
}

/* What was seen last of what it set; false: it is known to be where it should be, or the incident set nothing. */
static bool is_doubtful(struct db_tx *tx, const struct incident *inc, char *seen, size_t size, int *ret_error)
{
	struct rollout_row row = {.pct_seen = -1};
	char pct[16];

	if (!kind_of(inc)->lowers || inc->pct_wanted < 0)
		return false;
	if (inc->state == INC_FAILED) {
		incident_seen_text(inc, seen, size);
		return true;
	}
	*ret_error = rollout_load(db_tx_conn(tx), inc->rollout, &row);
	if (*ret_error == -ENOENT)
		*ret_error = 0;
	text_pct(row.pct_seen, pct, sizeof(pct));
	snprintf(seen, size, "last seen at %s%%", pct);
	bool above = incident_above(inc, &row) > 0;
	rollout_row_free(&row);
	return above;
}

/* Whoever ends it while the world is elsewhere, or nobody knows where, says why. */
static int lacks_reason(struct db_tx *tx, const struct incident *inc, const struct action_request *rq, char *why,
                        size_t why_size)
{
	char seen[350], wanted[16];
	int r = 0;

	if (!is_doubtful(tx, inc, seen, sizeof(seen), &r) || r < 0 || (rq->note && rq->note[0]))
		return r;
	text_pct(inc->pct_wanted, wanted, sizeof(wanted));
	snprintf(why, why_size,
	         "incident %lld wants %s%%, but %.80s: ending it needs a reason (note): rollbackctl incident resolve "
	         "%lld \"why it is over\"",
	         (long long)inc->id, wanted, seen, (long long)inc->id);
	return -EINVAL;
}

static int act_on(struct db_tx *tx, const struct settings *s, struct incident *inc, const struct action_request *rq,
                  char *why, size_t why_size)
{
	assert(rq->action < ACTION_N);
	int r;

	switch (rq->action) {
	case ACTION_ACKNOWLEDGE:
		if (!incident_is_open(inc->state))
			return refuse_ended(inc, why, why_size);
		return acknowledge(tx, s, inc, rq);
	case ACTION_NOTE:
		return on_timeline(tx, inc, rq, "note");
	case ACTION_ETA:
		if (!incident_is_open(inc->state))
			return refuse_ended(inc, why, why_size);
		return eta(tx, s, inc, rq, why, why_size);
	case ACTION_CANCEL:
		return move(tx, s, inc, rq, EV_CANCEL, why, why_size);
	case ACTION_RETRY:
		return move(tx, s, inc, rq, EV_RETRY, why, why_size);
	case ACTION_RESOLVE:
		r = lacks_reason(tx, inc, rq, why, why_size);
		return r < 0 ? r : move(tx, s, inc, rq, EV_RESOLVE, why, why_size);
	case ACTION_APPROVE:
		return approve(tx, inc, rq, why, why_size);
	case ACTION_REVIEW:
		return review(tx, inc, rq, why, why_size);
	case ACTION_EXTEND:
		return extend(tx, s, inc, rq, why, why_size);
	case ACTION_N:
		break;
	}
	return -EINVAL;
}

int action_run(struct db_tx *tx, const struct settings *s, const struct action_request *rq, char *why, size_t why_size)
{
	assert(tx && s && rq && rq->who && why && why_size >= 200);
	struct incident inc = {0};
	int r;

	if (rq->action == ACTION_NOTE && (!rq->note || !rq->note[0])) {
		snprintf(why, why_size, "a note needs its text (note)");
		return -EINVAL;
	}
	r = incident_load(db_tx_conn(tx), rq->incident_id, &inc);
	if (r == -ENOENT)
		snprintf(why, why_size, "there is no incident %lld", (long long)rq->incident_id);
	if (r == 0)
		r = act_on(tx, s, &inc, rq, why, why_size);
	incident_free(&inc);
	return r;
}

static int wrong_stage(const struct manual_rollback *rq, int32_t stage, char *why, size_t why_size)
{
	char now[32];

	snprintf(now, sizeof(now), stage < 0 ? "unstaged" : "at stage %d", stage);
	if (!rq->stage_given && stage < 0)
		return 0; /* nothing to confirm: the rollout is at no stage */
	if (!rq->stage_given)
		snprintf(why, why_size, "say which stage you mean to roll back: %s is %s", rq->rollout, now);
	else if (rq->stage != stage)
		snprintf(why, why_size, "%s is %s, not at stage %d: nothing was done%s", rq->rollout, now, rq->stage,
		         stage < 0 ? "; leave the stage out" : "");
	else
		return 0;
	return rq->stage_given ? -EPERM : -EINVAL;
}

/* By hand a percentage may only be lowered. What the file holds and what was seen may differ: as long as either is
 * above there is something to lower, and the checks say how far. */
static int may_lower(struct db_tx *tx, const struct rollout *r, int32_t to, int32_t seen, char *why, size_t why_size)
{
	int32_t there = percentage_there(db_tx_conn(tx), r, NULL, 0);
	char a[16], b[16];

	if (there >= 0 && seen > there)
		there = seen;

	if (there < 0 ? !to || !r->flags_file : to <= there)
		return 0;
	text_pct(to, a, sizeof(a));
	if (there < 0) {
		snprintf(why, why_size,
		         "the percentage of %s is unknown: only a rollback to 0%% is certain not to raise it", r->name);
		return -EPERM;
	}
	text_pct(there, b, sizeof(b));
	snprintf(why, why_size, "%s is at %s%%: a rollback to %s%% would raise it", r->name, b, a);
	return -EPERM;
}

int manual_rollback(struct db_tx *tx, const struct settings *s, const struct manual_rollback *rq, int64_t *ret_incident,
                    char *why, size_t why_size)
{
	assert(tx && s && rq && rq->rollout && rq->who && ret_incident && why && why_size >= 200);
	const struct rollout *r = settings_rollout(s, rq->rollout);
	struct rollout_row row = {.stage = -1};
	enum disposition d;

	if (!r) {
		snprintf(why, why_size, "there is no rollout %.100s", rq->rollout);
		return -ENOENT;
	}
	int err = rollout_load(db_tx_conn(tx), r->name, &row);
	int32_t stage = err == 0 ? row.stage : -1, seen = err == 0 ? row.pct_seen : -1;
	rollout_row_free(&row);
	if (err < 0 && err != -ENOENT)
		return err;
	err = wrong_stage(rq, stage, why, why_size);
	if (err == 0)
		err = may_lower(tx, r, rq->to_pct, seen, why, why_size);
	if (err < 0)
		return err;
	struct playbook by_hand = {.frozen = (char *)"{\"name\":\"manual\"}",
	                           .name = "manual",
	                           .restart_at = -1,
	                           .severity = "",
	                           .to_pct = rq->to_pct};
	struct trigger t = {.rollout = r,
	                    .playbook = &by_hand,
	                    .kind = KIND_MANUAL,
	                    .who = rq->who,
	                    .summary = rq->reason && rq->reason[0] ? rq->reason : "rolled back by hand",
	                    .severity = "",
	                    .reason = rq->reason,
	                    .received_us = db_tx_now(tx)};
	return trigger_apply(tx, s, &t, ret_incident, &d);
}

int manual_report(struct db_tx *tx, const struct settings *s, const struct manual_report *rq, int64_t *ret_incident,
                  char *why, size_t why_size)
{
	assert(tx && s && rq && rq->rollout && rq->who && rq->severity && rq->summary && ret_incident && why &&
	       why_size >= 200);
	const struct rollout *r = settings_rollout(s, rq->rollout);
	bool urgent = !strcasecmp(rq->severity, "P0"); /* whoever types it in a hurry means it */
	enum disposition d;

	if (!urgent && !config_in_words(SEVERITIES, rq->severity)) {
		snprintf(why, why_size, "severity must be one of %s (P0 rolls back at once), not \"%.30s\"", SEVERITIES,
		         rq->severity);
		return -EINVAL;
	}
	if (!r) {
		snprintf(why, why_size, "there is no rollout %.100s", rq->rollout);
		return -ENOENT;
	}
	struct playbook by_hand = {.frozen = (char *)"{\"name\":\"reported\"}",
	                           .name = "reported",
	                           .severity = "",
	                           .hold = !urgent,
	                           .restart_at = -1};
	struct trigger t = {.rollout = r,
	                    .playbook = &by_hand,
	                    .kind = KIND_MANUAL,
	                    .who = rq->who,
	                    .summary = rq->summary,
	                    .severity = urgent ? "P0" : rq->severity,
	                    .received_us = db_tx_now(tx)};
	return trigger_apply(tx, s, &t, ret_incident, &d);
}
