#include "handlers/gates/approvals.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "handlers/gates/checklist.h"
#include "handlers/gates/success.h"

const struct approval *approval_of(const struct approval_list *l, const char *subject, const char *role)
{
	assert(l && subject && role);
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->item[i].subject, subject) && !strcmp(l->item[i].role, role))
			return &l->item[i];
	return NULL;
}

bool approval_counts(const struct approval_list *l, const char *subject, const char *role)
{
	const struct approval *a = approval_of(l, subject, role);

	return a && !a->void_at_us;
}

bool approval_is_of_force(const struct approval *a)
{
	assert(a && a->subject);
	return !strncmp(a->subject, APPROVAL_OF_FORCE, strlen(APPROVAL_OF_FORCE));
}

void approval_contradicted(const struct gate_view *v, char *out, size_t size)
{
	assert(v && v->st && v->ev && out && size > 0);
	const struct stage *s = rollout_state_stage(v->st, v->rollout);
	const struct checklist *list = s ? rollout_checklist(v->rollout, s->checklist) : NULL;

	out[0] = '\0';
	for (size_t i = 0; s && success_is_fresh(v->ev, v->st) && i < v->ev->n && i < s->n_criteria && !out[0]; i++)
		if (v->ev->results[i].state == CRITERION_FAILS)
			snprintf(out, size, "%s: %s", s->criteria[i].name, v->ev->results[i].why);
	for (size_t i = 0; list && i < list->n_items && !out[0]; i++)
		if (item_state(list, &list->items[i], &v->st->checkmarks, v->now_us, NULL) == CHECKMARK_FAILED)
			snprintf(out, size, "checklist %s: \"%s\" failed", list->name, list->items[i].text);
}
