/*
 * A config against a rollbackd that runs: what it changes in the plan, and what would begin anew for it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "handlers/gates/plan_diff.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define STAGE_MAX 1000

/* One rollout: its plan in the file, and in the daemon. */
struct against {
	struct json_object *now, *is, *was; /* as it stands; the two plans */
	struct json_object *changes; /* {"rollout", "changes": [{"stage", "text", "resets"}], "begins_anew": …} */
};

static void add_changes(struct against *a, int32_t stage, struct json_object *changes)
{
	assert(a && a->changes);
	for (size_t i = 0; i < json_len(changes); i++) {
		struct json_object *o = json_object_get(json_item(changes, i));
		bool resets = json_true(o, "resets") && stage >= 0 && stage == json_int_or(a->now, "stage", -1);

		json_add(o, "stage", stage < 0 ? NULL : json_object_new_int(stage));
		json_add_bool(o, "resets", resets);
		json_object_array_add(json_arr_of(a->changes, "changes"), o);
	}
}

static bool has_stage(struct json_object *plan, int32_t number)
{
	struct json_object *stages = json_arr_of(plan, "stages");

	for (size_t i = 0; i < json_len(stages); i++)
		if (json_int_or(json_item(stages, i), "number", -1) == number)
			return true;
	return false;
}

static void compare_stage(struct against *a, int32_t number)
{
	CLEANUP(json_cleanup)
	struct json_object *was = plan_of_stage(a->was, number), *is = plan_of_stage(a->is, number), *changes = NULL;
	bool before = has_stage(a->was, number), after = has_stage(a->is, number);

	if (before && after)
		changes = plan_diff(was, is);
	else if (before || after) {
		struct json_object *one = json_object_new_object();

		changes = json_object_new_array();
		json_add_str(one, "text", after ? "new" : "gone");
		json_add_bool(one, "resets", before);
		json_object_array_add(changes, one);
	}
	add_changes(a, number, changes);
}

static size_t given(struct json_object *list, const char *key)
{
	size_t n = 0;

	for (size_t i = 0; i < json_len(list); i++)
		n += json_str_or(json_item(list, i), key, NULL) != NULL;
	return n;
}

static size_t ticked(struct json_object *lists)
{
	size_t n = 0;

	for (size_t i = 0; i < json_len(lists); i++)
		if (json_true(json_item(lists, i), "of_stage"))
			n += given(json_arr_of(json_item(lists, i), "items"), "person");
	return n;
}

/* What people would lose. */
static void add_loss(struct against *a)
{
	struct json_object *clock = json_obj_of(a->now, "clock"), *loss = NULL;

	if (plan_diff_resets(json_arr_of(a->changes, "changes"))) {
		loss = json_object_new_object();
		json_add_int(loss, "stage", json_int_or(a->now, "stage", -1));
		json_add_double(loss, "clean", json_double_or(clock, "clean", 0));
		json_add_int(loss, "approvals", (int64_t)given(json_arr_of(a->now, "approvals"), "person"));
		json_add_int(loss, "ticks", (int64_t)ticked(json_arr_of(a->now, "checklists")));
	}
	json_add(a->changes, "begins_anew", loss);
}

static void compare(struct against *a)
{
	CLEANUP(json_cleanup)
	struct json_object *was = plan_of_no_stage(a->was), *is = plan_of_no_stage(a->is), *rest = plan_diff(was, is);

	for (int32_t number = 0; number <= STAGE_MAX; number++)
		compare_stage(a, number);
	add_changes(a, -1, rest);
	add_loss(a);
}

static void print_changes(struct json_object *o)
{
	struct json_object *changes = json_arr_of(o, "changes"), *loss = json_obj_of(o, "begins_anew");
	char clean[40];

	printf("%s: %s\n", json_str_or(o, "rollout", ""),
	       json_len(changes) ? "its plan changes" : "its plan stays as it is");
	for (size_t i = 0; i < json_len(changes); i++) {
		struct json_object *one = json_item(changes, i);
		int64_t stage = 0;

		if (json_get_int(one, "stage", &stage) == 1)
			printf("  stage %lld: ", (long long)stage);
		printf("%s%s\n", json_get_int(one, "stage", &stage) == 1 ? "" : "  ", json_str_or(one, "text", ""));
	}
	if (!loss)
		return (void)puts("  nothing begins anew");
	int64_t approvals = json_int_or(loss, "approvals", 0), ticks = json_int_or(loss, "ticks", 0);

	text_duration_words((int64_t)(json_double_or(loss, "clean", 0) * 1e6), clean, sizeof(clean));
	printf("  STAGE %lld BEGINS ANEW: %s of clean time, %lld %s and %lld %s are lost\n",
	       (long long)json_int_or(loss, "stage", -1), clean, (long long)approvals,
	       text_many(approvals, "approval", "approvals"), (long long)ticks, text_many(ticks, "tick", "ticks"));
}

static int against_one(const struct ctl *c, const struct rollout *r, struct json_object **ret)
{
	CLEANUP(json_cleanup) struct json_object *now = NULL, *was = NULL, *frozen = json_tokener_parse(r->frozen);
	CLEANUP(json_cleanup) struct json_object *is = plan_of_rollout(frozen), *changes = json_object_new_object();

	json_add_str(changes, "rollout", r->name);
	json_add(changes, "changes", json_object_new_array());
	int e = ctl_ask(c, "GET", "rollouts", r->name, "/plan", NULL, &was);
	if (e == 0)
		e = ctl_ask(c, "GET", "rollouts", r->name, "", NULL, &now);
	if (e)
		return e;
	struct against a = {.now = now, .is = is, .was = was, .changes = changes};
	compare(&a);
	*ret = TAKE(changes);
	return 0;
}

static bool is_in(struct json_object *rollouts, const char *name)
{
	for (size_t i = 0; i < json_len(rollouts); i++)
		if (!strcmp(json_str_or(json_item(rollouts, i), "name", ""), name))
			return true;
	return false;
}

static struct json_object *only_said(const char *name, const char *what)
{
	struct json_object *o = json_object_new_object(), *arr = json_object_new_array(),
			   *one = json_object_new_object();

	json_add_str(one, "text", what);
	json_add_bool(one, "resets", false);
	json_add(one, "stage", NULL);
	json_object_array_add(arr, one);
	json_add_str(o, "rollout", name);
	json_add(o, "changes", arr);
	json_add(o, "begins_anew", NULL);
	return o;
}

int ctl_against(const struct ctl *c, const struct settings *s, struct json_object **ret)
{
	assert(c && s);
	CLEANUP(json_cleanup) struct json_object *running = NULL, *all = json_object_new_array();
	int code = ctl_call(c, "GET", "/api/v1/rollouts", NULL, &running);

	for (size_t i = 0; code == 0 && i < s->n_rollouts; i++) {
		struct json_object *one = NULL;

		if (is_in(running, s->rollouts[i].name))
			code = against_one(c, &s->rollouts[i], &one);
		else
			one = only_said(s->rollouts[i].name,
			                "the rollout is new there: it takes the percentage that it finds");
		if (one)
			json_object_array_add(all, one);
	}
	for (size_t i = 0; code == 0 && i < json_len(running); i++) {
		const char *name = json_str_or(json_item(running, i), "name", "");

		if (!settings_rollout(s, name))
			json_object_array_add(all,
			                      only_said(name, "the rollout is not in the file: it would be forgotten"));
	}
	for (size_t i = 0; code == 0 && !ret && i < json_len(all); i++)
		print_changes(json_item(all, i));
	if (ret)
		*ret = TAKE(all);
	return code;
}
