#include "handlers/settings/settings.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "handlers/settings/settings_private.h"

/* An array of structs from the list under key, each read by read; NULL when *err is set, before or here. Half-filled
 * ones are freed as they stand. */
static void *read_list(struct json_object *o, const char *key, size_t size, size_t *ret_n,
                       int (*read)(struct json_object *, void *), int *err)
{
	assert(size > 0 && ret_n && read && err);
	struct json_object *list;
	size_t n = list_of(o, key, &list);
	char *items = *err < 0 ? NULL : array_of(n, size);

	if (!items && *err == 0)
		*err = -ENOMEM;
	for (size_t i = 0; items && *err == 0 && i < n; i++) {
		*ret_n = i + 1;
		*err = read(json_object_array_get_idx(list, i), items + i * size);
	}
	return items;
}

static int read_criterion(struct json_object *o, void *to)
{
	struct criterion *c = to;

	*c = (struct criterion) {
		.name = str(o, "name"),
		.query = str(o, "query"),
		.unit = str(o, "unit"),
		.over_us = duration_of(o, "over"),
		.after_us = duration_of(o, "after"),
		.samples = json_str_or(o, "samples", NULL),
		.min_samples = json_int_or(o, "min_samples", 0),
	};
	c->is_min = json_get_double(o, "min", &c->bound) == 1;
	if (!c->is_min)
		json_get_double(o, "max", &c->bound);
	return 0;
}

static int read_flag(struct json_object *o, void *to)
{
	*(struct stage_flag *)to = (struct stage_flag) {str(o, "name"), str(o, "value")};
	return 0;
}

static int read_stage(struct json_object *o, void *to)
{
	struct stage *s = to;

	*s = (struct stage) {
		.number = (int32_t)json_int_or(o, "number", 0),
		.name = str(o, "name"),
		.environment = str(o, "environment"),
		.pct = pct_of(o, "percentage"),
		.duration_us = duration_of(o, "duration"),
		.checklist = json_str_or(o, "checklist", NULL),
		.release_notes = str(o, "release_notes"),
		.approvals = read_argv(o, "approvals"),
	};
	if (!s->approvals)
		return -ENOMEM;
	int e = 0;
	s->criteria = read_list(o, "criteria", sizeof(*s->criteria), &s->n_criteria, read_criterion, &e);
	s->set = read_list(o, "set", sizeof(*s->set), &s->n_set, read_flag, &e);
	return e;
}

static int read_item(struct json_object *o, void *to)
{
	*(struct check_item *)to =
		(struct check_item) {str(o, "text"), duration_of(o, "valid"), duration_of(o, "every")};
	return 0;
}

static int read_checklist(struct json_object *o, void *to)
{
	struct checklist *c = to;

	c->name = str(o, "name");
	int e = 0;
	c->items = read_list(o, "items", sizeof(*c->items), &c->n_items, read_item, &e);
	return e;
}

static int read_freeze(struct json_object *o, void *to)
{
	*(struct freeze *)to = (struct freeze) {str(o, "cron"), str(o, "reason"), duration_of(o, "duration")};
	return 0;
}

static int read_milestone(struct json_object *o, void *to)
{
	*(struct milestone *)to = (struct milestone) {(int32_t)json_int_or(o, "after_stage", 0), duration_of(o, "in"),
	                                              str(o, "text"), str(o, "owner")};
	return 0;
}

static int read_named_query(struct json_object *o, void *to)
{
	*(struct named_query *)to = (struct named_query) {str(o, "name"), str(o, "query")};
	return 0;
}

static int read_baseline(struct json_object *o, void *to)
{
	*(struct baseline_query *)to = (struct baseline_query) {
		str(o, "metric"), str(o, "query"), json_str_or(o, "samples", NULL), json_int_or(o, "min_samples", 0)};
	return 0;
}

static int read_watch(struct json_object *o, struct watch *w)
{
	w->share = json_str_or(o, "share", NULL);
	w->tolerance_pct = pct_of(o, "tolerance");
	w->after_us = duration_of(o, "after");
	w->patience_us = duration_of(o, "patience");
	int e = 0;
	w->data = read_list(o, "data", sizeof(*w->data), &w->n_data, read_named_query, &e);
	return e;
}

int rollout_read_plan(struct json_object *o, struct rollout *r)
{
	assert(o && r);
	r->owner = str(o, "owner");
	int e = 0;
	r->stages = read_list(o, "stages", sizeof(*r->stages), &r->n_stages, read_stage, &e);
	r->checklists = read_list(o, "checklists", sizeof(*r->checklists), &r->n_checklists, read_checklist, &e);
	r->freezes = read_list(o, "freeze", sizeof(*r->freezes), &r->n_freezes, read_freeze, &e);
	r->milestones = read_list(o, "milestones", sizeof(*r->milestones), &r->n_milestones, read_milestone, &e);
	r->baselines = read_list(o, "baselines", sizeof(*r->baselines), &r->n_baselines, read_baseline, &e);
	return e == 0 ? read_watch(section_of(o, "watch"), &r->watch) : e;
}

void rollout_free_plan(struct rollout *r)
{
	assert(r && (r->stages || r->n_stages == 0));
	for (size_t i = 0; i < r->n_stages; i++) {
		free(r->stages[i].approvals);
		free(r->stages[i].criteria);
		free(r->stages[i].set);
	}
	for (size_t i = 0; i < r->n_checklists; i++)
		free(r->checklists[i].items);
	free(r->stages);
	free(r->checklists);
	free(r->freezes);
	free(r->milestones);
	free(r->baselines);
	free(r->watch.data);
}

const struct checklist *rollout_checklist(const struct rollout *r, const char *name)
{
	assert(r);
	for (size_t i = 0; name && i < r->n_checklists; i++)
		if (!strcmp(r->checklists[i].name, name))
			return &r->checklists[i];
	return NULL;
}
