#include "handlers/engine/next.h"

#include <assert.h>

#include "handlers/engine/file_first.h"
#include "handlers/engine/retry.h"

bool step_may_run(enum incident_state state, enum step_phase phase)
{
	bool looks = state == INC_VERIFYING || state == INC_FAILED;

	return phase == PHASE_APPLY      ? state == INC_ROLLING_BACK || looks
	       : phase == PHASE_FALLBACK ? looks
	                                 : phase == PHASE_FOLLOWUP && (looks || state == INC_ROLLED_BACK);
}

/* Has everybody who was asked been seen at the target, or above, since the last act? */
static bool all_have(const struct situation *s)
{
	return s->seen.there >= s->inc->pct_wanted && s->seen.since_us == s->inc->evidence_since_us;
}

/* A step that follows the rollback is done in its turn: not before one that still waits for a person. */
static bool is_its_turn(const struct situation *s, const struct step *step)
{
	for (size_t i = 0; step->phase == PHASE_FOLLOWUP && i < s->steps->n; i++) {
		const struct step *other = &s->steps->item[i];

		if (other->phase == PHASE_FOLLOWUP && other->ord < step->ord && other->state == STEP_WAITING)
			return false;
	}
	return true;
}

bool next_may_begin(const struct situation *s, const struct step *step)
{
	assert(s && s->inc && s->steps && s->rollout && step);
	char why[256];

	return step_may_run(s->inc->state, step->phase) && is_its_turn(s, step) &&
	       (!step_waits_for_round(s->inc, step) || all_have(s)) && !file_comes_first(s, step, why, sizeof(why));
}

/* What would raise waits: for the file, which is tried again by itself; for a round in which nobody has less than the
 * target. When some have less, what is applied again is asked about anew (record_again.c). */
static bool may_retry(const struct situation *s, const struct step *step)
{
	char why[256];

	return step->kind == STEP_FLAGS ||
	       ((s->inc->pct_wanted <= 0 || all_have(s)) && !file_comes_first(s, step, why, sizeof(why)));
}

const struct step *next_retry(const struct situation *s, int64_t *ret_due)
{
	assert(s && s->inc && s->steps && s->rollout && ret_due);
	const struct step *best = NULL;

	for (size_t i = 0; i < s->steps->n; i++) {
		const struct step *step = &s->steps->item[i];
		int64_t due = retry_due_us(s->inc, s->steps, step);

		if (!due || (best && due >= *ret_due) || !may_retry(s, step))
			continue;
		best = step;
		*ret_due = due;
	}
	return best;
}

static bool is_under_way(const struct step *step)
{
	return step->state == STEP_TODO || step->state == STEP_RUNNING;
}

bool acts_are_open(const struct situation *s)
{
	assert(s && s->inc && s->steps && s->rollout);
	bool open = false;

	for (size_t i = 0; i < s->steps->n; i++) {
		const struct step *step = &s->steps->item[i];

		open |= (step->phase == PHASE_APPLY || step->phase == PHASE_FALLBACK) && is_under_way(step) &&
		        !step_waits_for_file(s, step) && !step_waits_for_round(s->inc, step);
	}
	return open;
}

bool apply_is_open(const struct situation *s)
{
	assert(s && s->steps && s->rollout);
	bool open = false;

	for (size_t i = 0; i < s->steps->n; i++) {
		const struct step *step = &s->steps->item[i];

		open |= step->phase == PHASE_APPLY && is_under_way(step) && !step_waits_for_file(s, step);
	}
	return open;
}

const struct fallback *next_fallback(const struct situation *s)
{
	assert(s && s->inc && s->steps && s->rollout);
	const struct rollout *r = s->rollout;
	bool busy = s->inc->condition[CONDITION_ACKNOWLEDGED].state == STATUS_YES;
	size_t used = 0;

	for (size_t i = 0; i < s->steps->n; i++) {
		const struct step *step = &s->steps->item[i];

		if (step->phase != PHASE_FALLBACK || step->state == STEP_SKIPPED)
			continue;
		used++;
		busy |= is_under_way(step) && !step_waits_for_file(s, step);
	}
	if (busy || used >= r->n_fallbacks || s->now_us < s->inc->applied_at_us + r->fallbacks[used].after_us)
		return NULL;
	return &r->fallbacks[used];
}
