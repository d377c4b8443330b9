#include "handlers/engine/round.h"

#include <assert.h>
#include <string.h>

#include "handlers/incident/kinds.h"
#include "server/core/text.h"

#define UNKNOWN_ROUNDS_MAX 3 /* each bounded by its checks' time limits */

struct change round_unheard(int64_t evidence_since_us)
{
	return (struct change) {.kind = CHANGE_ROUND,
	                        .seen = -1,
	                        .least = -1,
	                        .partial = true,
	                        .file = -1,
	                        .evidence_since_us = evidence_since_us};
}

static char *copied(const char *text)
{
	return strdup(text ? text : "");
}

void round_hear(struct change *ch, const struct verify_result *r)
{
	assert(ch && ch->kind == CHANGE_ROUND && !ch->text && r);
	ch->written = r->written.state;
	ch->written_note = copied(r->written.note);
	ch->acknowledged = r->acknowledged.state;
	ch->acknowledged_note = copied(r->acknowledged.note);
	ch->effective = r->effective.state;
	ch->effective_note = copied(r->effective.note);
	ch->cured = r->cured.state;
	ch->cured_note = copied(r->cured.note);
	ch->text = copied(r->text);
	ch->seen = r->seen;
	ch->least = r->least;
	ch->partial = r->partial;
	ch->file = r->file;
	ch->stale = r->stale;
	ch->asked = r->asked;
}

struct sighting round_sighting(const struct change *ch)
{
	assert(ch && ch->kind == CHANGE_ROUND);
	return (struct sighting) {.there = ch->asked && !ch->partial ? ch->least : -1,
	                          .file = ch->file,
	                          .since_us = ch->evidence_since_us};
}

int condition_is(struct incident *inc, enum condition_type which, enum condition_status state, const char *note,
                 int64_t now_us)
{
	assert(inc && which < CONDITION_N && state <= STATUS_NO);
	struct condition *c = &inc->condition[which];

	if (c->state != state || !c->at_us)
		c->at_us = now_us;
	c->state = state;
	return text_set(&c->note, note);
}

bool round_wants_effect(const struct plan *plan, const struct incident *inc)
{
	assert(plan && inc);
	return plan->rollout.effective_query && inc->pct_wanted == 0 && kind_of(inc)->lowers;
}

static bool has_effect(const struct finding *f)
{
	return !round_wants_effect(f->plan, f->inc) || f->round->effective == STATUS_YES;
}

/* What has not reached the world cannot have helped: whatever got better did so by itself. */
struct condition round_cure(const struct finding *f)
{
	assert(f && f->plan && f->inc && f->round);
	bool reached = f->round->acknowledged == STATUS_YES && has_effect(f);

	return (struct condition) {.state = reached ? f->round->cured : STATUS_UNKNOWN,
	                           .note = reached ? f->round->cured_note : (char *)"judged once it is effective"};
}

int round_conditions(const struct finding *f)
{
	assert(f && f->plan && f->inc && f->round);
	const struct change *ch = f->round;
	const struct condition cure = round_cure(f);
	const struct {
		bool asked;
		enum condition_type which;
		enum condition_status state;
		const char *note;
	} all[] = {
		{true, CONDITION_WRITTEN, ch->written, ch->written_note},
		{true, CONDITION_ACKNOWLEDGED, ch->acknowledged, ch->acknowledged_note},
		{round_wants_effect(f->plan, f->inc), CONDITION_EFFECTIVE, ch->effective, ch->effective_note},
		{f->plan->rollout.cured_query && kind_of(f->inc)->lowers, CONDITION_CURED, cure.state, cure.note},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(all); i++)
		if (all[i].asked)
			r = condition_is(f->inc, all[i].which, all[i].state, all[i].note, f->now_us);
	return r;
}

void round_count(const struct finding *f, bool acts_open)
{
	assert(f && f->plan && f->inc && f->round);
	bool yes = f->round->written == STATUS_YES && f->round->acknowledged == STATUS_YES && has_effect(f);

	f->inc->verify_rounds++;
	f->inc->verify_passes = yes && !acts_open ? f->inc->verify_passes + 1 : 0;
}

/* --- has anything to be done? --- */

bool round_is_after_act(const struct incident *inc)
{
	assert(inc);
	return inc->applied_at_us && !inc->rolled_back_at_us && !inc->already_there;
}

static bool file_is_above(const struct finding *f)
{
	return f->plan->rollout.flags_file && f->round->written != STATUS_YES;
}

/* One instance is above, another has not said where it is: more than 0 % might raise that one. */
static bool might_raise(const struct finding *f)
{
	return f->inc->pct_wanted > 0 && f->round->partial;
}

/* Does the round leave open what has to be known? */
static bool is_open(const struct finding *f)
{
	return f->round->acknowledged == STATUS_UNKNOWN || (f->round->acknowledged == STATUS_NO && might_raise(f));
}

static enum asked_answer judge_unknown(const struct finding *f)
{
	const struct change *ch = f->round;

	if (ch->stale && !ch->deadline_passed)
		return ASKED_WAIT;
	if (round_is_after_act(f->inc))
		return ASKED_WAIT; /* verification's own time limit is running */
	if (f->inc->pct_wanted == 0)
		return ASKED_ABOVE;
	if (!ch->asked && ch->file >= 0)
		return ch->file > f->inc->pct_wanted ? ASKED_ABOVE : ASKED_NOBODY;
	return ch->deadline_passed || f->inc->unknown_rounds >= UNKNOWN_ROUNDS_MAX ? ASKED_NOBODY : ASKED_WAIT;
}

static enum asked_answer judge(const struct finding *f)
{
	bool acted = round_is_after_act(f->inc);

	switch (f->round->acknowledged) {
	case STATUS_YES:
		if (file_is_above(f))
			return ASKED_ABOVE;
		if (has_effect(f))
			return ASKED_THERE;
		return f->round->deadline_passed ? ASKED_ABOVE : ASKED_WAIT;
	case STATUS_NO:
		if (might_raise(f) && !acted)
			return judge_unknown(f);
		/* An apply needs its time before it can be seen. */
		return acted && f->now_us < f->inc->applied_at_us + f->plan->rollout.verify_delay_us ? ASKED_WAIT
		                                                                                     : ASKED_ABOVE;
	case STATUS_UNKNOWN:
		return judge_unknown(f);
	}
	return ASKED_WAIT;
}

enum asked_answer round_asked(const struct finding *f)
{
	assert(f && f->plan && f->inc && f->inc->asking && f->round);
	struct incident *inc = f->inc;

	inc->verify_rounds++;
	inc->unknown_rounds = is_open(f) && !f->round->stale ? inc->unknown_rounds + 1 : 0;
	enum asked_answer what = judge(f);
	inc->verify_passes = what == ASKED_THERE ? inc->verify_passes + 1 : 0;
	return what;
}

static int32_t lower_of(int32_t pct, int32_t than)
{
	return pct >= 0 && pct < than ? pct : than;
}

int32_t round_target(const struct finding *f)
{
	assert(f && f->plan && f->inc && f->round);
	const struct change *ch = f->round;
	int32_t to = f->inc->pct_wanted;

	if (ch->acknowledged != STATUS_UNKNOWN && ch->seen >= 0) {
		if (f->plan->playbook.previous_stage)
			to = lower_of(stage_previous(f->settings, &f->plan->rollout, f->inc->stage, ch->seen), to);
		to = lower_of(ch->least, to); /* instances differ: what is applied, the lowest gets, too */
	}
	return lower_of(ch->file, to);
}
