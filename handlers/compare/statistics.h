/*
 * The statistics of a comparison: intervals for proportions and for paired differences, quantiles of histograms.
 *
 * Pure; any thread. Counts are doubles because increase() extrapolates. Confidence is a probability like 0.95.
 */
#ifndef HANDLERS_COMPARE_STATISTICS_H
#define HANDLERS_COMPARE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/scope.h"

struct interval {
	double lo, hi; /* -INFINITY, INFINITY: nothing is known on that side */
};

/* How far from the mean the middle confidence of a normal distribution reaches: 1.96 for 0.95. */
double stats_z(double confidence);

/* x of n. Wilson's score interval (Newcombe 1998, Stat. Med. 17:857, method 3). n <= 0: 0 to 1. x is clamped into 0..n.
 */
struct interval stats_wilson(double x, double n, double confidence);

/* x1/n1 - x2/n2. Hybrid score interval (Newcombe 1998, Stat. Med. 17:873, method 10). n <= 0 on a side: everything is
 * possible there. */
struct interval stats_proportions_differ(double x1, double n1, double x2, double n2, double confidence);

/* Up to so many differences the signed-rank distribution is computed, above it is taken as normal (as R does). */
#define STATS_EXACT_MAX 50

/* The largest c with P(T+ <= c) <= (1 - confidence) / 2 for Wilcoxon's signed-rank statistic of n; -1: there is none, n
 * is too small. */
int64_t stats_signed_rank_critical(size_t n, double confidence);

struct shift {
	double estimate; /* Hodges-Lehmann: the median of the averages of all pairs */
	struct interval interval;
};
/* Of n > 0 finite differences (Hollander, Wolfe & Chicken, Nonparametric Statistical Methods, 3.2 and 3.3); they are
 * sorted in place. Too few for the confidence: the interval is infinite. */
struct shift stats_shift(double *differences, size_t n, double confidence);

/* histogram_quantile of Prometheus 2 over cumulative buckets, sorted by upper bound, the last one +Inf. NaN without
 * observations or with fewer than two buckets. *ret_beyond (may be NULL): it lies above the last finite bound, which is
 * then what is returned. */
double stats_quantile(double q, const double *upper, const double *cumulative, size_t n, bool *ret_beyond);

#endif
