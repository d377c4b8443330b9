/*
 * Guards that a slip of the pen would void: a stage to start again from that does not exist, roles that nobody has or
 * knows, stages out of order. Each would be found out only when it was needed, or never.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/config/yaml.h"
#include "server/core/text.h"

#define PATH_LEN    200
#define PERSONS_MAX 1000 /* users beyond these approve nothing as far as this check is concerned */

struct guards {
	const struct config_reader *r;
	struct json_object *rollouts, *playbooks, *users;
};

static struct json_object *list_in(struct json_object *o, const char *key)
{
	struct json_object *arr = NULL;

	return json_get_arr(o, key, &arr) == 1 ? arr : NULL;
}

static size_t length(struct json_object *arr)
{
	return arr ? json_object_array_length(arr) : 0;
}

static struct json_object *item(struct json_object *arr, size_t i)
{
	return json_object_array_get_idx(arr, i);
}

static const char *text_at(struct json_object *arr, size_t i)
{
	const char *text = json_object_get_string(item(arr, i));

	return text ? text : ""; /* null where a fault was found before */
}

static bool has_text(struct json_object *arr, const char *text)
{
	for (size_t i = 0; i < length(arr); i++)
		if (!strcmp(text_at(arr, i), text))
			return true;
	return false;
}

/* --- restart_at --- */

static bool any_stage(const struct guards *g, int64_t number)
{
	for (size_t i = 0; i < length(g->rollouts); i++) {
		struct json_object *stages = list_in(item(g->rollouts, i), "stages");

		for (size_t n = 0; n < length(stages); n++)
			if (json_int_or(item(stages, n), "number", -1) == number)
				return true;
	}
	return false;
}

static void check_restart(const struct guards *g, struct json_object *playbook, size_t i)
{
	int64_t stage = json_int_or(playbook, "restart_at", -1);
	char where[PATH_LEN];

	snprintf(where, sizeof(where), "playbooks[%zu].restart_at", i);
	if (stage >= 0 && !any_stage(g, stage))
		config_fault(g->r, config_line(playbook, "restart_at"), where,
		             "no rollout has a stage %lld: give the number of one", (long long)stage);
}

/* --- roles --- */

static bool is_asked_for(const struct guards *g, const char *role)
{
	for (size_t i = 0; i < length(g->rollouts); i++) {
		struct json_object *stages = list_in(item(g->rollouts, i), "stages");

		for (size_t n = 0; n < length(stages); n++)
			if (has_text(list_in(item(stages, n), "approvals"), role))
				return true;
	}
	return false;
}

static bool asks_for_any(const struct guards *g)
{
	for (size_t i = 0; i < length(g->rollouts); i++) {
		struct json_object *stages = list_in(item(g->rollouts, i), "stages");

		for (size_t n = 0; n < length(stages); n++)
			if (length(list_in(item(stages, n), "approvals")))
				return true;
	}
	return false;
}

/* A role that nothing asks for does no harm where nothing asks for any, unless it was meant to be another. */
static void check_role(const struct guards *g, size_t line, const char *where, const char *role)
{
	assert(where && role);
	static const char *const known[] = {"webhook", "viewer", "operator"};
	const char *near = text_nearest(known, ARRAY_LEN(known), role);

	if (!config_is_name(role) || text_enum_find(known, ARRAY_LEN(known), role) >= 0 || is_asked_for(g, role))
		return;
	if (near)
		config_fault(g->r, line, where, "there is no role \"%s\": did you mean %s?", role, near);
	else if (asks_for_any(g))
		config_fault(g->r, line, where,
		             "there is no role \"%s\": webhook, viewer, operator, or one of a stage's approvals", role);
}

static void check_roles(const struct guards *g, struct json_object *user, size_t i)
{
	struct json_object *roles = list_in(user, "roles");
	char where[PATH_LEN];

	for (size_t n = 0; n < length(roles); n++) {
		snprintf(where, sizeof(where), "users[%zu].roles[%zu]", i, n);
		check_role(g, config_line(user, "roles"), where, text_at(roles, n));
	}
}

/* --- approvals --- */

/* Gives the role of approvals[at] to a person, who may have to leave another role to somebody else (augmenting path).
 * role_of[p]: which of them person p gives, -1 none. */
static bool give(const struct guards *g, struct json_object *approvals, size_t at, int *role_of, bool *asked, size_t n)
{
	assert(n <= PERSONS_MAX);
	for (size_t p = 0; p < n; p++) {
		if (asked[p] || !has_text(list_in(item(g->users, p), "roles"), text_at(approvals, at)))
			continue;
		asked[p] = true;
		if (role_of[p] < 0 || give(g, approvals, (size_t)role_of[p], role_of, asked, n)) {
			role_of[p] = (int)at;
			return true;
		}
	}
	return false;
}

static bool somebody_has(const struct guards *g, const char *role)
{
	for (size_t i = 0; i < length(g->users); i++)
		if (has_text(list_in(item(g->users, i), "roles"), role))
			return true;
	return false;
}

/* Each by another person. */
static void check_approvals(const struct guards *g, struct json_object *stage, const char *path)
{
	struct json_object *approvals = list_in(stage, "approvals");
	size_t n = length(g->users) < PERSONS_MAX ? length(g->users) : PERSONS_MAX;
	int role_of[PERSONS_MAX];
	char where[PATH_LEN + 64];

	for (size_t p = 0; p < n; p++)
		role_of[p] = -1;
	for (size_t i = 0; n && i < length(approvals); i++) {
		bool asked[PERSONS_MAX] = {false};
		const char *role = text_at(approvals, i);

		snprintf(where, sizeof(where), "%.180s.approvals[%zu]", path, i);
		if (!somebody_has(g, role))
			config_fault(g->r, config_line(stage, "approvals"), where,
			             "nobody in users has the role %s, so this stage could never be left", role);
		else if (!give(g, approvals, i, role_of, asked, n))
			config_fault(g->r, config_line(stage, "approvals"), where,
			             "each approval is another person's, and users has too few for all of them: "
			             "nobody is left for %s",
			             role);
	}
}

/* --- the order of stages --- */

static double percentage(struct json_object *stage)
{
	double v = 0;

	json_get_double(stage, "percentage", &v);
	return v;
}

/* The one before it in the same environment; NULL: it is the first there. */
static struct json_object *stage_before(struct json_object *stages, size_t i)
{
	const char *environment = json_str_or(item(stages, i), "environment", "");

	for (size_t n = i; n-- > 0;)
		if (!strcmp(json_str_or(item(stages, n), "environment", ""), environment))
			return item(stages, n);
	return NULL;
}

static void check_order(const struct guards *g, struct json_object *stages, size_t i, const char *path)
{
	struct json_object *stage = item(stages, i), *before = stage_before(stages, i);
	int64_t number = json_int_or(stage, "number", -1), last = json_int_or(before, "number", -1);
	char where[PATH_LEN + 64];

	if (!before || number < 0 || last < 0)
		return;
	if (number < last) {
		snprintf(where, sizeof(where), "%.180s.number", path);
		config_fault(g->r, config_line(stage, "number"), where,
		             "stage %lld stands after stage %lld: write the stages in their order", (long long)number,
		             (long long)last);
	} else if (percentage(stage) < percentage(before)) {
		snprintf(where, sizeof(where), "%.180s.percentage", path);
		config_fault(g->r, config_line(stage, "percentage"), where,
		             "entering it would lower the traffic from the %g%% of stage %lld to %g%%: a stage has "
		             "at least as much as the one before",
		             percentage(before), (long long)last, percentage(stage));
	}
}

static void check_stages(const struct guards *g, struct json_object *rollout, size_t at)
{
	struct json_object *stages = list_in(rollout, "stages");
	char path[PATH_LEN];

	for (size_t i = 0; i < length(stages); i++) {
		snprintf(path, sizeof(path), "rollouts[%zu].stages[%zu]", at, i);
		check_order(g, stages, i, path);
		check_approvals(g, item(stages, i), path);
	}
}

void config_check_guards(const struct config_reader *r, struct json_object *tree)
{
	assert(r && tree);
	const struct guards g = {r, list_in(tree, "rollouts"), list_in(tree, "playbooks"), list_in(tree, "users")};

	for (size_t i = 0; i < length(g.rollouts); i++)
		check_stages(&g, item(g.rollouts, i), i);
	for (size_t i = 0; i < length(g.playbooks); i++)
		check_restart(&g, item(g.playbooks, i), i);
	for (size_t i = 0; i < length(g.users); i++)
		check_roles(&g, item(g.users, i), i);
}
