#include "handlers/rollback/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/rollback/options_private.h"
#include "server/core/clock.h"
#include "server/core/text.h"

static int read_matchers(struct json_object *o, const char *key, struct matchers *ret)
{
	struct json_object *list;
	struct matcher_fault fault;
	size_t n = list_of(o, key, &list);

	for (size_t i = 0; i < n; i++) {
		int r = matchers_add(ret, json_object_get_string(json_object_array_get_idx(list, i)), &fault);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- acts and checks --- */

int act_read(struct json_object *spec, struct act *ret)
{
	struct json_object *http = section_of(spec, "http"), *command = NULL;
	struct act a = {.kind = http ? ACT_HTTP : ACT_COMMAND,
	                .timeout_us = duration_of(spec, "timeout"),
	                .name = str(spec, "name")};

	if (!http && json_get_arr(spec, "command", &command) != 1)
		return -EINVAL;
	json_get_bool(spec, "idempotent", &a.idempotent);
	if (http) {
		a.method = str(http, "method");
		a.url = str(http, "url");
		a.body = str(http, "body");
	} else {
		a.argv = read_argv(spec, "command");
		if (!a.argv)
			return -ENOMEM;
	}
	*ret = a;
	return 0;
}

void act_free(struct act *a)
{
	free(a->argv);
	*a = (struct act) {0};
}

char *act_text(const struct act *a)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	json_add_str(o, "name", a->name);
	json_add_double(o, "timeout", (double)a->timeout_us / (double)US_PER_S);
	json_add_bool(o, "idempotent", a->idempotent);
	if (a->kind == ACT_HTTP) {
		struct json_object *http = json_object_new_object();

		json_add_str(http, "method", a->method);
		json_add_str(http, "url", a->url);
		json_add_str(http, "body", a->body);
		json_add(o, "http", http);
	} else {
		struct json_object *argv = json_object_new_array();

		for (size_t i = 0; a->argv[i]; i++)
			json_object_array_add(argv, json_object_new_string(a->argv[i]));
		json_add(o, "command", argv);
	}
	return strdup(json_text(o));
}

char *act_body(const struct act *a, int32_t pct)
{
	static const char mark[] = "${percentage}";
	struct buf b = BUF(1024 * 1024);
	char text[16];

	text_pct(pct, text, sizeof(text));
	for (const char *at = a->body ? a->body : "", *hit;; at = hit + sizeof(mark) - 1) {
		hit = strstr(at, mark);
		if (!hit) {
			buf_str(&b, at);
			break;
		}
		buf_add(&b, at, (size_t)(hit - at));
		buf_str(&b, text);
	}
	return buf_take(&b);
}

static int read_check(struct json_object *o, struct check *ret)
{
	struct json_object *http = section_of(o, "http"), *command = NULL;

	ret->timeout_us = duration_of(o, "timeout");
	if (http) {
		ret->kind = CHECK_HTTP;
		ret->url = str(http, "url");
		ret->pointer = str(http, "value");
		return 0;
	}
	if (json_get_arr(o, "command", &command) == 1) {
		ret->kind = CHECK_COMMAND;
		ret->argv = read_argv(o, "command");
		return ret->argv ? 0 : -ENOMEM;
	}
	ret->kind = CHECK_PROMETHEUS;
	ret->query = str(o, "prometheus");
	ret->instances = json_str_or(o, "instances", NULL);
	return 0;
}

/* --- a rollout --- */

static int read_apply(struct json_object *o, struct rollout *r)
{
	struct json_object *list;
	size_t n = list_of(o, "apply", &list);

	r->apply = array_of(n, sizeof(*r->apply));
	if (!r->apply)
		return -ENOMEM;
	while (r->n_apply < n) {
		int e = act_read(json_object_array_get_idx(list, r->n_apply), &r->apply[r->n_apply]);

		if (e < 0)
			return e;
		r->n_apply++;
	}
	return 0;
}

static int read_verify(struct json_object *o, struct rollout *r)
{
	struct json_object *v = section_of(o, "verify"), *list;
	size_t n = list_of(v, "checks", &list);

	r->verify_delay_us = duration_of(v, "delay");
	r->verify_every_us = duration_of(v, "every");
	r->verify_timeout_us = duration_of(v, "timeout");
	r->passes = (int)json_int_or(v, "passes", 2);
	r->checks = array_of(n, sizeof(*r->checks));
	if (!r->checks)
		return -ENOMEM;
	while (r->n_checks < n) {
		struct check c = {0};
		int e = read_check(json_object_array_get_idx(list, r->n_checks), &c);

		if (e < 0)
			return e;
		r->checks[r->n_checks++] = c;
	}
	return 0;
}

static double number_of(struct json_object *o, const char *key)
{
	double v = 0;

	json_get_double(o, key, &v);
	return v;
}

static int read_effects(struct json_object *v, struct rollout *r)
{
	struct json_object *effective = section_of(v, "effective"), *cured = section_of(v, "cured");

	r->effective_query = effective ? str(effective, "prometheus") : NULL;
	r->effective_max = number_of(effective, "max");
	r->cured_query = cured ? str(cured, "prometheus") : NULL;
	r->cured_max = number_of(cured, "max");
	r->cured_timeout_us = duration_of(cured, "timeout");
	return 0;
}

static int read_fallbacks(struct json_object *o, struct rollout *r)
{
	struct json_object *list;
	size_t n = list_of(o, "fallback", &list);

	r->fallbacks = array_of(n, sizeof(*r->fallbacks));
	if (!r->fallbacks)
		return -ENOMEM;
	while (r->n_fallbacks < n) {
		struct json_object *one = json_object_array_get_idx(list, r->n_fallbacks);
		int e = act_read(one, &r->fallbacks[r->n_fallbacks].act);

		if (e < 0)
			return e;
		r->fallbacks[r->n_fallbacks++].after_us = duration_of(one, "after");
	}
	return 0;
}

static int read_snapshot(struct json_object *o, struct rollout *r)
{
	struct json_object *s = section_of(o, "snapshot"), *list;
	size_t n = s ? list_of(s, "queries", &list) : 0;

	r->snapshot_window_us = s ? duration_of(s, "window") : 0;
	r->queries = array_of(n, sizeof(*r->queries));
	if (!r->queries)
		return -ENOMEM;
	for (; r->n_queries < n; r->n_queries++) {
		struct json_object *q = json_object_array_get_idx(list, r->n_queries);

		r->queries[r->n_queries] =
			(struct snapshot_query) {str(q, "name"), str(q, "unit"), str(q, "query")};
	}
	return 0;
}

static int read_rollout(struct json_object *o, struct rollout *r)
{
	struct json_object *flags = section_of(o, "flags");

	r->tree = json_object_get(o);
	r->name = str(o, "name");
	r->title = json_str_or(o, "title", r->name);
	r->dashboard_url = str(o, "dashboard_url");
	r->flags_file = flags ? str(flags, "file") : NULL;
	r->flags_key = flags ? str(flags, "percentage") : NULL;
	r->salt = flags ? json_str_or(flags, "salt", r->name) : r->name;
	int e = read_matchers(o, "alerts", &r->alerts);
	if (e == 0)
		e = read_apply(o, r);
	if (e == 0)
		e = read_verify(o, r);
	if (e == 0)
		e = read_effects(section_of(o, "verify"), r);
	if (e == 0)
		e = read_fallbacks(o, r);
	if (e == 0)
		e = read_snapshot(o, r);
	if (e == 0)
		e = compare_options_read(section_of(o, "compare"), &r->compare);
	return e == 0 ? rollout_read_plan(o, r) : e;
}

static void rollout_free(struct rollout *r)
{
	matchers_free(&r->alerts);
	for (size_t i = 0; i < r->n_apply; i++)
		act_free(&r->apply[i]);
	for (size_t i = 0; i < r->n_fallbacks; i++)
		act_free(&r->fallbacks[i].act);
	free(r->fallbacks);
	for (size_t i = 0; i < r->n_checks; i++)
		free(r->checks[i].argv);
	free(r->apply);
	free(r->checks);
	free(r->queries);
	compare_options_free(&r->compare);
	rollout_free_plan(r);
	free(r->frozen);
	json_object_put(r->tree);
}

/* --- the rest --- */

static int read_then(struct json_object *o, struct playbook *p)
{
	struct json_object *list;
	size_t n = list_of(o, "then", &list);

	p->then = array_of(n, sizeof(*p->then));
	if (!p->then)
		return -ENOMEM;
	while (p->n_then < n) {
		struct json_object *one = json_object_array_get_idx(list, p->n_then);
		int e = act_read(one, &p->then[p->n_then].act);

		if (e < 0)
			return e;
		p->then[p->n_then++].needs_approval = str(one, "needs")[0] != '\0';
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
	int e = read_then(o, p);
	return e == 0 ? read_matchers(o, "match", &p->match) : e;
}

static void playbook_free(struct playbook *p)
{
	for (size_t i = 0; i < p->n_then; i++)
		act_free(&p->then[i].act);
	free(p->then);
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
	l->rollbacks_per_day = (int)json_int_or(o, "rollbacks_per_day", 0);
}

static void read_prometheus(struct json_object *o, struct prometheus_options *p)
{
	p->url = o ? str(o, "url") : "";
	p->timeout_us = o ? duration_of(o, "timeout") : 0;
}

static const struct {
	const char *name;
	unsigned bits;
} event_words[] = {
	{"incident", EVENT_INCIDENT}, {"page", EVENT_PAGE}, {"rollout", EVENT_ROLLOUT},
	{"report", EVENT_REPORT},     {"all", EVENT_ALL},
};

static unsigned events_of(struct json_object *o)
{
	struct json_object *list;
	unsigned bits = 0;
	size_t n = list_of(o, "events", &list);

	for (size_t i = 0; i < n; i++)
		for (size_t w = 0; w < ARRAY_LEN(event_words); w++)
			if (!strcmp(event_words[w].name,
			            json_object_get_string(json_object_array_get_idx(list, i))))
				bits |= event_words[w].bits;
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
	while (s->n_rollouts <
	       n) { /* counted before it is filled: settings_unref copes with a half-filled one */
		size_t i = s->n_rollouts++;
		int e = read_rollout(json_object_array_get_idx(list, i), &s->rollouts[i]);

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
	int e = heartbeat ? read_matchers(heartbeat, "match", &s->heartbeat) : 0;
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
	CLEANUP(json_cleanup) struct json_object *url = json_object_new_string(s->external_url);
	bool ok = true;

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
	for (size_t i = 0; i < s->n_rollouts; i++)
		if (!strcmp(s->rollouts[i].name, name))
			return &s->rollouts[i];
	return NULL;
}

const struct playbook *settings_playbook(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->n_playbooks; i++)
		if (!strcmp(s->playbooks[i].name, name))
			return &s->playbooks[i];
	return NULL;
}

/* --- the frozen plan --- */

char *plan_text(const struct settings *s, const struct rollout *r, const struct playbook *p)
{
	return text_format("{\"rollout\":%s,\"playbook\":%s,%s}", r->frozen, p->frozen, s->frozen);
}

static int fill_plan(struct plan *p)
{
	struct json_object *rollout = section_of(p->tree, "rollout"),
			   *playbook = section_of(p->tree, "playbook");

	if (!rollout || !playbook)
		return -EINVAL;
	int e = read_rollout(rollout, &p->rollout);
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
	struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->tree = json_tokener_parse(text);
	int e = fill_plan(p);
	if (e < 0) {
		plan_free(p);
		return e;
	}
	*ret = p;
	return 0;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	rollout_free(&p->rollout);
	playbook_free(&p->playbook);
	json_object_put(p->tree);
	free(p);
}

void plan_cleanup(struct plan **p)
{
	plan_free(*p);
}
