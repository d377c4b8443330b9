#include "handlers/incident/over.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "db/alert.h"
#include "db/step.h"
#include "handlers/incident/drill.h"
#include "handlers/incident/kinds.h"
#include "handlers/settings/settings.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define STEP_SHOWN_MAX 60 /* bytes of the name of a step */

/* --- what is known beside the row --- */

static void add_followup(struct incident_facts *f, struct buf *failed, const struct step *s)
{
	struct buf name = BUF(sizeof(f->waiting) - 1);

	text_one_line(&name, s->name, strlen(s->name), STEP_SHOWN_MAX);
	if (s->state != STEP_WAITING)
		buf_printf(failed, "%s%s %s", failed->len ? ", " : "", buf_text(&name),
		           s->state == STEP_FAILED ? "FAILED" : "in doubt");
	else if (s->started_at_us && !f->waiting[0]) /* it was asked for: its turn has come */
		snprintf(f->waiting, sizeof(f->waiting), "%s", buf_text(&name));
	buf_free(&name);
}

int32_t incident_above(const struct incident *inc, const struct rollout_row *row)
{
	assert(inc && row);
	bool seen = row->seen_at_us > inc->rolled_back_at_us && row->seen_at_us >= row->pct_changed_us,
	     set = row->pct_changed_us > inc->rolled_back_at_us;
	int32_t now = seen ? row->pct_seen : set ? row->pct_wanted : -1;

	return inc->state == INC_ROLLED_BACK && kind_of(inc)->lowers && inc->pct_wanted >= 0 && now > inc->pct_wanted
	               ? now
	               : 0;
}

static int load_above(struct db_conn *c, const struct incident *inc, struct incident_facts *f)
{
	struct rollout_row row = {.pct_wanted = -1, .pct_seen = -1};
	int r = inc->state == INC_ROLLED_BACK ? rollout_load(c, inc->rollout, &row) : -ENOENT;

	if (r == 0)
		f->above = incident_above(inc, &row);
	rollout_row_free(&row);
	return r == -ENOENT ? 0 : r;
}

int incident_facts_load(struct db_conn *c, const struct incident *inc, struct incident_facts *ret)
{
	assert(c && inc && inc->id > 0 && ret);
	struct incident_facts f = {.now_us = inc->state == INC_PENDING ? clock_wall_us() : 0};
	struct buf failed = BUF(sizeof(f.failed) - 1);
	struct step_list l = {0};
	int64_t all = 0;
	int r = inc->state == INC_ROLLED_BACK ? alert_count(c, inc->id, &all, &f.firing) : 0;

	if (r == 0)
		r = load_above(c, inc, &f);
	if (r == 0)
		r = step_followups_open(c, inc->id, &l);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		add_followup(&f, &failed, &l.item[i]);
	snprintf(f.failed, sizeof(f.failed), "%s", buf_text(&failed));
	buf_free(&failed);
	step_list_free(&l);
	if (r == 0)
		*ret = f;
	return r;
}

/* --- the answer --- */

struct view {
	const struct incident *inc;
	const struct incident_facts *facts;
	char to[24];    /* "0%" */
	char cure[350]; /* "; whether it helped is unknown (no data)"; "" it helped, or nobody asks */
	struct incident_over *ret;
};

static void because(struct view *v, bool over, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void because(struct view *v, bool over, const char *fmt, ...)
{
	va_list ap;

	v->ret->over = over;
	va_start(ap, fmt);
	vsnprintf(v->ret->because, sizeof(v->ret->because), fmt, ap);
	va_end(ap);
}

/* What was judged, and is no yes; so long as it has time nobody doubts. */
static void say_cure(struct view *v)
{
	const struct condition *c = &v->inc->condition[CONDITION_CURED];
	bool judged = v->inc->rolled_back_at_us && c->note && c->note[0];
	bool has_time = v->inc->state == INC_ROLLED_BACK && v->inc->verify_until_us;

	if (judged && !has_time && c->state != STATUS_YES)
		snprintf(v->cure, sizeof(v->cure),
		         c->state == STATUS_NO ? "; the symptom persisted (%s)" : "; whether it helped is unknown (%s)",
		         c->note);
}

static void next(struct view *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void next(struct view *v, const char *fmt, ...)
{
	size_t at = v->ret->n_next;
	va_list ap;

	assert(at < NEXT_MAX);
	memcpy(v->ret->next[at], "rollbackctl ", sizeof("rollbackctl "));
	va_start(ap, fmt);
	vsnprintf(v->ret->next[at] + strlen("rollbackctl "), sizeof(v->ret->next[at]) - strlen("rollbackctl "), fmt,
	          ap);
	va_end(ap);
	v->ret->n_next++;
}

static void next_incident(struct view *v, const char *word)
{
	next(v, "incident %s %lld", word, (long long)v->inc->id);
}

static void next_review(struct view *v)
{
	next(v, "incident review %lld \"what was wrong, and what was done\"", (long long)v->inc->id);
}

static void next_rollback(struct view *v)
{
	if (v->inc->stage >= 0)
		next(v, "rollback %s --stage %d", v->inc->rollout, v->inc->stage);
	else
		next(v, "rollback %s", v->inc->rollout);
}

void incident_seen_text(const struct incident *inc, char *out, size_t size)
{
	assert(inc && out && size > 0);
	const struct condition *said = &inc->condition[CONDITION_ACKNOWLEDGED];
	char seen[16];

	text_pct(inc->pct_seen, seen, sizeof(seen));
	if (said->state != STATUS_YES && said->note && said->note[0])
		snprintf(out, size, "%s",
		         said->note); /* who lags, or who does not answer: older numbers would mislead */
	else if (inc->pct_seen < 0)
		snprintf(out, size, "no answer what the percentage is");
	else
		snprintf(out, size, "last seen at %s%%", seen);
}

bool incident_ended_unverified(const struct incident *inc)
{
	assert(inc);
	return inc->state == INC_RESOLVED && inc->failed_at_us && !inc->rolled_back_at_us && kind_of(inc)->lowers;
}

bool incident_symptom_persists(const struct incident *inc)
{
	assert(inc);
	return inc->state == INC_ROLLED_BACK && inc->condition[CONDITION_CURED].state == STATUS_NO;
}

/* Only at 0 % is the canary out of it. */
int incident_symptom_text(struct buf *b, const struct incident *inc)
{
	assert(b && inc);
	const char *found = inc->condition[CONDITION_CURED].note;
	char pct[16];

	text_pct(inc->pct_wanted, pct, sizeof(pct));
	buf_printf(b, "at %s%% and the symptom persists (%s): ", pct, found ? found : "unknown");
	if (inc->pct_wanted == 0)
		return buf_str(b, "the canary is probably not the cause. Look elsewhere");
	buf_printf(b, "that was not enough, or the canary is not the cause. To 0%%: rollbackctl rollback %s",
	           inc->rollout);
	return inc->stage < 0 ? b->error : buf_printf(b, " --stage %d", inc->stage);
}

static void pending(struct view *v)
{
	char at[60];

	text_time_local(v->inc->due_at_us, at, sizeof(at));
	because(v, false, "it rolls back to %s at %s unless every alert resolves first", v->to, at);
	next_incident(v, "cancel");
	next(v, "incident extend %lld 30m --note \"why it may wait\"", (long long)v->inc->id);
}

static void held(struct view *v)
{
	because(v, false, "it is held and waits for a person");
	if (v->inc->stage >= 0)
		next_rollback(v);
	next_incident(v, "resolve");
}

static void failed(struct view *v)
{
	char seen[350];

	incident_seen_text(v->inc, seen, sizeof(seen));
	because(v, false, "%s was never verified: %s", v->to, seen);
	next_incident(v, "retry");
}

/* Before its time is up nobody is acquitted: rates take their time to fall. */
static void persists(struct view *v)
{
	const char *found = v->inc->condition[CONDITION_CURED].note;
	struct buf b = BUF(sizeof(v->ret->because) - 1);

	if (v->inc->verify_until_us)
		buf_printf(&b, "at %s the symptom is still there (%s)", v->to, found ? found : "");
	else
		incident_symptom_text(&b, v->inc);
	because(v, false, "%s", buf_text(&b));
	buf_free(&b);
}

/* Where the world is where it should be: what else is open, the most pressing first. */
static void rolled_back(struct view *v)
{
	long long firing = (long long)v->facts->firing;
	char now[16];

	text_pct(v->facts->above, now, sizeof(now));
	if (v->facts->above)
		because(v, false, "it was raised again since: %s%%, not %s", now, v->to);
	else if (v->facts->failed[0])
		because(v, false, "after the rollback %s", v->facts->failed);
	else if (v->facts->waiting[0])
		because(v, false, "%s waits for a person", v->facts->waiting);
	else if (incident_symptom_persists(v->inc))
		persists(v);
	else if (firing)
		because(v, false, "%lld %s", firing, text_many(firing, "alert still fires", "alerts still fire"));
	else if (v->inc->review == REVIEW_REQUIRED)
		because(v, false, "%s was seen, but its review is open", v->to);
	else
		because(v, true, "%s was seen, and no alert of it fires%s", v->to, v->cure);
	if (v->facts->above)
		next_rollback(v);
	if (v->facts->waiting[0])
		next_incident(v, "approve");
	else if (v->inc->review == REVIEW_REQUIRED)
		next_review(v);
	else
		next_incident(v, "resolve");
}

static void resolved(struct view *v)
{
	char seen[350];

	incident_seen_text(v->inc, seen, sizeof(seen));
	if (incident_ended_unverified(v->inc)) {
		because(v, false, "a person ended it, but %s was never verified: %s", v->to, seen);
		next_rollback(v);
	} else if (v->inc->review == REVIEW_REQUIRED) {
		because(v, false, "its review is open, and nothing is raised before");
		next_review(v);
	} else {
		because(v, true, "%s%sit was resolved%s", v->inc->rolled_back_at_us ? v->to : "",
		        v->inc->rolled_back_at_us ? " was seen, and " : "", v->cure);
	}
}

static void of_rollback(struct view *v)
{
	switch (v->inc->state) {
	case INC_PENDING:
		pending(v);
		break;
	case INC_ROLLING_BACK:
		because(v, false, "it is rolling back to %s", v->to);
		break;
	case INC_VERIFYING:
		because(v, false, "%s is not verified yet", v->to);
		break;
	case INC_ROLLED_BACK:
		rolled_back(v);
		break;
	case INC_FAILED:
		failed(v);
		break;
	case INC_HELD:
		held(v);
		break;
	case INC_CANCELLED:
		because(v, true, "it was called off before anything was changed");
		break;
	case INC_RESOLVED:
		resolved(v);
		break;
	case INC_STATE_N:
		break;
	}
}

static void of_drill(struct view *v)
{
	if (drill_passed(v->inc)) {
		because(v, true, "the drill has passed");
	} else if (!incident_is_open(v->inc->state)) {
		because(v, true, "the drill was ended, not passed");
	} else if (v->inc->state == INC_FAILED) {
		because(v, false, "the drill has FAILED: a real rollback might fail, too");
		next(v, "drill %s", v->inc->rollout);
	} else {
		because(v, false, "the drill is under way");
	}
}

static void of_advance(struct view *v)
{
	char seen[350];

	incident_seen_text(v->inc, seen, sizeof(seen));
	if (v->inc->state == INC_FAILED) {
		because(v, false, "%s was never verified: %s", v->to, seen);
		next_rollback(v);
	} else if (incident_is_open(v->inc->state)) {
		because(v, false, "stage %d is being entered", v->inc->stage);
	} else {
		because(v, true,
		        v->inc->rolled_back_at_us ? "stage %d was entered" : "entering stage %d was called off",
		        v->inc->stage);
	}
}

static void of_flag(struct view *v)
{
	char seen[350];

	incident_seen_text(v->inc, seen, sizeof(seen));
	if (v->inc->state == INC_FAILED)
		because(v, false, "%s was not seen since the flag was set: %s", v->to, seen);
	else if (incident_is_open(v->inc->state))
		because(v, false, "the apply steps run, for the service to read the flag");
	else
		because(v, true,
		        v->inc->rolled_back_at_us ? "the apply steps were run" : "the apply steps were called off");
}

void incident_over(const struct incident *inc, const struct incident_facts *facts, struct incident_over *ret)
{
	static void (*const judges[TEXTS_N])(struct view *) = {[TEXTS_ROLLBACK] = of_rollback,
	                                                       [TEXTS_DRILL] = of_drill,
	                                                       [TEXTS_STAGE] = of_advance,
	                                                       [TEXTS_FLAG] = of_flag};
	assert(facts && ret);
	struct view v = {.inc = inc, .facts = facts, .ret = ret};
	char pct[16];

	assert(inc->state > 0 && inc->state < INC_STATE_N && inc->rollout);
	*ret = (struct incident_over) {0};
	text_pct(inc->pct_wanted, pct, sizeof(pct));
	snprintf(v.to, sizeof(v.to), "%s%s", pct, inc->pct_wanted >= 0 ? "%" : "");
	say_cure(&v);
	judges[kind_of(inc)->texts](&v);
	assert(ret->because[0]);
}
