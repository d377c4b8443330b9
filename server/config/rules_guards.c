/*
 * Guards that a slip of the pen would void: a stage to start again from that does not exist, roles that nobody has or
 * knows, stages out of order. Each would be found out only when it was needed, or never.
 */
#include <assert.h>
#include <string.h>

#include "handlers/settings/keys.h"
#include "handlers/settings/yaml.h"
#include "server/config/rules.h"
#include "server/core/text.h"

#define PERSONS_MAX 1000 /* users beyond these approve nothing as far as this check is concerned */

struct guards {
	const struct config_reader *r;
	const struct settings *s;
};

static bool has_text(const char **list, const char *text)
{
	for (; list && *list; list++)
		if (!strcmp(*list, text))
			return true;
	return false;
}

static bool has_any(const char **list)
{
	return list && *list;
}

/* --- restart_at --- */

static void check_restart(const struct guards *g, size_t i)
{
	int32_t stage = g->s->playbooks[i].restart_at;
	bool any = stage < 0;

	for (size_t n = 0; n < g->s->n_rollouts && !any; n++)
		any = rollout_stage(&g->s->rollouts[n], stage) != NULL;
	if (!any)
		config_fault_at(g->r, CONFIG_PATH("playbooks[%zu].restart_at", i),
		                "no rollout has a stage %d: give the number of one", stage);
}

/* --- roles --- */

/* Whether a stage or a milestone asks for the role; NULL: for any. */
static bool is_asked_for(const struct guards *g, const char *role)
{
	for (size_t i = 0; i < g->s->n_rollouts; i++) {
		const struct rollout *r = &g->s->rollouts[i];

		for (size_t n = 0; n < r->n_stages; n++)
			if (role ? has_text(r->stages[n].approvals, role) : has_any(r->stages[n].approvals))
				return true;
		for (size_t n = 0; n < r->n_milestones; n++)
			if (role ? has_text(r->milestones[n].approvals, role) : has_any(r->milestones[n].approvals))
				return true;
	}
	return false;
}

/* A role that nothing asks for does no harm where nothing asks for any, unless it was meant to be another. */
static void check_role(const struct guards *g, const char *path, const char *role)
{
	assert(path && role);
	static const char *const known[] = {"webhook", "viewer", "operator", "evidence"};
	const char *near = text_nearest(known, ARRAY_LEN(known), role);

	if (!config_is_name(role) || text_enum_find(known, ARRAY_LEN(known), role) >= 0 || is_asked_for(g, role))
		return;
	if (near)
		config_fault_at(g->r, path, "there is no role \"%s\": did you mean %s?", role, near);
	else if (is_asked_for(g, NULL))
		config_fault_at(
			g->r, path,
			"there is no role \"%s\": webhook, viewer, operator, evidence, or one that approvals name",
			role);
}

static void check_roles(const struct guards *g, size_t i)
{
	const char **roles = g->s->users[i].roles;

	for (size_t n = 0; roles && roles[n]; n++)
		check_role(g, CONFIG_PATH("users[%zu].roles[%zu]", i, n), roles[n]);
}

/* --- approvals --- */

/* Gives the role of approvals[at] to a person, who may have to leave another role to somebody else (augmenting path).
 * role_of[p]: which of them person p gives, -1 none. */
static bool give(const struct guards *g, const char **approvals, size_t at, int *role_of, bool *asked, size_t n)
{
	assert(n <= PERSONS_MAX);
	for (size_t p = 0; p < n; p++) {
		if (asked[p] || !has_text(g->s->users[p].roles, approvals[at]))
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
	for (size_t i = 0; i < g->s->n_users; i++)
		if (has_text(g->s->users[i].roles, role))
			return true;
	return false;
}

/* Each by another person. */
static void check_approvals(const struct guards *g, const char **approvals, const char *path)
{
	size_t n = g->s->n_users < PERSONS_MAX ? g->s->n_users : PERSONS_MAX;
	int role_of[PERSONS_MAX];

	for (size_t p = 0; p < n; p++)
		role_of[p] = -1;
	for (size_t i = 0; n && has_any(approvals + i); i++) {
		bool asked[PERSONS_MAX] = {false};
		const char *where = CONFIG_PATH("%s.approvals[%zu]", path, i);

		if (!somebody_has(g, approvals[i]))
			config_fault_at(g->r, where, "nobody in users has the role %s, so it could never be approved",
			                approvals[i]);
		else if (!give(g, approvals, i, role_of, asked, n))
			config_fault_at(g->r, where,
			                "each approval is another person's, and users has too few for all of them: "
			                "nobody is left for %s",
			                approvals[i]);
	}
}

/* --- the order of stages --- */

/* The one before it in the same environment; NULL: it is the first there, or no stage at all. */
static const struct stage *stage_before(const struct rollout *r, size_t i)
{
	for (size_t n = r->stages[i].environment ? i : 0; n-- > 0;)
		if (r->stages[n].environment && !strcmp(r->stages[n].environment, r->stages[i].environment))
			return &r->stages[n];
	return NULL;
}

static void check_order(const struct guards *g, const struct rollout *r, size_t i, const char *path)
{
	const struct stage *stage = &r->stages[i], *before = stage_before(r, i);

	if (!before || stage->number < 0 || before->number < 0)
		return;
	if (stage->number < before->number)
		config_fault_at(g->r, CONFIG_PATH("%s.number", path),
		                "stage %d stands after stage %d: write the stages in their order", stage->number,
		                before->number);
	else if (stage->pct >= 0 && stage->pct < before->pct)
		config_fault_at(g->r, CONFIG_PATH("%s.percentage", path),
		                "entering it would lower the traffic from the %g%% of stage %d to %g%%: a stage has at "
		                "least as much as the one before",
		                before->pct / 100.0, before->number, stage->pct / 100.0);
}

static void check_stages(const struct guards *g, size_t at)
{
	const struct rollout *r = &g->s->rollouts[at];

	for (size_t i = 0; i < r->n_stages; i++) {
		const char *path = CONFIG_PATH("rollouts[%zu].stages[%zu]", at, i);

		check_order(g, r, i, path);
		check_approvals(g, r->stages[i].approvals, path);
	}
	for (size_t i = 0; i < r->n_milestones; i++)
		check_approvals(g, r->milestones[i].approvals, CONFIG_PATH("rollouts[%zu].milestones[%zu]", at, i));
}

void config_check_guards(const struct config_reader *r, const struct settings *s)
{
	assert(r && s);
	const struct guards g = {r, s};

	for (size_t i = 0; i < s->n_rollouts; i++)
		check_stages(&g, i);
	for (size_t i = 0; i < s->n_playbooks; i++)
		check_restart(&g, i);
	for (size_t i = 0; i < s->n_users; i++)
		check_roles(&g, i);
}
