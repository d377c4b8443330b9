/*
 * The judge of a comparison: is the candidate better, equal or worse than the baseline over a span of hours?
 *
 * Pure; any thread. An "hour" is one step of the comparison. Values of an hour are NaN where there was no data; an hour
 * that only one side saw is left out, and so is one that the caller leaves out: both sides saw the same hours.
 *
 * margin is what is accepted: the threshold times the baseline. With d the difference, positive when the candidate is
 * worse, and its 95 % interval lo to hi: worse         d > margin and lo > 0: it is worse for sure, and by more than is
 * accepted better        d < -margin and hi < 0 equal         hi <= margin: at most as much worse as is accepted
 *   inconclusive  the rest, and better or equal that rests on less than half of the hours, or that a few hours
 * contradict
 */
#ifndef HANDLERS_COMPARE_COMPARE_H
#define HANDLERS_COMPARE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include "handlers/compare/statistics.h"
#include "server/core/scope.h"

#define COMPARE_CONFIDENCE 0.95
#define COMPARE_WHY_MAX    400

enum compare_verdict { COMPARE_BETTER, COMPARE_EQUAL, COMPARE_WORSE, COMPARE_INCONCLUSIVE };
const char *compare_verdict_name(enum compare_verdict v);

/* What became of an hour. */
enum compare_hour { HOUR_USED, HOUR_LEFT_OUT, HOUR_NO_DATA, HOUR_NO_CANDIDATE, HOUR_NO_BASELINE, HOUR_FEW };
/* "no data of the candidate" …; NULL for HOUR_USED and HOUR_LEFT_OUT, whose reason is the caller's. */
const char *compare_hour_text(enum compare_hour h);

struct compare_terms {
	const char *unit;  /* "" : none */
	const char *hours; /* what the steps are called in sentences; NULL: "hours" */
	double threshold;  /* accepted, as part of the baseline: 0.05 is 5 % */
	double absolute;   /* errors: this much of a difference of the ratios is accepted as well; 0: none */
	bool lower_is_worse;
};

struct compare_result {
	enum compare_verdict verdict;
	double candidate, baseline; /* over the whole span; NaN: unknown */
	double difference;          /* candidate - baseline: of the ratios, else the Hodges-Lehmann estimate; NaN */
	struct interval interval;   /* of the difference; infinite: nothing is known */
	size_t hours;               /* that were compared */
	double candidate_events, baseline_events; /* requests behind them, of those hours; NaN: they are not counted */
	char why[COMPARE_WHY_MAX];
};

/* Both sides of n hours; arrays are borrowed. hours: n bytes, each an enum compare_hour. In: HOUR_LEFT_OUT or anything
 * else; out: what became of it. */
struct compare_errors {
	const double *candidate_events, *candidate_bad, *baseline_events, *baseline_bad;
	size_t n;
	unsigned char *hours;
};
void compare_errors(const struct compare_errors *in, const struct compare_terms *t, struct compare_result *ret);

/* A gauge, a ratio or a rate; compared hour by hour. -ENOMEM. */
struct compare_values {
	const double *candidate, *baseline;
	size_t n;
	unsigned char *hours;
};
int compare_values(const struct compare_values *in, const struct compare_terms *t,
                   struct compare_result *ret) MUST_CHECK;

/* Cumulative buckets of each hour: counts[hour * n_upper + bucket], NaN where there was no data. */
struct compare_histogram {
	const double *upper; /* sorted, +Inf last */
	size_t n_upper;
	const double *counts;
};
/* The quantile q of both sides, hour by hour, and of the summed buckets. Hours with fewer than compare_quantile_least
 * observations on a side are HOUR_FEW. -ENOMEM. */
int compare_quantile(const struct compare_histogram *candidate, const struct compare_histogram *baseline, size_t n,
                     unsigned char *hours, double q, const struct compare_terms *t,
                     struct compare_result *ret) MUST_CHECK;
/* Five of them lie beyond the quantile: 10 for the median, 100 for p95, 500 for p99. */
double compare_quantile_least(double q);

/* "0.25 s", "1.2%", "1.9 GB"; a difference with its sign, of ratios in points; NaN: "unknown". out: at least 64 bytes.
 */
void compare_number(double v, const char *unit, bool is_difference, char *out, size_t size);

/* Worse if any is worse, else inconclusive if any is (or there is none), else better if any is, else equal. */
enum compare_verdict compare_overall(const enum compare_verdict *verdicts, size_t n);

#endif
