/*
 * What of a rollout's plan could never work: names that dangle, numbers that contradict each other.
 */
#include "server/config/yaml.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PATH_LEN 200

static struct json_object *list_in(struct json_object *o, const char *key)
{
	struct json_object *arr = NULL;

	return json_get_arr(o, key, &arr) == 1 ? arr : NULL;
}

static size_t length(struct json_object *arr)
{
	return arr ? json_object_array_length(arr) : 0;
}

/* The item of the list whose key is that text. */
static bool holds(struct json_object *list, const char *key, const char *text)
{
	for (size_t i = 0; i < length(list); i++)
		if (!strcmp(json_str_or(json_object_array_get_idx(list, i), key, ""), text))
			return true;
	return false;
}

static bool has_stage(struct json_object *o, int64_t number)
{
	struct json_object *stages = list_in(o, "stages");

	for (size_t i = 0; i < length(stages); i++)
		if (json_int_or(json_object_array_get_idx(stages, i), "number", -1) == number)
			return true;
	return false;
}

static void check_set(const struct config_reader *r, struct json_object *rollout, struct json_object *stage,
                      const char *path)
{
	struct json_object *set = list_in(stage, "set"), *flags = NULL;
	char where[PATH_LEN + 64];

	json_get_obj(rollout, "flags", &flags);
	for (size_t i = 0; i < length(set); i++) {
		struct json_object *one = json_object_array_get_idx(set, i);
		const char *name = json_str_or(one, "name", ""), *value = json_str_or(one, "value", "");

		snprintf(where, sizeof(where), "%.180s.set[%zu].name", path, i);
		if (!flags || !holds(list_in(flags, "values"), "name", name))
			config_fault(r, config_line(one, "name"), where, "%s is none of flags.values: add it there",
			             name);
		snprintf(where, sizeof(where), "%.180s.set[%zu].value", path, i);
		if (value[strspn(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")])
			config_fault(r, config_line(one, "value"), where,
			             "only letters, digits, . _ and - can stand there unquoted");
	}
	snprintf(where, sizeof(where), "%.180s.set", path);
	if (length(set) > 32)
		config_fault(r, config_line(stage, "set"), where, "more than 32 flags");
}

static void check_stage(const struct config_reader *r, struct json_object *rollout, struct json_object *stage,
                        const char *path, bool has_prometheus)
{
	assert(path);
	struct json_object *criteria = list_in(stage, "criteria");
	const char *list = NULL;
	char where[PATH_LEN + 64];

	snprintf(where, sizeof(where), "%.180s.checklist", path);
	if (json_get_str(stage, "checklist", &list) == 1 && !holds(list_in(rollout, "checklists"), "name", list))
		config_fault(r, config_line(stage, "checklist"), where,
		             "there is no checklist \"%s\": add it to checklists", list);
	snprintf(where, sizeof(where), "%.180s.criteria", path);
	if (length(criteria) && !has_prometheus)
		config_fault(r, config_line(stage, "criteria"), where,
		             "criteria ask Prometheus, whose address is missing: set global.prometheus.url");
	for (size_t i = 0; i < length(criteria); i++) {
		struct json_object *c = json_object_array_get_idx(criteria, i);

		snprintf(where, sizeof(where), "%.180s.criteria[%zu].min_samples", path, i);
		if (json_int_or(c, "min_samples", 0) > 0 && !json_str_or(c, "samples", NULL))
			config_fault(r, config_line(c, "min_samples"), where,
			             "it needs samples: the query that counts them");
	}
	check_set(r, rollout, stage, path);
}

void config_check_plan(const struct config_reader *r, struct json_object *rollout, const char *path,
                       bool has_prometheus)
{
	assert(r && path);
	struct json_object *stages = list_in(rollout, "stages"), *milestones = list_in(rollout, "milestones");
	char where[PATH_LEN + 64];

	for (size_t i = 0; i < length(stages); i++) {
		snprintf(where, sizeof(where), "%.180s.stages[%zu]", path, i);
		check_stage(r, rollout, json_object_array_get_idx(stages, i), where, has_prometheus);
	}
	for (size_t i = 0; i < length(milestones); i++) {
		struct json_object *m = json_object_array_get_idx(milestones, i);
		int64_t after = json_int_or(m, "after_stage", -1);

		snprintf(where, sizeof(where), "%.180s.milestones[%zu].after_stage", path, i);
		if (!has_stage(rollout, after))
			config_fault(r, config_line(m, "after_stage"), where, "there is no stage %lld",
			             (long long)after);
	}
	snprintf(where, sizeof(where), "%.180s.watch", path);
	if (json_object_object_get_ex(rollout, "watch", NULL) && !has_prometheus)
		config_fault(r, config_line(rollout, "watch"), where,
		             "it asks Prometheus, whose address is missing: set global.prometheus.url");
	snprintf(where, sizeof(where), "%.180s.baselines", path);
	if (length(list_in(rollout, "baselines")) && !has_prometheus)
		config_fault(r, config_line(rollout, "baselines"), where,
		             "they ask Prometheus, whose address is missing: set global.prometheus.url");
	if (length(list_in(rollout, "baselines")) > 32)
		config_fault(r, config_line(rollout, "baselines"), where, "more than 32 baselines");
}
