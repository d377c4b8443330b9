#include "handlers/compare/compare.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/buf.h"
#include "server/core/text.h"

const char *compare_verdict_name(enum compare_verdict v)
{
	assert(v <= COMPARE_INCONCLUSIVE);
	static const char *const names[] = {"better", "equal", "worse", "inconclusive"};

	return names[v];
}

const char *compare_hour_text(enum compare_hour h)
{
	static const char *const texts[] = {
		[HOUR_USED] = NULL,
		[HOUR_LEFT_OUT] = NULL,
		[HOUR_NO_DATA] = "no data of either side",
		[HOUR_NO_CANDIDATE] = "no data of the candidate",
		[HOUR_NO_BASELINE] = "no data of the baseline",
		[HOUR_FEW] = "too few observations for this quantile",
	};

	return texts[h];
}

enum compare_verdict compare_overall(const enum compare_verdict *verdicts, size_t n)
{
	assert(verdicts || n == 0);
	size_t count[COMPARE_INCONCLUSIVE + 1] = {0};

	for (size_t i = 0; i < n; i++)
		count[verdicts[i]]++;
	if (count[COMPARE_WORSE])
		return COMPARE_WORSE;
	if (count[COMPARE_INCONCLUSIVE] || n == 0)
		return COMPARE_INCONCLUSIVE;
	return count[COMPARE_BETTER] ? COMPARE_BETTER : COMPARE_EQUAL;
}

/* --- the rule --- */

/* Turned so that more is worse. */
struct evidence {
	double difference, lo, hi;
	double whole; /* difference of the values over the whole span */
	double margin;
	bool thin; /* less than half of the hours */
};

static enum compare_verdict judge(const struct evidence *e)
{
	enum compare_verdict v = COMPARE_INCONCLUSIVE;

	if (e->difference > e->margin && e->lo > 0)
		return COMPARE_WORSE;
	if (e->difference < -e->margin && e->hi < 0)
		v = COMPARE_BETTER;
	else if (e->hi <= e->margin)
		v = COMPARE_EQUAL;
	/* A few hours that are much worse do not move the estimate, but they move the whole. */
	return e->thin || e->whole > e->margin ? COMPARE_INCONCLUSIVE : v;
}

static struct evidence weigh(const struct compare_result *r, const struct compare_terms *t, double margin, size_t n)
{
	double whole = r->candidate - r->baseline;
	struct evidence e = {.difference = r->difference, .lo = r->interval.lo, .hi = r->interval.hi, .whole = whole};

	if (t->lower_is_worse)
		e = (struct evidence) {
			.difference = -r->difference, .lo = -r->interval.hi, .hi = -r->interval.lo, .whole = -whole};
	e.margin = margin;
	e.thin = r->hours * 2 < n;
	return e;
}

/* --- sentences --- */

/* How a number is shown. Units are those that people write into the config. */
struct scale {
	double by;
	char unit[40], difference_unit[40]; /* with their blank */
};

static struct scale scale_of(const char *unit, double magnitude)
{
	assert(unit);
	struct scale s = {.by = 1};

	if (!strcmp(unit, "ratio"))
		return (struct scale) {100, "%", " points"};
	if (!strcmp(unit, "bytes"))
		unit = text_bytes_unit(magnitude, &s.by);
	snprintf(s.unit, sizeof(s.unit), "%s%.38s", unit[0] ? " " : "", !strcmp(unit, "seconds") ? "s" : unit);
	memcpy(s.difference_unit, s.unit, sizeof(s.unit));
	return s;
}

#define NUMBER_SIZE 80

/* As it stands before its unit: how it is, by how much it differs, how much it may. */
enum number_of { NUMBER_VALUE, NUMBER_DIFFERENCE, NUMBER_MARGIN };

static void scaled(double v, enum number_of what, const struct scale *s, char *out, size_t size)
{
	char number[32], word[40];
	const char *unit = what == NUMBER_VALUE ? s->unit : s->difference_unit, *blank = unit[0] == ' ' ? " " : "";

	snprintf(number, sizeof(number), what == NUMBER_DIFFERENCE ? "%+.*g" : "%.*g", what == NUMBER_VALUE ? 4 : 3,
	         v * s->by);
	text_unit(number, unit + strlen(blank), word, sizeof(word));
	snprintf(out, size, "%s%s%s", number, blank, word);
}

void compare_number(double v, const char *unit, bool is_difference, char *out, size_t size)
{
	assert(unit && out && size > 0);
	struct scale s = scale_of(unit, fabs(v));

	if (isnan(v))
		snprintf(out, size, "unknown");
	else
		scaled(v, is_difference ? NUMBER_DIFFERENCE : NUMBER_VALUE, &s, out, size);
}

static void add_interval(struct buf *b, const struct compare_result *r, const struct scale *s)
{
	char difference[NUMBER_SIZE];

	scaled(r->difference, NUMBER_DIFFERENCE, s, difference, sizeof(difference));
	buf_printf(b, "%s, 95%% interval %+.3g to %+.3g", difference, r->interval.lo * s->by, r->interval.hi * s->by);
}

static const char *hours_of(const struct compare_terms *t)
{
	return t->hours ? t->hours : "hours";
}

static void add_reason(struct buf *b, const struct compare_result *r, const struct evidence *e, size_t n,
                       const struct compare_terms *t, const struct scale *s)
{
	char margin[NUMBER_SIZE];

	scaled(e->margin, NUMBER_MARGIN, s, margin, sizeof(margin));
	if (r->verdict == COMPARE_WORSE)
		buf_printf(b, ": worse, and by more than the %s accepted", margin);
	else if (r->verdict == COMPARE_BETTER)
		buf_printf(b, ": better by more than %s", margin);
	else if (r->verdict == COMPARE_EQUAL)
		buf_printf(b, ": no worse than the %s accepted", margin);
	else if (e->thin)
		buf_printf(b, ": only %zu of %zu %s could be compared, ask for a span with more of them", r->hours, n,
		           hours_of(t));
	else if (e->hi <= e->margin)
		buf_printf(b, ": most %s are alike, but a few are so much worse that the whole span is; look at those",
		           hours_of(t));
	else
		buf_printf(b, ": too uncertain to tell whether it is within the %s accepted", margin);
}

static void explain(struct compare_result *r, const struct evidence *e, size_t n, const struct compare_terms *t,
                    const struct scale *s)
{
	assert(r && e && t);
	CLEANUP(buf_free) struct buf b = BUF(COMPARE_WHY_MAX - 1);
	char candidate[NUMBER_SIZE], baseline[NUMBER_SIZE];

	scaled(r->candidate, NUMBER_VALUE, s, candidate, sizeof(candidate));
	scaled(r->baseline, NUMBER_VALUE, s, baseline, sizeof(baseline));
	buf_printf(&b, "%s against %s", candidate, baseline);
	if (isfinite(r->interval.lo) && isfinite(r->interval.hi)) {
		buf_printf(&b, " over %zu %s; difference ", r->hours, hours_of(t));
		add_interval(&b, r, s);
		add_reason(&b, r, e, n, t, s);
	} else {
		buf_printf(&b, ": only %zu %s that both sides saw, too few for an interval (6 are the least)", r->hours,
		           hours_of(t));
	}
	snprintf(r->why, sizeof(r->why), "%s", buf_text(&b));
}

static void nothing_to_compare(struct compare_result *r, const char *why)
{
	*r = (struct compare_result) {.verdict = COMPARE_INCONCLUSIVE,
	                              .candidate = NAN,
	                              .baseline = NAN,
	                              .difference = NAN,
	                              .candidate_events = NAN,
	                              .baseline_events = NAN,
	                              .interval = {-INFINITY, INFINITY}};
	snprintf(r->why, sizeof(r->why), "%s", why);
}

/* As the steps are called. */
static void no_hour_to_compare(struct compare_result *r, const struct compare_terms *t, const char *of_which)
{
	char why[COMPARE_WHY_MAX];
	size_t plural = strlen(hours_of(t));

	snprintf(why, sizeof(why), "no %.*s %s", (int)plural - 1, hours_of(t), of_which);
	nothing_to_compare(r, why);
}

/* --- hours --- */

static enum compare_hour seen(bool candidate, bool baseline)
{
	return candidate && baseline ? HOUR_USED
	       : candidate           ? HOUR_NO_BASELINE
	       : baseline            ? HOUR_NO_CANDIDATE
	                             : HOUR_NO_DATA;
}

static void mark(unsigned char *hour, bool candidate, bool baseline)
{
	if (*hour != HOUR_LEFT_OUT)
		*hour = (unsigned char)seen(candidate, baseline);
}

static size_t used(const unsigned char *hours, size_t n)
{
	assert(hours || n == 0);
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += hours[i] == HOUR_USED;
	return count;
}

static double sum_of(const double *values, const unsigned char *hours, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (hours[i] == HOUR_USED)
			sum += values[i];
	return sum;
}

/* --- errors --- */

static bool counts(double events, double bad)
{
	return isfinite(events) && isfinite(bad) && events >= 0 && bad >= 0;
}

/* An hour without a single event of one side says nothing of that side. */
static void mark_errors(const struct compare_errors *in)
{
	for (size_t i = 0; i < in->n; i++)
		mark(&in->hours[i],
		     counts(in->candidate_events[i], in->candidate_bad[i]) && in->candidate_events[i] > 0,
		     counts(in->baseline_events[i], in->baseline_bad[i]) && in->baseline_events[i] > 0);
}

void compare_errors(const struct compare_errors *in, const struct compare_terms *t, struct compare_result *ret)
{
	assert(in && t && ret);
	assert(in->hours && in->candidate_events && in->candidate_bad && in->baseline_events && in->baseline_bad);
	const struct scale scale = scale_of("ratio", 1);

	mark_errors(in);
	struct compare_result r = {.hours = used(in->hours, in->n)};
	if (r.hours == 0) {
		no_hour_to_compare(ret, t, "in which both sides had events");
		return;
	}
	double c = sum_of(in->candidate_events, in->hours, in->n), b = sum_of(in->baseline_events, in->hours, in->n);
	double c_bad = fmin(sum_of(in->candidate_bad, in->hours, in->n), c);
	double b_bad = fmin(sum_of(in->baseline_bad, in->hours, in->n), b);
	r.candidate_events = c;
	r.baseline_events = b;
	r.candidate = c_bad / c;
	r.baseline = b_bad / b;
	r.difference = r.candidate - r.baseline;
	r.interval = stats_proportions_differ(c_bad, c, b_bad, b, COMPARE_CONFIDENCE);
	struct evidence e = weigh(&r, t, fmax(t->threshold * r.baseline, t->absolute), in->n);
	r.verdict = judge(&e);
	explain(&r, &e, in->n, t, &scale);
	*ret = r;
}

/* --- paired values --- */

/* The differences of the hours that both sides saw; NULL: out of memory. */
static double *differences(const struct compare_values *in, size_t count)
{
	double *d = malloc((count ? count : 1) * sizeof(*d));
	size_t k = 0;

	for (size_t i = 0; d && i < in->n; i++)
		if (in->hours[i] == HOUR_USED)
			d[k++] = in->candidate[i] - in->baseline[i];
	return d;
}

/* r->hours, candidate and baseline are set. */
static int judge_pairs(const struct compare_values *in, const struct compare_terms *t, struct compare_result *r)
{
	CLEANUP(cleanup_free) double *d = differences(in, r->hours);

	if (!d)
		return -ENOMEM;
	struct shift s = stats_shift(d, r->hours, COMPARE_CONFIDENCE);
	r->difference = s.estimate;
	r->interval = s.interval;
	struct evidence e = weigh(r, t, t->threshold * fabs(r->baseline), in->n);
	const struct scale scale = scale_of(t->unit, fmax(fabs(r->candidate), fabs(r->baseline)));
	r->verdict = judge(&e);
	explain(r, &e, in->n, t, &scale);
	return 0;
}

int compare_values(const struct compare_values *in, const struct compare_terms *t, struct compare_result *ret)
{
	assert(in && in->hours && in->candidate && in->baseline && t && ret);
	for (size_t i = 0; i < in->n; i++)
		mark(&in->hours[i], isfinite(in->candidate[i]), isfinite(in->baseline[i]));
	struct compare_result r = {.hours = used(in->hours, in->n), .candidate_events = NAN, .baseline_events = NAN};
	if (r.hours == 0) {
		no_hour_to_compare(ret, t, "of which both sides have data");
		return 0;
	}
	r.candidate = sum_of(in->candidate, in->hours, in->n) / (double)r.hours;
	r.baseline = sum_of(in->baseline, in->hours, in->n) / (double)r.hours;
	int e = judge_pairs(in, t, &r);
	if (e == 0)
		*ret = r;
	return e;
}

/* --- quantiles --- */

double compare_quantile_least(double q)
{
	assert(q > 0 && q < 1);
	/* 0.95 is a little more than 95/100: whole numbers stay whole */
	return floor(5 / fmin(1 - q, q) + 1e-6);
}

static bool is_histogram(const struct compare_histogram *h)
{
	return h->n_upper >= 2 && isinf(h->upper[h->n_upper - 1]);
}

/* Observations of an hour; NaN: no data. */
static double observations(const struct compare_histogram *h, size_t hour)
{
	assert(h->n_upper > 0);
	const double *counts = h->counts + hour * h->n_upper;

	for (size_t b = 0; b < h->n_upper; b++)
		if (!isfinite(counts[b]))
			return NAN;
	return counts[h->n_upper - 1];
}

static void mark_histograms(const struct compare_histogram *c, const struct compare_histogram *b, size_t n, double q,
                            unsigned char *hours)
{
	double least = compare_quantile_least(q);

	for (size_t i = 0; i < n; i++) {
		double cn = observations(c, i), bn = observations(b, i);

		mark(&hours[i], cn > 0, bn > 0);
		if (hours[i] == HOUR_USED && (cn < least || bn < least))
			hours[i] = HOUR_FEW;
	}
}

static void hourly_quantiles(const struct compare_histogram *h, size_t n, double q, double *ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = stats_quantile(q, h->upper, h->counts + i * h->n_upper, h->n_upper, NULL);
}

/* Of the summed buckets of the hours that are used. scratch: n_upper values. */
static double whole_quantile(const struct compare_histogram *h, const unsigned char *hours, size_t n, double q,
                             double *scratch, bool *ret_beyond)
{
	for (size_t b = 0; b < h->n_upper; b++) {
		scratch[b] = 0;
		for (size_t i = 0; i < n; i++)
			if (hours[i] == HOUR_USED)
				scratch[b] += h->counts[i * h->n_upper + b];
	}
	return stats_quantile(q, h->upper, scratch, h->n_upper, ret_beyond);
}

/* The largest finite bound is all that is known of such a quantile: it may be any number above. */
static void doubt_beyond(struct compare_result *r, bool beyond, const struct compare_terms *t)
{
	char bound[64];

	if (!beyond || r->verdict == COMPARE_WORSE)
		return;
	r->verdict = COMPARE_INCONCLUSIVE;
	compare_number(r->candidate, t->unit, false, bound, sizeof(bound));
	snprintf(r->why, sizeof(r->why),
	         "the candidate's quantile lies above the largest finite bucket (%s): how far is not known", bound);
}

static double all_observations(const struct compare_histogram *h, const unsigned char *hours, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (hours[i] == HOUR_USED)
			sum += observations(h, i);
	return sum;
}

/* scratch: two values an hour, then one a bucket of the wider side. */
static int judge_quantile(const struct compare_histogram *candidate, const struct compare_histogram *baseline, size_t n,
                          unsigned char *hours, double q, const struct compare_terms *t, double *scratch,
                          struct compare_result *ret)
{
	assert(scratch && ret);
	struct compare_result r = {.hours = used(hours, n),
	                           .candidate_events = all_observations(candidate, hours, n),
	                           .baseline_events = all_observations(baseline, hours, n)};
	const struct compare_values in = {scratch, scratch + n, n, hours};
	bool beyond = false;

	hourly_quantiles(candidate, n, q, scratch);
	hourly_quantiles(baseline, n, q, scratch + n);
	r.candidate = whole_quantile(candidate, hours, n, q, scratch + 2 * n, &beyond);
	r.baseline = whole_quantile(baseline, hours, n, q, scratch + 2 * n, NULL);
	int e = judge_pairs(&in, t, &r);
	if (e == 0) {
		doubt_beyond(&r, beyond, t);
		*ret = r;
	}
	return e;
}

int compare_quantile(const struct compare_histogram *candidate, const struct compare_histogram *baseline, size_t n,
                     unsigned char *hours, double q, const struct compare_terms *t, struct compare_result *ret)
{
	assert(candidate && baseline && hours && t && ret && q > 0 && q < 1);
	size_t wide = candidate->n_upper > baseline->n_upper ? candidate->n_upper : baseline->n_upper;
	char why[COMPARE_WHY_MAX];

	snprintf(why, sizeof(why), "in which both sides had enough observations (%.0f)", compare_quantile_least(q));
	if (!is_histogram(candidate) || !is_histogram(baseline)) {
		nothing_to_compare(ret,
		                   "no buckets to compare: a histogram with le up to +Inf is needed of both sides");
		return 0;
	}
	mark_histograms(candidate, baseline, n, q, hours);
	if (used(hours, n) == 0) {
		no_hour_to_compare(ret, t, why);
		return 0;
	}
	double *scratch = calloc(2 * n + wide, sizeof(*scratch));
	int e = scratch ? judge_quantile(candidate, baseline, n, hours, q, t, scratch, ret) : -ENOMEM;
	free(scratch);
	return e;
}
