#include "handlers/engine/retry.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "handlers/incident/kinds.h"
#include "handlers/settings/settings.h"
#include "server/core/clock.h"

#define FIRST_US   (250 * US_PER_MS)
#define SLOWEST_US (60 * US_PER_S)

static bool is_open(const struct incident *inc)
{
	return inc->state == INC_VERIFYING || inc->state == INC_FAILED;
}

/* The checks have the last word: a command is repeated once they have not said that it is there; one that sets more
 * than 0 % once they have said that it is above, since somebody may have lowered it further meanwhile. */
static bool is_wanted(const struct incident *inc, const struct step *step)
{
	if (step->kind == STEP_FLAGS)
		return true;
	if (inc->verify_rounds == 0 || inc->verify_passes > 0)
		return false;
	return inc->pct_wanted <= 0 || inc->condition[CONDITION_ACKNOWLEDGED].state == STATUS_NO;
}

/* The same step for a lower target, added by a later trigger. */
static bool has_successor(const struct step_list *all, const struct step *step)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->item[i].ord > step->ord && all->item[i].phase == step->phase &&
		    all->item[i].kind == step->kind && !strcmp(all->item[i].name, step->name))
			return true;
	return false;
}

static bool may_repeat(const struct step *step)
{
	CLEANUP(json_cleanup) struct json_object *tree = NULL;
	struct act act = {0};

	if (step->kind == STEP_FLAGS)
		return true;
	tree = json_tokener_parse(step->spec);
	bool yes = tree && act_read(tree, &act) == 0 && act.idempotent;
	act_free(&act);
	return yes;
}

int64_t retry_pause_us(int32_t attempts)
{
	int64_t pause = FIRST_US;

	assert(attempts >= 0);
	for (int32_t i = 1; i < attempts && pause < SLOWEST_US; i++)
		pause *= 2;
	return pause < SLOWEST_US ? pause : SLOWEST_US;
}

int64_t retry_due_us(const struct incident *inc, const struct step_list *all, const struct step *step)
{
	assert(inc && all && step);
	if (step->state != STEP_FAILED || !is_open(inc) || !is_wanted(inc, step) || !kind_of(inc)->lowers ||
	    (step->phase != PHASE_APPLY && step->phase != PHASE_FALLBACK) || has_successor(all, step) ||
	    !may_repeat(step))
		return 0;
	return step->ended_at_us + retry_pause_us(step->attempts);
}

bool retry_follows(const struct step *flags, const struct step *step)
{
	assert(flags->kind == STEP_FLAGS);
	return step->phase == PHASE_APPLY && step->ord > flags->ord &&
	       (step->kind == STEP_COMMAND || step->kind == STEP_HTTP) &&
	       (step->state == STEP_DONE || step->state == STEP_FAILED) && may_repeat(step);
}

bool retry_may_help(int error)
{
	return error == -EBUSY || error == -EAGAIN || error == -ENOSPC || error == -EDQUOT || error == -EINTR;
}
