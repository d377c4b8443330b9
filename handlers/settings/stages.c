#include "handlers/settings/settings.h"

#include <assert.h>
#include <string.h>

const struct stage *rollout_stage(const struct rollout *r, int32_t number)
{
	assert(r);
	for (size_t i = 0; i < r->n_stages; i++)
		if (r->stages[i].number == number)
			return &r->stages[i];
	return NULL;
}

const struct checklist *rollout_checklist(const struct rollout *r, const char *name)
{
	assert(r);
	for (size_t i = 0; name && i < r->n_checklists; i++)
		if (!strcmp(r->checklists[i].name, name))
			return &r->checklists[i];
	return NULL;
}

static bool is_here(const struct settings *s, const struct stage *st)
{
	return !strcmp(st->environment, s->environment);
}

const struct stage *stage_of_percentage(const struct settings *s, const struct rollout *r, int32_t pct)
{
	assert(s && s->environment && r);
	for (size_t i = 0; i < r->n_stages; i++)
		if (is_here(s, &r->stages[i]) && r->stages[i].pct == pct)
			return &r->stages[i];
	return NULL;
}

int32_t stage_previous(const struct settings *s, const struct rollout *r, int32_t stage, int32_t there)
{
	assert(s && s->environment && r);
	const struct stage *best = NULL;

	for (size_t i = 0; i < r->n_stages; i++) {
		const struct stage *st = &r->stages[i];

		if (!is_here(s, st) || (stage >= 0 && st->number >= stage) || there < 0 || st->pct >= there)
			continue;
		if (!best || st->number > best->number)
			best = st;
	}
	return best ? best->pct : 0;
}

int32_t rollout_last_stage(const struct rollout *r)
{
	assert(r);
	int32_t last = -1;

	for (size_t i = 0; i < r->n_stages; i++)
		last = r->stages[i].number > last ? r->stages[i].number : last;
	return last;
}
