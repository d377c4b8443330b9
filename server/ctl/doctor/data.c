#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"
#include "server/ctl/doctor/doctor.h"

/* --- which queries there are --- */

static int add(struct doctor_queries *q, struct doctor_query one)
{
	if (!one.text)
		return 0;
	for (size_t i = 0; i < q->n; i++) /* stages share criteria */
		if (q->list[i].rollout == one.rollout && !strcmp(q->list[i].text, one.text) &&
		    q->list[i].over_us >= one.over_us && q->list[i].is_percentage == one.is_percentage)
			return 0;
	struct doctor_query *list = reallocarray(q->list, q->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	q->list = list;
	q->list[q->n++] = one;
	return 0;
}

#define ADD(...)                                                                                                       \
	do {                                                                                                           \
		if (e == 0)                                                                                            \
			e = add(q, (struct doctor_query) {.rollout = r, __VA_ARGS__});                                 \
	} while (0)

/* A stage of another environment is judged by another rollbackd, with another Prometheus. */
static int add_stages(const struct settings *s, const struct rollout *r, struct doctor_queries *q)
{
	int e = 0;

	for (size_t i = 0; i < r->n_stages; i++)
		for (size_t j = 0; j < r->stages[i].n_criteria && !strcmp(r->stages[i].environment, s->environment);
		     j++) {
			const struct criterion *c = &r->stages[i].criteria[j];

			ADD(.what = "criterion", .of = c->name, .text = c->query, .over_us = c->over_us);
			ADD(.what = "samples of criterion", .of = c->name, .text = c->samples);
		}
	return e;
}

static int add_checks(const struct rollout *r, struct doctor_queries *q)
{
	int e = 0;

	for (size_t i = 0; i < r->n_checks; i++)
		if (r->checks[i].kind == CHECK_PROMETHEUS) {
			ADD(.what = "check", .of = "percentage", .text = r->checks[i].query, .is_percentage = true);
			ADD(.what = "check", .of = "instances", .text = r->checks[i].instances);
		}
	ADD(.what = "verify", .of = "effective", .text = r->effective_query);
	ADD(.what = "verify", .of = "cured", .text = r->cured_query);
	for (size_t i = 0; i < r->n_symptoms; i++)
		ADD(.what = "symptom", .of = r->symptoms[i].name, .text = r->symptoms[i].query);
	return e;
}

static int add_watch(const struct rollout *r, struct doctor_queries *q)
{
	int e = 0;

	for (size_t i = 0; i < r->n_queries; i++)
		ADD(.what = "snapshot", .of = r->queries[i].name, .text = r->queries[i].query,
		    .over_us = r->snapshot_window_us);
	for (size_t i = 0; i < r->watch.n_data; i++)
		ADD(.what = "watch", .of = r->watch.data[i].name, .text = r->watch.data[i].query);
	ADD(.what = "watch", .of = "share", .text = r->watch.share);
	for (size_t i = 0; i < r->n_baselines; i++) {
		ADD(.what = "baseline", .of = r->baselines[i].metric, .text = r->baselines[i].query);
		ADD(.what = "samples of baseline", .of = r->baselines[i].metric, .text = r->baselines[i].samples);
	}
	return e;
}

static int add_compare(const struct rollout *r, struct doctor_queries *q)
{
	int e = 0;

	if (r->compare.step_us)
		ADD(.what = "compare", .of = "share", .text = r->compare.share);
	for (size_t i = 0; i < r->compare.n_metrics; i++) {
		const struct compare_metric *m = &r->compare.metrics[i];

		ADD(.what = "compare", .of = m->name, .text = m->candidate.query);
		ADD(.what = "compare", .of = m->name, .text = m->candidate.bad);
		ADD(.what = "compare with", .of = m->name, .text = m->baseline.query);
		ADD(.what = "compare with", .of = m->name, .text = m->baseline.bad);
	}
	return e;
}

int doctor_queries_of(const struct settings *s, struct doctor_queries *ret)
{
	assert(s && ret);
	struct doctor_queries q = {0};
	int e = 0;

	for (size_t i = 0; e == 0 && i < s->n_rollouts; i++) {
		const struct rollout *r = &s->rollouts[i];

		if ((e = add_checks(r, &q)) == 0 && (e = add_stages(s, r, &q)) == 0 && (e = add_watch(r, &q)) == 0)
			e = add_compare(r, &q);
	}
	if (e < 0)
		free(q.list);
	else
		*ret = q;
	return e;
}

/* --- what they answer --- */

/* What the service says it is at; NaN: unknown. */
static double percentage_of(const struct rollout *r, const struct doctor_queries *q, const struct prom_answer *answers)
{
	double most = NAN;

	for (size_t i = 0; i < q->n; i++)
		if (q->list[i].rollout == r && q->list[i].is_percentage && isfinite(answers[i].most) &&
		    !(answers[i].most <= most))
			most = answers[i].most;
	return most;
}

/* Nobody on one side, or nobody knows: then it is no wonder that there is no data. */
static const char *why_empty(double pct)
{
	if (isnan(pct))
		return "what the service is at is not known, so it cannot be told whether there should be";
	if (pct <= 0)
		return "the service is at 0%: it can be told once the new way has traffic";
	return pct >= 100 ? "the service is at 100%: the old way has no traffic" : NULL;
}

bool answer_is_empty(const struct prom_answer *a)
{
	assert(a);
	return !strcmp(a->why, "no data") || !strcmp(a->why, "the answer is no number");
}

int64_t doctor_query_back(const struct doctor_facts *d, const struct doctor_query *q)
{
	assert(d && q && q->text);
	struct promql p = {0};
	int64_t back = 0;

	/* What cannot be followed looks back for nobody knows how long: it counts as 0. */
	if (promql_scan(q->text, &p) == 0 && rule_book_back(&d->book, &p, &back) < 0)
		back = 0;
	promql_free(&p);
	return back + q->over_us;
}

/* True: it has a number. */
static bool judge_query(const struct doctor_query *q, const struct prom_answer *a, const struct prom_answer *old,
                        double pct, struct findings *f)
{
	const char *why = why_empty(pct);
	CLEANUP(cleanup_free) char *of = text_format("%s \"%s\"", q->what, q->of);
	const char *name = q->rollout->name;

	if (!a->why[0])
		return true;
	if (!a->reached) {
		f->unreachable = true;
		found(f, FOUND_UNKNOWN, name, of, "%s", a->why);
	} else if (answer_is_empty(a) && why && !q->is_percentage) {
		found(f, FOUND_UNKNOWN, name, of, "%s; %s", a->why, why);
	} else if (answer_is_empty(a) && old->asked && old->why[0]) {
		found(f, FOUND_UNKNOWN, name, of, "%s; it looks back farther than Prometheus remembers", a->why);
	} else {
		found(f, FOUND_BAD, name, of, "%s: %s", a->why, q->text);
	}
	return false;
}

void judge_data(const struct doctor_facts *d, const struct doctor_queries *q, const struct prom_answer *answers,
                const struct prom_answer *old, struct findings *f)
{
	assert(d && d->settings && q && answers && old && f);
	for (size_t i = 0; i < d->settings->n_rollouts; i++) {
		const struct rollout *r = &d->settings->rollouts[i];
		double pct = percentage_of(r, q, answers);
		size_t all = 0, good = 0;

		for (size_t j = 0; j < q->n; j++)
			if (q->list[j].rollout == r) {
				all++;
				good += judge_query(&q->list[j], &answers[j], &old[j], pct, f);
			}
		if (all && good == all)
			found(f, FOUND_OK, r->name, "queries", "all %zu return data", all);
	}
}

/* --- the retention --- */

struct need {
	int64_t us;
	const char *what, *of;
};

static void more(struct need *n, int64_t us, const char *what, const char *of)
{
	if (us > n->us)
		*n = (struct need) {us, what, of};
}

static void need_of_queries(const struct doctor_facts *d, const struct doctor_queries *q, struct need *n)
{
	for (size_t i = 0; i < q->n; i++)
		more(n, doctor_query_back(d, &q->list[i]), q->list[i].what, q->list[i].of);
}

static int need_of_rules(const struct doctor_facts *d, struct need *n)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < d->book.n; i++) {
		const struct rule *r = &d->book.list[i];
		int64_t back = 0;

		if (!r->alerting || !r->labels || !json_object_object_get_ex(r->labels, "action", NULL))
			continue;
		e = rule_book_back(&d->book, &r->scan, &back);
		more(n, back + r->for_us, "rule", r->name);
	}
	return e;
}

/* The longest stage, for criteria and comparisons look back over it; and all of them together. */
static int64_t need_of_stages(const struct settings *s, struct need *n)
{
	int64_t longest = 0;

	for (size_t i = 0; i < s->n_rollouts; i++) {
		int64_t sum = 0;

		for (size_t j = 0; j < s->rollouts[i].n_stages; j++) {
			const struct stage *st = &s->rollouts[i].stages[j];

			if (strcmp(st->environment, s->environment) != 0)
				continue;
			more(n, st->duration_us, "stage", st->name);
			sum += st->duration_us;
		}
		longest = sum > longest ? sum : longest;
	}
	return longest;
}

static void say_retention(int64_t kept, const struct need *n, int64_t plan, struct findings *f)
{
	char has[32], wants[32], whole[32];

	text_duration(kept, has, sizeof(has));
	text_duration(n->us, wants, sizeof(wants));
	text_duration(plan, whole, sizeof(whole));
	if (kept < n->us)
		found(f, FOUND_BAD, "retention", NULL,
		      "Prometheus keeps %s; %s \"%s\" looks back %s (--storage.tsdb.retention.time)", has, n->what,
		      n->of, wants);
	else
		found(f, FOUND_OK, "retention", NULL, "Prometheus keeps %s; the farthest look back is %s, by %s \"%s\"",
		      has, wants, n->what ? n->what : "no query", n->of ? n->of : "");
	if (kept >= n->us && kept < plan)
		found(f, FOUND_NOTE, "retention", NULL,
		      "the stages take %s at least: at the end of the plan Prometheus no longer knows its beginning",
		      whole);
}

void judge_retention(const struct doctor_facts *d, const struct doctor_queries *q, struct findings *f)
{
	assert(d && d->settings && q && f);
	struct need n = {0};
	char first[32] = "";
	int64_t kept = 0, plan = need_of_stages(d->settings, &n);

	if (!d->retention)
		return;
	/* "15d", "15d or 10GiB", "10GiB" */
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(d->retention, " "), d->retention);
	need_of_queries(d, q, &n);
	if (need_of_rules(d, &n) < 0)
		found(f, FOUND_UNKNOWN, "retention", NULL, "out of memory");
	else if (text_duration_parse(first, &kept) < 0 || kept == 0)
		found(f, FOUND_UNKNOWN, "retention", NULL,
		      "Prometheus keeps \"%s\": how long that lasts cannot be told", d->retention);
	else
		say_retention(kept, &n, plan, f);
	if (strstr(d->retention, " or "))
		found(f, FOUND_NOTE, "retention", NULL,
		      "Prometheus keeps \"%s\": the limit of size may make it shorter", d->retention);
}
