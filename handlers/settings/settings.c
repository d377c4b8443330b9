#include "handlers/settings/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/settings/keys.h"
#include "handlers/settings/read.h"
#include "server/core/text.h"

static void rollout_free(struct rollout *r)
{
	matchers_free(&r->alerts);
	for (size_t i = 0; i < r->n_symptoms; i++)
		matchers_free(&r->symptoms[i].match);
}

static void playbook_free(struct playbook *p)
{
	matchers_free(&p->match);
}

struct settings *settings_ref(struct settings *s)
{
	assert(s && __atomic_load_n(&s->refs, __ATOMIC_RELAXED) > 0);
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void settings_unref(struct settings *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < s->n_rollouts; i++)
		rollout_free(&s->rollouts[i]);
	for (size_t i = 0; i < s->n_playbooks; i++)
		playbook_free(&s->playbooks[i]);
	matchers_free(&s->heartbeat);
	arena_free(&s->arena);
	free(s);
}

void settings_cleanup(struct settings **s)
{
	settings_unref(*s);
}

const struct rollout *settings_rollout(const struct settings *s, const char *name)
{
	assert(s && name);
	for (size_t i = 0; i < s->n_rollouts; i++)
		if (!strcmp(s->rollouts[i].name, name))
			return &s->rollouts[i];
	return NULL;
}

const struct playbook *settings_playbook(const struct settings *s, const char *name)
{
	assert(s && name);
	for (size_t i = 0; i < s->n_playbooks; i++)
		if (!strcmp(s->playbooks[i].name, name))
			return &s->playbooks[i];
	return NULL;
}

/* --- reading --- */

struct visit {
	struct settings *settings;
	struct plan *plan;
	settings_check_fn *check;
	void *arg;
};

static bool visit_settings(const struct config_reader *r, void *arg)
{
	const struct visit *v = arg;
	bool whole = config_read(r, &v->settings->arena, !v->check, &config_root, v->settings);

	if (whole && v->check)
		v->check(r, v->settings, v->arg);
	return whole;
}

int settings_read(const struct config_reader *r, const char *text, size_t len, settings_check_fn *check, void *arg,
                  struct settings **ret)
{
	assert(r && r->faults && text && ret);
	CLEANUP(settings_cleanup) struct settings *s = calloc(1, sizeof(*s));
	struct visit v = {.settings = s, .check = check, .arg = arg};

	if (!s)
		abort(); /* out of memory */
	s->refs = 1;
	s->arena.max = CONFIG_ARENA_MAX;
	(check ? config_document : config_json)(r, text, len, visit_settings, &v);
	if (r->faults->n)
		return -EINVAL;
	*ret = TAKE(s);
	return 0;
}

/* --- the frozen plan --- */

char *plan_text(const struct settings *s, const struct rollout *r, const struct playbook *p)
{
	assert(s && s->frozen && r && r->frozen && p && p->frozen);
	return text_format("{\"rollout\":%s,\"playbook\":%s,%s}", r->frozen, p->frozen, s->frozen);
}

static bool visit_plan(const struct config_reader *r, void *arg)
{
	struct plan *p = ((const struct visit *)arg)->plan;

	return config_read(r, &p->arena, true, &config_plan, p);
}

int plan_read(const char *text, struct plan **ret)
{
	assert(text && ret);
	struct config_faults faults = {0};
	const struct config_reader r = {.file = "plan", .faults = &faults};
	CLEANUP(plan_cleanup) struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->refs = 1;
	p->arena.max = CONFIG_ARENA_MAX;
	config_json(&r, text, strlen(text), visit_plan, &(struct visit) {.plan = p});
	bool ok = !faults.n && p->rollout.frozen && p->playbook.frozen;
	config_faults_free(&faults);
	if (!ok)
		return -EINVAL;
	p->prometheus.url = p->prometheus.url ? p->prometheus.url : "";
	*ret = TAKE(p);
	return 0;
}

struct plan *plan_of_settings(const struct settings *s, const struct rollout *r, const struct playbook *p)
{
	assert(s && r >= s->rollouts && r < s->rollouts + s->n_rollouts && p);
	struct plan *plan = malloc(sizeof(*plan));

	if (plan)
		*plan = (struct plan) {.of = settings_ref((struct settings *)s),
		                       .rollout = *r,
		                       .playbook = *p,
		                       .sla = s->sla,
		                       .limits = s->limits,
		                       .prometheus = s->prometheus,
		                       .external_url = s->external_url,
		                       .refs = 1};
	if (plan && !plan->prometheus.url)
		plan->prometheus.url = "";
	return plan;
}

struct plan *plan_ref(struct plan *p)
{
	assert(p && __atomic_load_n(&p->refs, __ATOMIC_RELAXED) > 0);
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void plan_unref(struct plan *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (!p->of) {
		rollout_free(&p->rollout);
		playbook_free(&p->playbook);
	}
	arena_free(&p->arena);
	settings_unref(p->of);
	free(p);
}

void plan_cleanup(struct plan **p)
{
	plan_unref(*p);
}
