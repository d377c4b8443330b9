/*
 * No step makes the service read a flags file that may hold more than the service has: it waits until the file was
 * lowered, or what is there was seen. Here at every door to a step's beginning (engine thread), and what follows from
 * it for what is on record (writer thread).
 */
#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <string.h>

#include "handlers/engine/file_first.h"
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
static int32_t there(const struct open_incident *l)
{
	bool known = l->there_since_us == l->inc.evidence_since_us;

	for (size_t i = 0; known && i < l->steps.n; i++) {
		const struct step *s = &l->steps.item[i];

		known = !(changes_percentage(s) && s->attempts > 0 && says_percentage(s));
	}
	return known ? l->there : -1;
}

bool file_comes_first(const struct open_incident *l, const struct step *s, char *why, size_t why_size)
{
	assert(l && l->plan && s && why);
	const struct kind *k = kind_of(&l->inc);

	return k->lowers && k->acts && changes_percentage(s) && l->plan->rollout.flags_file && !says_percentage(s) &&
	       reading_may_raise(&l->plan->rollout, l->inc.pct_wanted, there(l), why, why_size);
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
static bool file_rose(const struct open_incident *l, const struct step *flags)
{
	bool looks = (l->inc.state == INC_VERIFYING || l->inc.state == INC_FAILED) && !l->inc.asking;
	int64_t ago = db_now(l->engine->o.db) - flags->ended_at_us;

	return looks && l->there_since_us == l->inc.evidence_since_us && l->file > l->inc.pct_wanted &&
	       (ago < 0 || ago >= retry_pause_us(flags->attempts)); /* below 0: the clock was set back meanwhile */
}

const struct step *file_to_write_again(const struct open_incident *l)
{
	assert(l && l->plan);
	const struct step *flags = flags_step(&l->steps);
	const struct kind *k = kind_of(&l->inc);
	char why[256];

	if (!flags || flags->state != STEP_DONE || l->slot[SLOT_FLAGS].busy || !k->lowers || !k->acts ||
	    !step_may_run(l->inc.state, flags->phase))
		return NULL;
	if (file_rose(l, flags))
		return flags;
	for (size_t i = 0; i < l->steps.n; i++) {
		const struct step *s = &l->steps.item[i];

		if (s->state == STEP_TODO && step_may_run(l->inc.state, s->phase) &&
		    file_comes_first(l, s, why, sizeof(why)))
			return flags;
	}
	return NULL;
}

bool step_waits_for_round(const struct incident *inc, const struct step *s)
{
	assert(inc && s);
	return (inc->state == INC_VERIFYING || inc->state == INC_FAILED) && inc->pct_wanted > 0 &&
	       kind_of(inc)->lowers && s->state == STEP_TODO && changes_percentage(s);
}

bool step_waits_for_file(const struct rollout *r, const struct step_list *all, const struct step *s)
{
	assert(r && all && s);
	const struct step *flags = flags_step(all);
	bool coming = flags && (flags->state == STEP_DONE || flags->state == STEP_TODO || flags->state == STEP_RUNNING);

	return r->flags_file && !coming && s->state == STEP_TODO && changes_percentage(s) && !says_percentage(s);
}
