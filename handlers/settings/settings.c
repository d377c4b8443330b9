#include "handlers/settings/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/settings/settings_private.h"
#include "server/core/text.h"

/* --- playbooks --- */

static int read_followups(struct json_object *o, struct playbook *p)
{
	assert(p->n_followups == 0);
	struct json_object *list;
	size_t n = list_of(o, "then", &list);

	p->followups = array_of(n, sizeof(*p->followups));
	if (!p->followups)
		return -ENOMEM;
	while (p->n_followups < n) {
		struct json_object *one = json_object_array_get_idx(list, p->n_followups);
		int e = act_read(one, &p->followups[p->n_followups].act);

		if (e < 0)
			return e;
		p->followups[p->n_followups++].needs_approval = str(one, "needs")[0] != '\0';
	}
	return 0;
}

static int read_playbook(struct json_object *o, struct playbook *p)
{
	struct json_object *rollback = section_of(o, "rollback");
	const char *to = NULL;

	p->tree = json_object_get(o);
	p->name = str(o, "name");
	p->severity = str(o, "severity");
	json_get_bool(o, "hold", &p->hold);
	if (rollback) {
		p->previous_stage = json_get_str(rollback, "to", &to) == 1;
		p->to_pct = p->previous_stage ? -1 : pct_of(rollback, "to");
		p->after_us = duration_of(rollback, "after");
	}
	p->review = str(o, "review")[0] != '\0';
	p->restart_at = (int32_t)json_int_or(o, "restart_at", -1);
	int e = read_followups(o, p);
	return e == 0 ? options_matchers(o, "match", &p->match) : e;
}

static void playbook_free(struct playbook *p)
{
	for (size_t i = 0; i < p->n_followups; i++)
		act_free(&p->followups[i].act);
	free(p->followups);
	matchers_free(&p->match);
	free(p->frozen);
	json_object_put(p->tree);
}

static void read_sla(struct json_object *o, struct sla *s)
{
	*s = (struct sla) {
		.detection_us = duration_of(o, "detection"),
		.decision_us = duration_of(o, "decision"),
		.execution_us = duration_of(o, "execution"),
		.verification_us = duration_of(o, "verification"),
		.total_us = duration_of(o, "total"),
		.manual_decision_us = duration_of(o, "manual_decision"),
		.manual_total_us = duration_of(o, "manual_total"),
	};
}

static void read_limits(struct json_object *o, struct limits *l)
{
	l->cooldown_us = duration_of(o, "cooldown");
	l->quiet_us = duration_of(o, "quiet");
	l->stale_us = duration_of(o, "stale");
	l->rollbacks_per_day = (int)json_int_or(o, "rollbacks_per_day", 0);
}

static void read_prometheus(struct json_object *o, struct prometheus_options *p)
{
	p->url = o ? str(o, "url") : "";
	p->timeout_us = o ? duration_of(o, "timeout") : 0;
}

static unsigned events_of(struct json_object *o)
{
	struct json_object *list;
	unsigned bits = 0;
	size_t n = list_of(o, "events", &list);

	for (size_t i = 0; i < n; i++)
		bits |= event_bits(json_object_get_string(json_object_array_get_idx(list, i)));
	return bits;
}

static int read_audiences(struct json_object *tree, struct settings *s)
{
	struct json_object *list;
	size_t n = list_of(tree, "channels", &list);

	s->audiences = array_of(n, sizeof(*s->audiences));
	if (!s->audiences)
		return -ENOMEM;
	for (; s->n_audiences < n; s->n_audiences++) {
		struct json_object *c = json_object_array_get_idx(list, s->n_audiences);

		s->audiences[s->n_audiences] = (struct audience) {str(c, "name"), events_of(c)};
	}
	return 0;
}

static int read_rollouts(struct json_object *tree, struct settings *s)
{
	struct json_object *list;
	size_t n = list_of(tree, "rollouts", &list);

	s->rollouts = array_of(n, sizeof(*s->rollouts));
	if (!s->rollouts)
		return -ENOMEM;
	while (s->n_rollouts < n) { /* counted before it is filled: settings_unref copes with a half-filled one */
		size_t i = s->n_rollouts++;
		int e = options_rollout(json_object_array_get_idx(list, i), &s->rollouts[i]);

		if (e < 0)
			return e;
	}
	return 0;
}

static int read_playbooks(struct json_object *tree, struct settings *s)
{
	struct json_object *list;
	size_t n = list_of(tree, "playbooks", &list);

	s->playbooks = array_of(n, sizeof(*s->playbooks));
	if (!s->playbooks)
		return -ENOMEM;
	while (s->n_playbooks < n) {
		size_t i = s->n_playbooks++;
		int e = read_playbook(json_object_array_get_idx(list, i), &s->playbooks[i]);

		if (e < 0)
			return e;
	}
	return 0;
}

static int read_reports(struct json_object *tree, struct settings *s)
{
	struct json_object *list;
	size_t n = list_of(tree, "reports", &list);

	s->reports = array_of(n, sizeof(*s->reports));
	if (!s->reports)
		return -ENOMEM;
	for (; s->n_reports < n; s->n_reports++) {
		struct json_object *o = json_object_array_get_idx(list, s->n_reports);

		s->reports[s->n_reports] = (struct report_plan) {str(o, "name"), str(o, "cron")};
	}
	return 0;
}

static int read_all(struct json_object *tree, struct settings *s)
{
	struct json_object *global = section_of(tree, "global"), *heartbeat = section_of(tree, "heartbeat");

	s->tree = json_object_get(tree);
	s->external_url = str(global, "external_url");
	s->environment = str(global, "environment");
	s->timezone = str(global, "timezone");
	s->retention_us = duration_of(global, "retention");
	s->evaluation_us = duration_of(global, "evaluation_interval");
	s->alertmanager_url = str(section_of(global, "alertmanager"), "url");
	read_prometheus(section_of(global, "prometheus"), &s->prometheus);
	read_sla(section_of(tree, "sla"), &s->sla);
	read_limits(section_of(tree, "limits"), &s->limits);
	int e = heartbeat ? options_matchers(heartbeat, "match", &s->heartbeat) : 0;
	s->heartbeat_timeout_us = heartbeat ? duration_of(heartbeat, "timeout") : 0;
	if (e == 0)
		e = read_rollouts(tree, s);
	if (e == 0)
		e = read_playbooks(tree, s);
	if (e == 0)
		e = read_reports(tree, s);
	return e == 0 ? read_audiences(tree, s) : e;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *part = section_of(o, key);

	return part ? json_text(part) : "{}";
}

/* json-c keeps the text it prints inside the tree, which is shared from here on: so everything is printed
 * now. */
static int freeze(struct settings *s)
{
	assert(s->tree && s->external_url);
	CLEANUP(json_cleanup) struct json_object *url = json_object_new_string(s->external_url);
	const char *whole = json_text(s->tree);
	bool ok = whole && text_sha256(whole, strlen(whole), s->sha) == 0;

	for (size_t i = 0; i < s->n_rollouts; i++)
		ok = (s->rollouts[i].frozen = strdup(json_text(s->rollouts[i].tree))) && ok;
	for (size_t i = 0; i < s->n_playbooks; i++)
		ok = (s->playbooks[i].frozen = strdup(json_text(s->playbooks[i].tree))) && ok;
	s->frozen = text_format("\"prometheus\":%s,\"sla\":%s,\"limits\":%s,\"external_url\":%s",
	                        text_of(section_of(s->tree, "global"), "prometheus"), text_of(s->tree, "sla"),
	                        text_of(s->tree, "limits"), json_text(url));
	return ok && s->frozen ? 0 : -ENOMEM;
}

int settings_read(struct json_object *tree, struct settings **ret, char *why, size_t why_size)
{
	assert(tree && ret && why && why_size > 0);
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	int e = read_all(tree, s);
	if (e == 0)
		e = freeze(s);
	if (e < 0) {
		snprintf(why, why_size, "the checked config could not be read: %s", strerror(-e));
		settings_unref(s);
		return e;
	}
	*ret = s;
	return 0;
}

struct settings *settings_ref(struct settings *s)
{
	assert(s && s->refs > 0);
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void settings_unref(struct settings *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < s->n_rollouts; i++)
		options_rollout_free(&s->rollouts[i]);
	for (size_t i = 0; i < s->n_playbooks; i++)
		playbook_free(&s->playbooks[i]);
	matchers_free(&s->heartbeat);
	free(s->rollouts);
	free(s->playbooks);
	free(s->audiences);
	free(s->reports);
	free(s->frozen);
	json_object_put(s->tree);
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

/* --- the frozen plan --- */

char *plan_text(const struct settings *s, const struct rollout *r, const struct playbook *p)
{
	assert(s && s->frozen && r && r->frozen && p && p->frozen);
	return text_format("{\"rollout\":%s,\"playbook\":%s,%s}", r->frozen, p->frozen, s->frozen);
}

static int fill_plan(struct plan *p)
{
	struct json_object *rollout = section_of(p->tree, "rollout"), *playbook = section_of(p->tree, "playbook");

	if (!rollout || !playbook)
		return -EINVAL;
	int e = options_rollout(rollout, &p->rollout);
	if (e == 0)
		e = read_playbook(playbook, &p->playbook);
	read_sla(section_of(p->tree, "sla"), &p->sla);
	read_limits(section_of(p->tree, "limits"), &p->limits);
	read_prometheus(section_of(p->tree, "prometheus"), &p->prometheus);
	p->external_url = str(p->tree, "external_url");
	return e;
}

int plan_read(const char *text, struct plan **ret)
{
	assert(text && ret);
	struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->refs = 1;
	p->tree = json_tokener_parse(text);
	int e = fill_plan(p);
	if (e < 0) {
		plan_unref(p);
		return e;
	}
	*ret = p;
	return 0;
}

struct plan *plan_ref(struct plan *p)
{
	assert(p && p->refs > 0);
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void plan_unref(struct plan *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	options_rollout_free(&p->rollout);
	playbook_free(&p->playbook);
	json_object_put(p->tree);
	free(p);
}

void plan_cleanup(struct plan **p)
{
	plan_unref(*p);
}
