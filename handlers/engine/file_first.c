/*
 * No step makes the service read a flags file that may hold more than the service has: it waits until the file was
 * lowered, or what is there was seen. Here at every door to a step's beginning, and what follows from it for what is on
 * record.
 */
#include "handlers/engine/file_first.h"

#include <assert.h>
#include <string.h>

#include "handlers/engine/retry.h"
#include "handlers/incident/kinds.h"
#include "handlers/steps/reads_file.h"

static bool changes_percentage(const struct step *s)
{
	return (s->phase == PHASE_APPLY || s->phase == PHASE_FALLBACK) &&
	       (s->kind == STEP_COMMAND || s->kind == STEP_HTTP);
}

static bool says_percentage(const struct step *s)
{
	CLEANUP(json_cleanup) struct json_object *tree = strchr(s->spec, '$') ? json_tokener_parse(s->spec) : NULL;
	struct act act = {0};
	bool says = tree && act_read(tree, &act) == 0 && act_says_percentage(&act);

	act_free(&act);
	return says;
}

/* The lowest that everybody said in a round since the last act; -1 unknown. Once a step that says the percentage has
 * begun it may come down at any moment, also after it was seen. */
static int32_t there(const struct situation *s)
{
	bool known = s->seen.since_us == s->inc->evidence_since_us;

	for (size_t i = 0; known && i < s->steps->n; i++) {
		const struct step *step = &s->steps->item[i];

		known = !(changes_percentage(step) && step->attempts > 0 && says_percentage(step));
	}
	return known ? s->seen.there : -1;
}

bool file_comes_first(const struct situation *s, const struct step *step, char *why, size_t why_size)
{
	assert(s && s->rollout && step && why);
	const struct kind *k = kind_of(s->inc);

	return k->lowers && k->acts && changes_percentage(step) && s->rollout->flags_file && !says_percentage(step) &&
	       reading_may_raise(s->rollout, s->inc->pct_wanted, there(s), why, why_size);
}

/* The one that was added last. */
static const struct step *flags_step(const struct step_list *all)
{
	for (size_t i = all->n; i-- > 0;)
		if (all->item[i].kind == STEP_FLAGS)
			return &all->item[i];
	return NULL;
}

/* It was lowered, and the last round found more in it; not at once again and again, if it is somebody's program. */
static bool file_rose(const struct situation *s, const struct step *flags)
{
	bool looks = (s->inc->state == INC_VERIFYING || s->inc->state == INC_FAILED) && !s->inc->asking;
	int64_t ago = s->now_us - flags->ended_at_us;

	return looks && s->seen.since_us == s->inc->evidence_since_us && s->seen.file > s->inc->pct_wanted &&
	       (ago < 0 || ago >= retry_pause_us(flags->attempts)); /* below 0: the clock was set back meanwhile */
}

const struct step *file_to_write_again(const struct situation *s)
{
	assert(s && s->inc && s->steps);
	const struct step *flags = flags_step(s->steps);
	const struct kind *k = kind_of(s->inc);
	char why[256];

	if (!flags || flags->state != STEP_DONE || !k->lowers || !k->acts || !step_may_run(s->inc->state, flags->phase))
		return NULL;
	if (file_rose(s, flags))
		return flags;
	for (size_t i = 0; i < s->steps->n; i++) {
		const struct step *step = &s->steps->item[i];

		if (step->state == STEP_TODO && step_may_run(s->inc->state, step->phase) &&
		    file_comes_first(s, step, why, sizeof(why)))
			return flags;
	}
	return NULL;
}

bool step_waits_for_round(const struct incident *inc, const struct step *step)
{
	assert(inc && step);
	return (inc->state == INC_VERIFYING || inc->state == INC_FAILED) && inc->pct_wanted > 0 &&
	       kind_of(inc)->lowers && step->state == STEP_TODO && changes_percentage(step);
}

bool step_waits_for_file(const struct situation *s, const struct step *step)
{
	assert(s && s->rollout && step);
	const struct step *flags = flags_step(s->steps);
	bool coming = flags && (flags->state == STEP_DONE || flags->state == STEP_TODO || flags->state == STEP_RUNNING);

	return s->rollout->flags_file && !coming && step->state == STEP_TODO && changes_percentage(step) &&
	       !says_percentage(step);
}
