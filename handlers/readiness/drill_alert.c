#include "handlers/readiness/drill_alert.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/incident/intake.h"

#define OWN_NAME     "RollbackDrill" /* as rollbackctl drill */
#define EXAMPLE_SIZE 256

struct making {
	const struct settings *s;
	const struct rollout *r;
};

/* --- where it would lead --- */

static struct text_pair *pairs_of(struct json_object *labels, size_t *ret_n)
{
	struct text_pair *all = calloc((size_t)json_object_object_length(labels) + 1, sizeof(*all));

	*ret_n = 0;
	if (!all)
		return NULL;
	json_object_object_foreach(labels, name, value)
	{
		all[(*ret_n)++] = (struct text_pair) {name, json_object_get_string(value)};
	}
	return all;
}

/* The playbook by which it would roll r back; NULL: it would not. */
static int leads_to(const struct making *m, struct json_object *labels, const struct playbook **ret)
{
	size_t n = 0;
	CLEANUP(cleanup_free) struct text_pair *pairs = pairs_of(labels, &n);
	struct alert a = {.status = ALERT_FIRING, .labels = pairs, .n_labels = n, .generator_url = ""};
	struct route route = {0};
	int e = pairs ? route_alert(m->s, &a, &route) : -ENOMEM;

	*ret = NULL;
	for (size_t i = 0; e == 0 && route.playbook && !route.playbook->hold && i < route.n_rollouts; i++)
		*ret = route.rollouts[i] == m->r ? route.playbook : *ret;
	if (e == 0)
		route_free(&route);
	return e;
}

/* --- what it needs --- */

static void add_missing(struct json_object *labels, const struct matchers *m)
{
	char value[EXAMPLE_SIZE];

	for (size_t i = 0; i < m->n; i++) {
		const char *name = matcher_example(m->list[i], value, sizeof(value));

		if (name && !json_object_object_get_ex(labels, name, NULL))
			json_object_object_add(labels, name, json_object_new_string(value));
	}
}

/* labels with the name of its own or, where that leads elsewhere, with that of the rule. 1: it leads to r, by *ret_by.
 */
static int named(const struct making *m, struct json_object *labels, const char *rule, const struct playbook **ret_by)
{
	const char *const names[] = {OWN_NAME, rule};
	int e = 0;

	*ret_by = NULL;
	for (size_t i = 0; e == 0 && !*ret_by && i < ARRAY_LEN(names) && names[i]; i++) {
		json_object_object_del(labels, "alertname");
		json_object_object_add(labels, "alertname", json_object_new_string(names[i]));
		e = leads_to(m, labels, ret_by);
	}
	return e < 0 ? e : *ret_by != NULL;
}

/* A label that only the series brings is not known; what the rollout's matchers ask for is as good. */
static int completed(const struct making *m, struct json_object *labels, const char *rule,
                     const struct playbook **ret_by)
{
	int r = named(m, labels, rule, ret_by);

	if (r != 0)
		return r;
	add_missing(labels, &m->r->alerts);
	return named(m, labels, rule, ret_by);
}

/* --- rules --- */

/* Its own labels but for templates, which only the series fill. */
static struct json_object *labels_of_rule(struct json_object *rule)
{
	struct json_object *from = json_obj_of(rule, "labels"), *labels = json_object_new_object();

	if (!from)
		return labels;
	json_object_object_foreach(from, name, value)
	{
		const char *text = json_object_get_string(value);

		if (text && !strstr(text, "{{"))
			json_object_object_add(labels, name, json_object_new_string(text));
	}
	return labels;
}

/* 1: better than what there was, which gives way. */
static int try_rule(const struct making *m, struct json_object *rule, const struct playbook **best,
                    struct json_object **ret)
{
	const char *name = json_str_or(rule, "name", "");
	CLEANUP(json_cleanup) struct json_object *labels = labels_of_rule(rule);
	const struct playbook *by = NULL;

	if (strcmp(json_str_or(rule, "type", ""), "alerting") != 0 || json_object_object_get_ex(labels, "drill", NULL))
		return 0;
	int r = completed(m, labels, name, &by);
	if (r != 1 || (*best && ((*best)->after_us == 0 || by->after_us > 0)))
		return r < 0 ? r : 0;
	*best = by;
	json_object_put(*ret);
	*ret = TAKE(labels);
	return 1;
}

static int by_rules(const struct making *m, struct json_object *rules, struct json_object **ret)
{
	struct json_object *groups = json_arr_of(rules, "groups");
	const struct playbook *best = NULL;
	int r = 0;

	for (size_t g = 0; r >= 0 && g < json_len(groups); g++) {
		struct json_object *list = json_arr_of(json_item(groups, g), "rules");

		for (size_t i = 0; r >= 0 && i < json_len(list); i++)
			r = try_rule(m, json_item(list, i), &best, ret);
	}
	return r < 0 ? r : best != NULL;
}

/* --- the config --- */

static struct json_object *base_of(const struct rollout *r, const char *action)
{
	struct json_object *labels = json_object_new_object();

	if (action)
		json_add_str(labels, "action", action);
	json_add_str(labels, "rollout", r->name);
	return labels;
}

/* p NULL: action and rollout alone. */
static int by_playbook(const struct making *m, const struct playbook *p, struct json_object **ret)
{
	CLEANUP(json_cleanup) struct json_object *labels = base_of(m->r, p ? NULL : "auto_rollback");
	const struct playbook *by = NULL;

	if (p && p->hold)
		return 0;
	if (p)
		add_missing(labels, &p->match);
	int r = completed(m, labels, NULL, &by);
	if (r == 1)
		*ret = TAKE(labels);
	return r;
}

static int by_config(const struct making *m, struct json_object **ret)
{
	int r = by_playbook(m, NULL, ret);

	for (size_t i = 0; r == 0 && i < m->s->n_playbooks; i++)
		r = by_playbook(m, &m->s->playbooks[i], ret);
	return r;
}

int drill_labels(const struct settings *s, const struct rollout *r, struct json_object *rules, struct json_object **ret)
{
	assert(s && r && ret);
	const struct making m = {s, r};
	struct json_object *labels = NULL;
	int e = rules ? by_rules(&m, rules, &labels) : 0;

	if (e == 0)
		e = by_config(&m, &labels);
	if (e == 0) { /* nobody knows better */
		labels = base_of(r, "auto_rollback");
		json_add_str(labels, "alertname", OWN_NAME);
	}
	if (e < 0)
		json_object_put(labels);
	else
		*ret = labels;
	return e < 0 ? e : 0;
}
