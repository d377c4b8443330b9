/*
 * What is told by several keys of a section: defaults that depend on others, and what could never work.
 */
#include "handlers/settings/read.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/settings/settings.h"
#include "server/core/answer.h"
#include "server/core/text.h"

#define ACT_NAME_MAX 200
#define WORDS_MAX    (1024 * 1024)

/* A fault of a key of the section that is being read. */
#define FAULT(g, key, ...) config_fault_at((g)->r, CONFIG_PATH("%s.%s", (g)->path, key), __VA_ARGS__)

static bool has(const struct config_reading *g, const char *key)
{
	return config_has(g->r, CONFIG_PATH("%s.%s", g->path, key));
}

/* --- acts --- */

/* "PUT http://127.0.0.1:8080/flags". A user, a password and a query, where tokens stand, are left out: it goes to the
 * chat. */
static void name_request(struct buf *b, const struct act *a)
{
	const char *host = strstr(a->url, "://");
	size_t authority = host ? strcspn(host + 3, "/?#") : 0;
	const char *user = host ? memrchr(host + 3, '@', authority) : NULL;

	buf_printf(b, "%s ", a->method ? a->method : "");
	buf_add(b, a->url, user ? (size_t)(host + 3 - a->url) : strcspn(a->url, "?#"));
	if (user)
		buf_add(b, user + 1, strcspn(user + 1, "?#"));
}

/* "systemctl reload checkout.service": what people read when an act has no name. */
void complete_act(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	struct act *a = to;
	CLEANUP(buf_free) struct buf words = BUF(WORDS_MAX), name = BUF(ACT_NAME_MAX);

	if (a->name)
		return;
	for (const char **word = a->argv; word && *word; word++) {
		const char *slash = word == a->argv ? strrchr(*word, '/') : NULL;

		buf_printf(&words, "%s%s", word == a->argv ? "" : " ", slash ? slash + 1 : *word);
	}
	if (a->url)
		name_request(&words, a);
	text_one_line(&name, buf_text(&words), words.len, ACT_NAME_MAX);
	a->name = "";
	if (name.len)
		reading_default(g, s, "name", buf_text(&name), to);
}

/* A command starts a process first. */
void complete_check(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	struct check *c = to;

	if (c->timeout_us == 0)
		reading_default(g, s, "timeout", c->kind == CHECK_COMMAND ? "10s" : "3s", to);
	if (g->kept)
		return;
	if (c->kind == CHECK_PROMETHEUS && !g->has_prometheus)
		config_fault(g->r, config_line(g->r, CONFIG_PATH("%s.prometheus", g->path)), g->path,
		             "this asks Prometheus, whose address is missing: set global.prometheus.url");
	if (c->instances && !has(g, "prometheus"))
		config_fault(g->r, config_line(g->r, CONFIG_PATH("%s.instances", g->path)), g->path,
		             "instances stands only beside prometheus: leave it out");
}

static void name_check(struct config_reading *g, const struct section *s, struct fallback_check *c)
{
	CLEANUP(buf_free) struct buf name = BUF(ACT_NAME_MAX);
	const char *asked = c->check.query ? c->check.query : c->check.argv ? c->check.argv[0] : "";

	if (c->check.url)
		answer_url(&name, c->check.url);
	else
		text_one_line(&name, asked, strlen(asked), ACT_NAME_MAX - 1);
	c->name = "";
	if (name.len)
		reading_default(g, s, "name", buf_text(&name), c);
}

/* What gives a number has a bound, and what has a bound gives a number. */
void complete_fallback_check(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	struct fallback_check *c = to;
	bool bounded = c->has_min || c->has_max;

	complete_check(g, s, to);
	if (!c->name)
		name_check(g, s, c);
	if (g->kept)
		return;
	if (c->check.kind == CHECK_PROMETHEUS && !bounded)
		FAULT(g, "prometheus", "what may it be at least, or at most? Add min or max");
	if (c->check.kind == CHECK_HTTP && bounded != !!c->check.pointer)
		FAULT(g, "http", "value and min or max stand together, or neither");
	if (c->has_min && c->has_max && c->min > c->max)
		FAULT(g, "min", "it is above max, so nothing could ever be within");
}

/* --- rollouts --- */

/* The last of the rounds in a row must come before the deadline. */
void complete_verify(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	const struct rollout *r = to;
	int64_t needs = r->verify_delay_us;
	char least[32];

	(void)s;
	if (g->kept || r->verify_timeout_us == 0 ||
	    __builtin_mul_overflow(r->verify_every_us, (int64_t)(r->passes > 0 ? r->passes - 1 : 0), &needs) ||
	    __builtin_add_overflow(needs, r->verify_delay_us, &needs) || needs < r->verify_timeout_us)
		return;
	text_duration(needs, least, sizeof(least));
	FAULT(g, "timeout", "delay and %d %s take %s already, so it could never pass: more than that", r->passes,
	      text_many(r->passes, "round", "rounds"), least);
}

/* The flag that carries the percentage is not one of the others. */
void complete_flags(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	const struct rollout *r = to;

	(void)s;
	for (size_t i = 0; i < r->n_values; i++)
		if (r->flags_key[0] && !strcmp(r->values[i].name, r->flags_key))
			config_fault_at(g->r, CONFIG_PATH("%s.values[%zu].name", g->path, i),
			                "%s carries the percentage: leave it out here", r->flags_key);
}

void complete_rollout(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	struct rollout *r = to;

	if (!g->kept && r->alerts.n == 0) {
		CLEANUP(cleanup_free) char *own = text_format("rollout=\"%s\"", r->name);

		reading_default(g, s, "alerts", own ? own : "", to);
	}
	if (!r->title && r->name[0])
		reading_default(g, s, "title", r->name, to);
	r->title = r->title ? r->title : "";
	r->salt = r->salt ? r->salt : r->name;
	if (!g->kept && r->apply && r->n_apply == 0 && !has(g, "flags"))
		config_fault(g->r, config_line(g->r, CONFIG_PATH("%s.flags", g->path)), g->path,
		             "it has neither flags nor apply, so nothing could be rolled back: add one of them");
}

/* --- calendars --- */

/* An exception that falls on no beginning is meant for another day. */
static void check_calendar(const struct config_reading *g, const struct calendar *c)
{
	const char *idle = g->kept ? NULL : calendar_idle_exception(c);

	if (idle)
		FAULT(g, "except", "nothing begins on %s anyway: name the date on which it begins", idle);
}

void complete_freeze(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	(void)s;
	check_calendar(g, &((struct freeze *)to)->when);
}

void complete_report(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	(void)s;
	check_calendar(g, &((struct report_plan *)to)->when);
}

void complete_drill(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	(void)s;
	check_calendar(g, &((struct drill_plan *)to)->when);
	if (!g->kept && !config_has(g->r, "global.alertmanager.url"))
		FAULT(g, "through", "the address of Alertmanager is missing: set global.alertmanager.url");
}

void complete_criterion(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	const struct criterion *c = to;

	(void)s;
	if (!g->kept && c->min_samples > 0 && !has(g, "samples"))
		FAULT(g, "min_samples", "it needs samples: the query that counts them");
}

void complete_stage_flag(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	const struct stage_flag *f = to;

	(void)s;
	if (!g->kept && f->value[strspn(f->value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")])
		FAULT(g, "value", "only letters, digits, . _ and - can stand there unquoted");
}

void complete_stage(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	static const char *nobody[] = {NULL};
	struct stage *st = to;

	if (!st->environment)
		reading_default(g, s, "environment", g->environment ? g->environment : "production", to);
	if (!st->environment)
		st->environment = "";
	if (!st->approvals)
		st->approvals = nobody;
}

/* As words, because the table of keys has no list of numbers. */
void complete_metric(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	static const char *const usual[] = {"0.5", "0.95", "0.99", NULL};
	struct compare_metric *m = to;
	const char *const *words = m->quantile_words ? m->quantile_words : usual;

	(void)s;
	m->lower_is_worse = m->worse && !strcmp(m->worse, "lower");
	if (m->kind != COMPARE_HISTOGRAM)
		return;
	size_t n = 0;
	while (words[n])
		n++;
	m->quantiles = reading_take(g, (n + 1) * sizeof(*m->quantiles));
	for (; m->n_quantiles < n; m->n_quantiles++)
		m->quantiles[m->n_quantiles] = strtod(words[m->n_quantiles], NULL);
}

/* --- the others --- */

void complete_playbook(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	struct playbook *p = to;
	const char *hold = g->kept ? NULL : config_scalar(g->r, CONFIG_PATH("%s.hold", g->path));

	(void)s;
	p->previous_stage = p->to_pct < 0;
	if (hold && !strcmp(hold, "false") && !has(g, "rollback"))
		FAULT(g, "hold", "false alone means nothing: write hold: true, or rollback instead");
}

void complete_channel(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	struct channel_options *c = to;

	(void)s;
	for (const char **word = c->event_words; word && *word; word++)
		c->events |= event_bits(*word);
}

/* The last one, unless one has its name. */
static void add_builtin(struct settings *s)
{
	static const struct playbook builtin = {
		.name = "auto-rollback",
		.severity = "",
		.restart_at = -1,
		.frozen = "{\"name\":\"auto-rollback\",\"match\":[\"action=\\\"auto_rollback\\\"\"],\"severity\":\"\","
			  "\"rollback\":{\"to\":0,\"after\":0}}",
	};
	struct matcher_fault fault;

	if (!s->playbooks || settings_playbook(s, builtin.name))
		return;
	struct playbook *p = &s->playbooks[s->n_playbooks++];
	*p = builtin;
	if (matchers_add(&p->match, "action=\"auto_rollback\"", &fault) < 0)
		abort(); /* out of memory */
}

static const char *or_none(const char *json)
{
	return json ? json : "{}";
}

/* The rest of a plan, beside its rollout and playbook. */
static void freeze(struct config_reading *g, struct settings *s)
{
	CLEANUP(json_cleanup) struct json_object *url = json_object_new_string(s->external_url);
	CLEANUP(cleanup_free)
	char *text = text_format("\"prometheus\":%s,\"sla\":%s,\"limits\":%s,\"external_url\":%s",
	                         or_none(s->prometheus.frozen), or_none(s->sla.frozen), or_none(s->limits.frozen),
	                         json_text(url));
	size_t size = text ? strlen(text) + 1 : 0;

	if (!text)
		abort(); /* out of memory */
	s->frozen = memcpy(reading_take(g, size), text, size);
}

void complete_settings(struct config_reading *g, const struct section *s, void *to)
{
	assert(g && to);
	struct settings *all = to;

	(void)s;
	all->prometheus.url = all->prometheus.url ? all->prometheus.url : "";
	all->alertmanager_url = all->alertmanager_url ? all->alertmanager_url : "";
	all->rules_url = all->rules_url ? all->rules_url : "";
	all->external_url = all->external_url ? all->external_url : "";
	all->environment = all->environment ? all->environment : "";
	all->timezone = all->timezone ? all->timezone : "";
	if (!g->kept)
		add_builtin(all);
	freeze(g, all);
	if (text_sha256(buf_text(&g->out), g->out.len, all->sha) < 0)
		abort(); /* out of memory */
}
