#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/doctor/doctor.h"

/* What the config would do with an alert, as far as the rule tells. */
enum role { ROLE_NONE, ROLE_TRIGGER, ROLE_HEARTBEAT };
struct meaning {
	enum role role;
	const struct playbook *playbook;
	bool sure;         /* else a template decides */
	const char *label; /* that template's label */
};

static struct meaning meaning_of(const struct settings *s, struct doctor_alert *a)
{
	if (s->heartbeat.n &&
	    matchers_might_hold(&s->heartbeat, a->labels, a->n, label_is_template, a, NULL) == MATCHERS_YES)
		return (struct meaning) {.role = ROLE_HEARTBEAT, .sure = true};
	for (size_t i = 0; i < s->n_playbooks; i++) {
		const char *label = NULL;
		enum matchers_result say =
			matchers_might_hold(&s->playbooks[i].match, a->labels, a->n, label_is_template, a, &label);

		if (say != MATCHERS_NO)
			return (struct meaning) {ROLE_TRIGGER, &s->playbooks[i], say == MATCHERS_YES, label};
	}
	return (struct meaning) {.role = ROLE_NONE};
}

static bool rolls_back_at_once(const struct playbook *p)
{
	return !p->hold && p->after_us == 0;
}

/* --- series --- */

/* What the config calls the baseline: a fault of the new way does not move it. */
static int baseline_series(const struct doctor_facts *d, struct series_names *ret)
{
	const struct settings *s = d->settings;
	int e = 0;

	for (size_t i = 0; i < s->n_rollouts; i++)
		for (size_t j = 0; e == 0 && j < s->rollouts[i].n_baselines; j++) {
			struct promql p = {0};

			e = promql_scan(s->rollouts[i].baselines[j].query, &p);
			if (e == 0)
				e = rule_book_leaves(&d->book, &p, ret);
			promql_free(&p);
			e = e == -EINVAL ? 0 : e;
		}
	return e;
}

int trigger_series(const struct doctor_facts *d, struct series_names *ret)
{
	assert(d && d->settings && ret);
	struct series_names names = {0};
	int e = 0;

	for (size_t i = 0; e == 0 && i < d->book.n; i++) {
		struct doctor_alert a = {0};

		if (!d->book.list[i].alerting)
			continue;
		e = doctor_alert_init(&a, d, &d->book.list[i]);
		if (e == 0 && meaning_of(d->settings, &a).role == ROLE_TRIGGER)
			e = rule_book_leaves(&d->book, &d->book.list[i].scan, &names);
		doctor_alert_free(&a);
	}
	if (e < 0)
		series_names_free(&names);
	else
		*ret = names;
	return e;
}

/* --- when --- */

static int64_t duration_or(struct json_object *o, const char *key, int64_t def)
{
	(void)text_duration_parse(json_str_or(o, key, ""), &def);
	return def;
}

static int64_t global_scrape(const struct doctor_facts *d)
{
	/* Prometheus' default */
	return duration_or(json_obj_of(d->prometheus, "global"), "scrape_interval", 60 * US_PER_S);
}

/* The slowest target of a job; 0: there is none. */
static int64_t job_scrape(const struct doctor_facts *d, const char *job)
{
	int64_t most = 0;

	for (size_t i = 0; i < json_len(d->targets); i++) {
		struct json_object *t = json_item(d->targets, i);

		if (strcmp(json_str_or(json_obj_of(t, "labels"), "job", ""), job) != 0)
			continue;
		int64_t us = duration_or(t, "scrapeInterval", 0);
		most = us > most ? us : most;
	}
	return most;
}

static bool is_sample_of(const struct prom_sample *p, const char *series)
{
	return !strcmp(json_str_or(p->metric, "__name__", ""), series);
}

static bool has_data(const struct doctor_facts *d, const char *series)
{
	for (size_t i = 0; i < d->jobs.n; i++)
		if (is_sample_of(&d->jobs.samples[i], series))
			return true;
	return false;
}

/* The slowest scrape of what a rule stands on; what nobody delivers now counts with the global interval. */
static int64_t scrape_of(const struct doctor_facts *d, const struct series_names *leaves,
                         const struct series_names *still)
{
	int64_t most = 0;

	for (size_t i = 0; i < leaves->n; i++) {
		int64_t us = 0;

		if (series_names_has(still, leaves->list[i]))
			continue;
		for (size_t j = 0; j < d->jobs.n; j++)
			if (is_sample_of(&d->jobs.samples[j], leaves->list[i])) {
				int64_t one = job_scrape(d, json_str_or(d->jobs.samples[j].metric, "job", ""));

				us = one > us ? one : us;
			}
		most = us > most ? us : most;
	}
	return most ? most : global_scrape(d);
}

/* --- one rule --- */

struct rule_look {
	const struct doctor_facts *d;
	struct findings *f;
	const struct series_names *still;
	struct doctor_alert alert;
	struct meaning meaning;
	const struct route_node *node; /* NULL: no route is known to reach us */
	struct rule_delay delay;
	struct series_names leaves;
	int64_t scrape_us;
};

#define say(l, state, of, ...) found((l)->f, state, (l)->alert.rule->name, of, __VA_ARGS__)

static void judge_health(const struct rule_look *l)
{
	const struct rule *r = l->alert.rule;

	if (!strcmp(r->health, "err"))
		say(l, FOUND_BAD, "rule", "Prometheus cannot evaluate it: %s", r->last_error);
	else if (strcmp(r->health, "ok") != 0)
		say(l, FOUND_UNKNOWN, "rule", "has not been evaluated yet");
}

/* What the first delivery would make happen, in words. */
static void action_text(const struct playbook *p, struct buf *b)
{
	char to[16], after[32];

	text_pct(p->to_pct, to, sizeof(to));
	text_duration(p->after_us, after, sizeof(after));
	if (p->after_us && !p->hold)
		buf_printf(b, "after %s ", after);
	if (p->hold)
		buf_str(b, "holds");
	else
		buf_printf(b, "rolls back to %s%s:", p->previous_stage ? "the previous stage" : to,
		           p->previous_stage ? "" : "%");
}

static void judge_action(const struct rule_look *l, const bool *claims, bool maybe, const char *label)
{
	const struct settings *s = l->d->settings;
	CLEANUP(buf_free) struct buf b = BUF(1500);
	size_t n = 0;

	if (!l->meaning.sure) {
		say(l, FOUND_UNKNOWN, "action",
		    "which playbook it matches depends on its label %s, which is a template", l->meaning.label);
		return;
	}
	action_text(l->meaning.playbook, &b);
	for (size_t i = 0; i < s->n_rollouts; i++)
		if (claims[i])
			buf_printf(&b, "%s%s", n++ ? ", " : " ", s->rollouts[i].name);
	if (n)
		say(l, FOUND_OK, "action", "%s, by playbook %s", buf_text(&b), l->meaning.playbook->name);
	else if (maybe)
		say(l, FOUND_UNKNOWN, "action",
		    "which rollout it concerns depends on its label %s, which the rule does not set", label);
	else
		say(l, FOUND_BAD, "action",
		    "matches playbook %s, but no rollout claims its labels: nothing is rolled back",
		    l->meaning.playbook->name);
}

/* Which rollouts surely claim it. */
static void claim(struct rule_look *l, bool *claims, bool *ret_maybe, const char **ret_label)
{
	const struct settings *s = l->d->settings;

	for (size_t i = 0; i < s->n_rollouts; i++) {
		enum matchers_result one = matchers_might_hold(&s->rollouts[i].alerts, l->alert.labels, l->alert.n,
		                                               label_may_come_from_series, &l->alert, ret_label);

		claims[i] = one == MATCHERS_YES;
		*ret_maybe = *ret_maybe || one == MATCHERS_MAYBE;
	}
}

static int64_t at_worst(const struct rule_look *l, bool with_span)
{
	return l->scrape_us + (with_span ? l->delay.span_us : 0) + l->delay.eval_us + l->delay.for_us +
	       (l->node ? l->node->group_wait_us : 0);
}

static void sum_text(const struct rule_look *l, struct buf *b)
{
	const struct {
		const char *name;
		int64_t us;
	} parts[] = {{"scrape", l->scrape_us},
	             {"span", l->delay.span_us},
	             {"eval", l->delay.eval_us},
	             {"for", l->delay.for_us},
	             {"group_wait", l->node ? l->node->group_wait_us : -1}};
	char text[32];

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		text_duration(parts[i].us, text, sizeof(text));
		buf_printf(b, "%s%s %s", i ? " + " : "", parts[i].name, parts[i].us < 0 ? "unknown" : text);
	}
	text_duration(at_worst(l, true), text, sizeof(text));
	buf_printf(b, " = %s%s", l->node ? "" : "at least ", text);
}

static void judge_time(const struct rule_look *l)
{
	CLEANUP(buf_free) struct buf sum = BUF(500);
	char limit[32], gross[32];
	int64_t limit_us = l->d->settings->sla.detection_us;

	sum_text(l, &sum);
	text_duration(limit_us, limit, sizeof(limit));
	text_duration(at_worst(l, false), gross, sizeof(gross));
	if (l->delay.odd)
		say(l, FOUND_UNKNOWN, "time",
		    "its expression, or a rule it stands on, could not be followed: the span is not known");
	else if (!rolls_back_at_once(l->meaning.playbook))
		say(l, FOUND_OK, "time", "%s at worst; nothing is rolled back at once", buf_text(&sum));
	else if (at_worst(l, false) > limit_us)
		say(l, FOUND_BAD, "time",
		    "%s at worst. Even without the span, for a fault that shows in full at once, %s: more than "
		    "sla.detection, %s",
		    buf_text(&sum), gross, limit);
	else if (at_worst(l, true) > limit_us)
		say(l, l->node ? FOUND_NOTE : FOUND_UNKNOWN, "time",
		    "%s at worst: more than sla.detection, %s, for a fault so small that it "
		    "has to fill the span. The larger the fault, the less of the span it needs; without it: %s",
		    buf_text(&sum), limit, gross);
	else
		say(l, l->node ? FOUND_OK : FOUND_UNKNOWN, "time", "%s at worst; sla.detection is %s", buf_text(&sum),
		    limit);
}

static void judge_text(const struct rule_look *l)
{
	const struct promql *p = &l->alert.rule->scan;
	bool each = false;

	for (size_t i = 0; i < p->n; i++)
		each = each || (p->list[i].rate && !p->list[i].summed);
	if (p->quantile_without_le)
		say(l, FOUND_BAD, "text",
		    "histogram_quantile over an aggregation that loses le: there is never an answer. Write sum by (le) "
		    "(...)");
	if (p->quantile_each)
		say(l, FOUND_NOTE, "text",
		    "histogram_quantile of each instance by itself: sum by (le) (...) sees the whole service");
	else if (each)
		say(l, FOUND_NOTE, "text",
		    "rates of each instance by itself, without sum(): with few requests on one instance chance "
		    "decides");
	if (p->unguarded)
		say(l, FOUND_NOTE, "text",
		    "divides by a rate that may be 0: that is NaN, and no comparison with NaN ever fires. Write / (... "
		    "> 0)");
}

static void judge_series(const struct rule_look *l)
{
	CLEANUP(buf_free) struct buf missing = BUF(1000);
	size_t there = 0, gone = 0;

	for (size_t i = 0; i < l->leaves.n && l->d->has_jobs; i++) {
		const char *name = l->leaves.list[i];

		if (series_names_has(l->still, name) || !strncmp(name, "rollbackd_", 10) || !strncmp(name, "ALERTS", 6))
			there += !strncmp(name, "ALERTS", 6);
		else if (has_data(l->d, name))
			there++;
		else
			buf_printf(&missing, "%s%s", gone++ ? ", " : "", name);
	}
	if (gone && !there)
		say(l, FOUND_BAD, "data", "Prometheus has nothing about %s: it cannot fire", buf_text(&missing));
	else if (gone)
		say(l, FOUND_NOTE, "data", "Prometheus has nothing about %s now: what it asks of that cannot fire it",
		    buf_text(&missing));
}

/* An alert is its labels: what changes with each evaluation makes another one of it each time. */
static void judge_labels(const struct rule_look *l)
{
	const struct rule *r = l->alert.rule;
	char of[32];

	text_duration(r->for_us, of, sizeof(of));
	if (!r->labels)
		return;
	json_object_object_foreach(r->labels, name, value)
	{
		const char *text = json_object_get_string(value);

		if (!text || !strstr(text, "{{") || (!strstr(text, "$value") && !strstr(text, ".Value")))
			continue;
		say(l, FOUND_NOTE, "labels",
		    "its label %s holds the value: each other value is another alert. So its episode ends and another "
		    "begins "
		    "whenever the value changes, a rollback that waits may be called off in between, and `for` (%s) "
		    "begins "
		    "anew: it may never fire. Put the value into an annotation",
		    name, of);
	}
}

/* What has that label changes nothing, whoever sends it. */
static bool is_drill(const struct rule_look *l)
{
	struct json_object *mark = NULL;
	bool set = l->alert.rule->labels && json_object_object_get_ex(l->alert.rule->labels, "drill", &mark);
	const char *text = set ? json_object_get_string(mark) : "";

	if (!text || !text[0])
		return false;
	say(l, strstr(text, "{{") ? FOUND_UNKNOWN : FOUND_BAD, "action",
	    "never acts: its label drill (%s) makes a fire drill of it, which changes nothing. Take the label away",
	    text);
	return true;
}

/* Who is in time at worst, by rollout. */
struct in_time {
	const char *rule; /* the fastest; NULL: none that rolls back at once */
	int64_t us;
	bool unsure; /* a rule whose time or rollout is not known might be faster */
};

static void note_time(const struct rule_look *l, const bool *claims, bool maybe, struct in_time *times)
{
	for (size_t i = 0; i < l->d->settings->n_rollouts; i++) {
		struct in_time *t = &times[i];

		if (!rolls_back_at_once(l->meaning.playbook) || (!claims[i] && !maybe))
			continue;
		if (!claims[i] || !l->meaning.sure || !l->node || l->delay.odd) {
			t->unsure = true;
		} else if (!t->rule || at_worst(l, true) < t->us) {
			t->rule = l->alert.rule->name;
			t->us = at_worst(l, true);
		}
	}
}

static void judge_trigger(struct rule_look *l, bool *claims, struct in_time *times)
{
	bool maybe = false;
	const char *label = NULL;

	judge_health(l);
	claim(l, claims, &maybe, &label);
	judge_action(l, claims, maybe, label);
	l->node = judge_route(&l->alert, l->f);
	l->scrape_us = scrape_of(l->d, &l->leaves, l->still);
	judge_time(l);
	note_time(l, claims, maybe, times);
	judge_series(l);
	judge_text(l);
	judge_labels(l);
}

static void judge_heartbeat(struct rule_look *l)
{
	int64_t timeout_us = l->d->settings->heartbeat_timeout_us;
	char text[32];

	judge_health(l);
	l->node = judge_route(&l->alert, l->f);
	text_duration(timeout_us, text, sizeof(text));
	/* It comes again at the first group_interval behind repeat_interval. */
	if (l->node && l->node->repeat_us + l->node->group_interval_us >= timeout_us)
		say(l, FOUND_BAD, "heartbeat",
		    "comes too seldom for heartbeat.timeout, %s: repeat_interval and group_interval of its route add "
		    "up",
		    text);
}

static int judge_rule(struct rule_look *l, bool *claims, struct in_time *times, bool *ret_heartbeat)
{
	const struct rule *r = l->alert.rule;
	int e = 0;

	l->meaning = meaning_of(l->d->settings, &l->alert);
	if (l->meaning.role == ROLE_HEARTBEAT) {
		*ret_heartbeat = true;
		judge_heartbeat(l);
	} else if (l->meaning.role == ROLE_TRIGGER && !is_drill(l)) {
		e = rule_book_delay(&l->d->book, r, l->still, &l->delay);
		if (e == 0)
			e = rule_book_leaves(&l->d->book, &r->scan, &l->leaves);
		if (e == 0)
			judge_trigger(l, claims, times);
	} else if (l->meaning.role == ROLE_NONE && doctor_label(&l->alert, "action")[0]) {
		say(l, FOUND_BAD, "action", "its label action=\"%s\" matches no playbook: nothing would happen",
		    doctor_label(&l->alert, "action"));
	}
	return e;
}

static void judge_in_time(const struct doctor_facts *d, const struct in_time *times, struct findings *f)
{
	char at[32], limit[32];

	text_duration(d->settings->sla.detection_us, limit, sizeof(limit));
	for (size_t i = 0; i < d->settings->n_rollouts; i++) {
		const struct in_time *t = &times[i];
		const char *name = d->settings->rollouts[i].name;

		text_duration(t->us, at, sizeof(at));
		if (t->rule && t->us <= d->settings->sla.detection_us)
			found(f, FOUND_OK, name, "detection",
			      "%s is in time for whatever it sees: %s at worst, sla.detection is %s", t->rule, at,
			      limit);
		else if (t->unsure)
			found(f, FOUND_UNKNOWN, name, "detection",
			      "no rule is known to roll it back within sla.detection, %s, at worst", limit);
		else if (t->rule)
			found(f, FOUND_BAD, name, "detection",
			      "no rule rolls it back within sla.detection, %s, at worst; %s is the fastest, with %s",
			      limit, t->rule, at);
		else
			found(f, FOUND_BAD, name, "detection",
			      "no alert rule rolls it back at once and reaches rollbackd");
	}
}

static int judge_all(const struct doctor_facts *d, const struct series_names *still, struct in_time *times,
                     bool *claims, struct findings *f)
{
	bool heartbeat = false;
	int e = 0;

	for (size_t i = 0; e == 0 && i < d->book.n; i++) {
		struct rule_look l = {.d = d, .f = f, .still = still};

		if (!d->book.list[i].alerting)
			continue;
		e = doctor_alert_init(&l.alert, d, &d->book.list[i]);
		if (e == 0)
			e = judge_rule(&l, claims, times, &heartbeat);
		doctor_alert_free(&l.alert);
		series_names_free(&l.leaves);
	}
	if (e == 0 && d->settings->heartbeat.n && !heartbeat)
		found(f, FOUND_BAD, "heartbeat", NULL,
		      "no alert rule matches it: rollbackd will take the way of the alerts for broken");
	return e;
}

/* By its name rollbackd takes it for scraped, and its sample for as young as it looks. */
static bool is_recorded_in_disguise(const struct doctor_facts *d, const char *name)
{
	for (size_t i = 0; i < d->book.n && name[0] && !strchr(name, ':'); i++)
		if (!d->book.list[i].alerting && !strcmp(d->book.list[i].name, name))
			return true;
	return false;
}

static void judge_check(const struct doctor_facts *d, const struct rollout *r, const struct check *c,
                        struct findings *f)
{
	struct promql p = {0};
	int e = c->kind == CHECK_PROMETHEUS ? promql_scan(c->query, &p) : 0;

	for (size_t i = 0; e == 0 && i < p.n; i++)
		if (is_recorded_in_disguise(d, p.list[i].name))
			found(f, FOUND_BAD, "rollout", r->name,
			      "its check asks for %s, which a rule records under a name without a colon: an old value "
			      "passes for a young one there, and \"rolled back\" may be said too early. Ask for the "
			      "series that the service exports, or name the rule level:metric:operations",
			      p.list[i].name);
	promql_free(&p);
}

static void judge_checks(const struct doctor_facts *d, struct findings *f)
{
	for (size_t i = 0; i < d->settings->n_rollouts; i++)
		for (size_t k = 0; k < d->settings->rollouts[i].n_checks; k++)
			judge_check(d, &d->settings->rollouts[i], &d->settings->rollouts[i].checks[k], f);
}

void judge_rules(const struct doctor_facts *d, struct findings *f)
{
	assert(d && d->settings && f);
	size_t n = d->settings->n_rollouts + 1;

	judge_checks(d, f);
	struct in_time *times = calloc(n, sizeof(*times));
	bool *claims = calloc(n, sizeof(*claims));
	struct series_names still = {0};
	int e = times && claims ? baseline_series(d, &still) : -ENOMEM;

	if (e == 0)
		e = judge_all(d, &still, times, claims, f);
	if (e == 0)
		judge_in_time(d, times, f);
	else
		found(f, FOUND_UNKNOWN, "rules", NULL, "could not be judged: %s", strerrordesc_np(-e));
	series_names_free(&still);
	free(times);
	free(claims);
}
