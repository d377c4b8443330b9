#include "handlers/compare/run.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/compare/compare.h"
#include "server/core/text.h"

#define GAPS_MAX 500 /* rows of left_out; a series with a hole in every other hour would have thousands */

struct comparison_report {
	const struct compare_request *rq;
	struct json_object *metrics, *gaps; /* borrowed arrays */
	unsigned char *out, *hours;         /* owned: what the caller leaves out; scratch */
	enum compare_verdict *verdicts;     /* owned */
	size_t n_verdicts;
};

/* --- hours --- */

static int64_t hour_start(const struct compare_grid *g, size_t i)
{
	assert(g->step_us > 0 && i <= g->n);
	return g->from_us + (int64_t)i * g->step_us;
}

/* Hours that a span touches are left out. */
static void mark_left_out(const struct compare_request *rq, unsigned char *out)
{
	const struct compare_grid *g = &rq->grid;

	for (size_t s = 0; s < rq->left_out.n; s++)
		for (size_t i = 0; i < g->n; i++)
			if (rq->left_out.item[s].from_us < hour_start(g, i + 1) &&
			    rq->left_out.item[s].to_us > hour_start(g, i))
				out[i] = HOUR_LEFT_OUT;
}

static void add_gap(struct comparison_report *r, int64_t from_us, int64_t to_us, const char *metric, const char *reason)
{
	assert(reason);
	size_t n = json_object_array_length(r->gaps);
	bool last = n == GAPS_MAX;

	if (n > GAPS_MAX)
		return;
	struct json_object *o = json_object_new_object();
	json_add_time(o, "from", from_us);
	json_add_time(o, "to", last ? hour_start(&r->rq->grid, r->rq->grid.n) : to_us);
	json_add_str(o, "metric", last ? NULL : metric);
	json_add_str(o, "reason", last ? "more than fits into this list" : reason);
	json_object_array_add(r->gaps, o);
}

static void add_spans(struct comparison_report *r)
{
	const struct compare_grid *g = &r->rq->grid;
	int64_t to_us = hour_start(g, g->n);

	for (size_t i = 0; i < r->rq->left_out.n; i++) {
		const struct compare_span *s = &r->rq->left_out.item[i];

		if (s->from_us < to_us && s->to_us > g->from_us)
			add_gap(r, s->from_us > g->from_us ? s->from_us : g->from_us,
			        s->to_us < to_us ? s->to_us : to_us, NULL, s->reason);
	}
}

/* Neighbouring hours with the same reason make one row. */
static void add_gaps(struct comparison_report *r, const char *metric)
{
	const struct compare_grid *g = &r->rq->grid;

	for (size_t i = 0, end; i < g->n; i = end) {
		for (end = i + 1; end < g->n && r->hours[end] == r->hours[i]; end++)
			;
		if (compare_hour_text(r->hours[i]))
			add_gap(r, hour_start(g, i), hour_start(g, end), metric, compare_hour_text(r->hours[i]));
	}
}

/* --- metrics --- */

static struct json_object *bound_json(double v)
{
	return isfinite(v) ? json_object_new_double(v) : NULL;
}

/* NULL: they are not counted. */
static struct json_object *requests_json(const struct compare_result *result)
{
	struct json_object *o = NULL;

	if (!isfinite(result->candidate_events) || !isfinite(result->baseline_events))
		return NULL;
	o = json_object_new_object();
	json_add_int(o, "candidate", llround(result->candidate_events));
	json_add_int(o, "baseline", llround(result->baseline_events));
	return o;
}

static void add_result(struct comparison_report *r, const char *name, const char *unit,
                       const struct compare_result *result)
{
	assert(name && unit && result);
	struct json_object *o = json_object_new_object(), *interval = json_object_new_array();

	json_object_array_add(interval, bound_json(result->interval.lo));
	json_object_array_add(interval, bound_json(result->interval.hi));
	json_add_str(o, "name", name);
	json_add_str(o, "unit", unit);
	json_add_double(o, "candidate", result->candidate);
	json_add_double(o, "baseline", result->baseline);
	json_add_double(o, "difference", result->difference);
	json_add(o, "interval", interval);
	json_add_int(o, "n", (int64_t)result->hours);
	json_add(o, "requests", requests_json(result));
	json_add_str(o, "verdict", compare_verdict_name(result->verdict));
	json_add_str(o, "why", result->why);
	json_object_array_add(r->metrics, o);
	r->verdicts[r->n_verdicts++] = result->verdict;
	add_gaps(r, name);
}

/* The metric's first answer that failed; NULL: all are there. */
static const char *failure(const struct compare_answer *a, size_t n)
{
	assert(a && n > 0);
	for (size_t i = 0; i < n; i++)
		if (a[i].why[0])
			return a[i].why;
	return NULL;
}

static void add_unknown(struct comparison_report *r, const char *name, const char *unit, const char *why)
{
	assert(why);
	struct compare_result result = {.verdict = COMPARE_INCONCLUSIVE,
	                                .candidate = NAN,
	                                .baseline = NAN,
	                                .difference = NAN,
	                                .candidate_events = NAN,
	                                .baseline_events = NAN,
	                                .interval = {-INFINITY, INFINITY}};

	snprintf(result.why, sizeof(result.why), "%s", why);
	memset(r->hours, HOUR_USED, r->rq->grid.n); /* the reason is said already */
	add_result(r, name, unit, &result);
}

static int add_quantiles(struct comparison_report *r, const struct compare_metric *m, const struct compare_terms *t,
                         const struct compare_answer *a)
{
	const struct compare_histogram c = {a[0].buckets.upper, a[0].buckets.n_upper, a[0].buckets.counts};
	const struct compare_histogram b = {a[1].buckets.upper, a[1].buckets.n_upper, a[1].buckets.counts};

	for (size_t i = 0; i < m->n_quantiles; i++) {
		CLEANUP(cleanup_free) char *name = text_format("%s p%g", m->name, m->quantiles[i] * 100);
		struct compare_result result;

		memcpy(r->hours, r->out, r->rq->grid.n);
		int e = name ? compare_quantile(&c, &b, r->rq->grid.n, r->hours, m->quantiles[i], t, &result) : -ENOMEM;
		if (e < 0)
			return e;
		add_result(r, name, m->unit, &result);
	}
	return 0;
}

static int add_one(struct comparison_report *r, const struct compare_metric *m, const struct compare_terms *t,
                   const struct compare_answer *a)
{
	size_t n = r->rq->grid.n;
	struct compare_result result;
	int e = 0;

	memcpy(r->hours, r->out, n);
	if (m->kind == COMPARE_ERRORS)
		compare_errors(&(struct compare_errors) {a[0].line, a[1].line, a[2].line, a[3].line, n, r->hours}, t,
		               &result);
	else
		e = compare_values(&(struct compare_values) {a[0].line, a[1].line, n, r->hours}, t, &result);
	if (e == 0)
		add_result(r, m->name, m->kind == COMPARE_ERRORS ? "ratio" : m->unit, &result);
	return e;
}

static int add_metrics(struct comparison_report *r, const struct compare_answer *answers)
{
	const struct compare_options *o = &r->rq->rollout->compare;
	const struct compare_answer *a = answers + 1; /* behind the share */
	int e = 0;

	for (size_t i = 0; e == 0 && i < o->n_metrics; i++) {
		const struct compare_metric *m = &o->metrics[i];
		const struct compare_terms t = {.unit = m->unit,
		                                .hours = r->rq->grid.step_us == 3600 * US_PER_S ? "hours" : "steps",
		                                .threshold = r->rq->threshold,
		                                .absolute = m->absolute,
		                                .lower_is_worse = m->lower_is_worse};
		size_t n = m->kind == COMPARE_ERRORS ? 4 : 2;
		const char *why = failure(a, n);

		if (why)
			add_unknown(r, m->name, m->unit, why);
		else
			e = m->kind == COMPARE_HISTOGRAM ? add_quantiles(r, m, &t, a) : add_one(r, m, &t, a);
		a += n;
	}
	return e;
}

/* --- the share --- */

/* Over the hours that are not left out; NaN: unknown. */
static double observed_share(const struct comparison_report *r, const struct compare_answer *a)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; a->line && i < r->rq->grid.n; i++)
		if (r->out[i] != HOUR_LEFT_OUT && isfinite(a->line[i])) {
			sum += a->line[i];
			n++;
		}
	return n ? sum / (double)n : NAN;
}

/* 1 as asked, 0 not, -1 cannot tell; b says why not. */
static int check_share(const struct comparison_report *r, const struct compare_answer *a, double share, struct buf *b)
{
	char asked[16];

	text_pct(r->rq->pct, asked, sizeof(asked));
	if (isfinite(share) && fabs(share * 10000 - r->rq->pct) <= COMPARE_SHARE_OFF + 1e-6)
		return 1;
	buf_str(b, "not the comparison asked for: ");
	if (isfinite(share))
		buf_printf(b, "the candidate had %.1f%% of the traffic, not %s%%", share * 100, asked);
	else
		buf_printf(b, "whether the candidate had %s%% of the traffic is not known: %s", asked,
		           a->why[0]                       ? a->why
		           : r->rq->rollout->compare.share ? "no data"
		                                           : "compare.share is not configured");
	return isfinite(share) ? 0 : -1;
}

/* --- the whole --- */

static void add_names(const struct comparison_report *r, enum compare_verdict v, struct buf *b)
{
	const char *before = "";

	for (size_t i = 0; i < r->n_verdicts; i++)
		if (r->verdicts[i] == v) {
			buf_printf(b, "%s%s", before,
			           json_str_or(json_object_array_get_idx(r->metrics, i), "name", "?"));
			before = ", ";
		}
}

static void add_summary(const struct comparison_report *r, enum compare_verdict v, struct buf *b)
{
	static const char *const texts[] = {
		[COMPARE_BETTER] = "nothing is worse, and better is ",
		[COMPARE_EQUAL] = "no metric is worse than accepted",
		[COMPARE_WORSE] = "worse: ",
		[COMPARE_INCONCLUSIVE] = "nothing is worse for sure, but it cannot be told of ",
	};

	buf_str(b, texts[v]);
	if (v != COMPARE_EQUAL)
		add_names(r, v, b);
}

static void add_head(struct comparison_report *r, const struct compare_answer *share_answer, struct json_object *o)
{
	CLEANUP(buf_free) struct buf why = BUF(16 * 1024);
	const struct compare_grid *g = &r->rq->grid;
	enum compare_verdict v = compare_overall(r->verdicts, r->n_verdicts);
	double share = observed_share(r, share_answer);
	int as_asked = r->rq->pct < 0 ? 1 : check_share(r, share_answer, share, &why);

	if (as_asked == 1)
		add_summary(r, v, &why);
	else
		v = COMPARE_INCONCLUSIVE;
	json_add_str(o, "rollout", r->rq->rollout->name);
	json_add_pct(o, "percentage", r->rq->pct);
	json_add_double(o, "observed_share", share * 100);
	json_add(o, "as_asked", r->rq->pct < 0 || as_asked < 0 ? NULL : json_object_new_boolean(as_asked));
	json_add_time(o, "from", g->from_us);
	json_add_time(o, "to", hour_start(g, g->n));
	json_add_double(o, "duration", (double)(g->step_us * (int64_t)g->n) / US_PER_S);
	json_add_double(o, "step", (double)g->step_us / US_PER_S);
	json_add_double(o, "threshold", r->rq->threshold);
	json_add_str(o, "verdict", compare_verdict_name(v));
	json_add_str(o, "why", buf_text(&why));
}

static size_t count_results(const struct compare_options *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_metrics; i++)
		n += o->metrics[i].n_quantiles + 1;
	return n;
}

int compare_report(const struct compare_request *rq, const struct compare_answer *answers, struct json_object **ret)
{
	assert(rq && rq->grid.n > 0 && rq->rollout && answers && ret);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	CLEANUP(json_cleanup) struct json_object *metrics = json_object_new_array(), *gaps = json_object_new_array();
	CLEANUP(cleanup_free) unsigned char *out = calloc(2 * rq->grid.n + 1, 1);
	CLEANUP(cleanup_free)
	enum compare_verdict *verdicts = calloc(count_results(&rq->rollout->compare) + 1, sizeof(*verdicts));

	if (!out || !verdicts)
		return -ENOMEM;
	struct comparison_report r = {.rq = rq,
	                              .metrics = metrics,
	                              .gaps = gaps,
	                              .out = out,
	                              .hours = out + rq->grid.n,
	                              .verdicts = verdicts};
	mark_left_out(rq, r.out);
	add_spans(&r);
	int e = add_metrics(&r, answers);
	if (e < 0)
		return e;
	add_head(&r, &answers[0], o);
	json_add(o, "metrics", TAKE(metrics));
	json_add(o, "left_out", TAKE(gaps));
	*ret = TAKE(o);
	return 0;
}
