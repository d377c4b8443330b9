#include "handlers/compare/statistics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- proportions --- */

double stats_z(double confidence)
{
	assert(confidence > 0 && confidence < 1);
	double lo = 0, hi = 40;

	for (int i = 0; i < 100; i++) {
		double mid = (lo + hi) / 2;

		if (erfc(mid / M_SQRT2) > 1 - confidence)
			lo = mid;
		else
			hi = mid;
	}
	return (lo + hi) / 2;
}

static double clamp(double v, double lo, double hi)
{
	return fmin(fmax(v, lo), hi);
}

struct interval stats_wilson(double x, double n, double confidence)
{
	assert(confidence > 0 && confidence < 1);
	double z = stats_z(confidence);

	if (!(n > 0))
		return (struct interval) {0, 1};
	double p = clamp(x / n, 0, 1), z2 = z * z;
	double middle = 2 * n * p + z2, half = z * sqrt(z2 + 4 * n * p * (1 - p)), below = 2 * (n + z2);

	/* At 0 and 1 the formula is exact, its rounding is not. */
	return (struct interval) {
		.lo = p > 0 ? clamp((middle - half) / below, 0, 1) : 0,
		.hi = p < 1 ? clamp((middle + half) / below, 0, 1) : 1,
	};
}

struct interval stats_proportions_differ(double x1, double n1, double x2, double n2, double confidence)
{
	struct interval w1 = stats_wilson(x1, n1, confidence), w2 = stats_wilson(x2, n2, confidence);

	if (!(n1 > 0) || !(n2 > 0))
		return (struct interval) {w1.lo - w2.hi, w1.hi - w2.lo};
	double p1 = clamp(x1 / n1, 0, 1), p2 = clamp(x2 / n2, 0, 1), d = p1 - p2;

	return (struct interval) {
		.lo = clamp(d - hypot(p1 - w1.lo, w2.hi - p2), -1, 1),
		.hi = clamp(d + hypot(w1.hi - p1, p2 - w2.lo), -1, 1),
	};
}

/* --- paired differences --- */

/* ways[t]: how many of the 2^n choices of signs give T+ = t; below 2^53, so exact. */
static int64_t critical_exact(size_t n, double tail)
{
	assert(n <= STATS_EXACT_MAX);
	double ways[STATS_EXACT_MAX * (STATS_EXACT_MAX + 1) / 2 + 1] = {1};
	size_t most = n * (n + 1) / 2;
	double all = ldexp(1, (int)n), sum = 0;
	int64_t c = -1;

	for (size_t rank = 1; rank <= n; rank++)
		for (size_t t = most; t >= rank; t--)
			ways[t] += ways[t - rank];
	for (size_t t = 0; t <= most; t++) {
		sum += ways[t];
		if (sum > tail * all)
			break;
		c = (int64_t)t;
	}
	return c;
}

int64_t stats_signed_rank_critical(size_t n, double confidence)
{
	assert(confidence > 0 && confidence < 1);
	if (n <= STATS_EXACT_MAX)
		return critical_exact(n, (1 - confidence) / 2);
	double v = (double)n, mean = v * (v + 1) / 4, sd = sqrt(v * (v + 1) * (2 * v + 1) / 24);

	return (int64_t)floor(mean - stats_z(confidence) * sd - 0.5);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many of the sums x[i] + x[j], i <= j, are at most s. x is sorted. */
static int64_t sums_up_to(const double *x, size_t n, double s)
{
	int64_t count = 0;
	size_t below = n; /* x[0 .. below-1] + x[i] are at most s */

	for (size_t i = 0; i < n; i++) {
		while (below > 0 && x[below - 1] + x[i] > s)
			below--;
		if (below <= i)
			break;
		count += (int64_t)(below - i);
	}
	return count;
}

/* Doubles in their order as integers, so that bisection ends at the very sum that is searched. */
static int64_t order_of(double v)
{
	int64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits < 0 ? INT64_MIN - bits : bits;
}

static double of_order(int64_t order)
{
	int64_t bits = order < 0 ? INT64_MIN - order : order;
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* The k-th smallest (from 1) of the averages of all pairs. There are n(n+1)/2 of them: too many to write down. */
static double average_of_rank(const double *x, size_t n, int64_t k)
{
	assert(n > 0 && k > 0);
	int64_t lo = order_of(2 * x[0]), hi = order_of(2 * x[n - 1]);

	while (lo < hi) {
		int64_t mid = (int64_t)(((__int128)lo + hi) >> 1); /* downwards, also below zero */

		if (sums_up_to(x, n, of_order(mid)) >= k)
			hi = mid;
		else
			lo = mid + 1;
	}
	return of_order(lo) / 2;
}

struct shift stats_shift(double *differences, size_t n, double confidence)
{
	assert(differences || n == 0);
	int64_t all = (int64_t)(n * (n + 1) / 2), c = stats_signed_rank_critical(n, confidence);
	struct shift s = {.interval = {-INFINITY, INFINITY}};

	qsort(differences, n, sizeof(*differences), by_value);
	s.estimate =
		(average_of_rank(differences, n, (all + 1) / 2) + average_of_rank(differences, n, all / 2 + 1)) / 2;
	if (c >= 0) {
		s.interval.lo = average_of_rank(differences, n, c + 1);
		s.interval.hi = average_of_rank(differences, n, all - c);
	}
	return s;
}

/* --- histograms --- */

double stats_quantile(double q, const double *upper, const double *cumulative, size_t n, bool *ret_beyond)
{
	assert(upper && cumulative && n > 0);
	double highest = 0, before = 0, at = 0;
	size_t b = 0;

	if (ret_beyond)
		*ret_beyond = false;
	for (size_t i = 0; i < n; i++)
		highest = fmax(highest, cumulative[i]);
	if (n < 2 || !isinf(upper[n - 1]) || !(highest > 0))
		return NAN;
	/* Scrapes tear: a bucket below the one before it is as full as that one. */
	for (; b < n - 1; b++) {
		before = at;
		at = fmax(at, cumulative[b]);
		if (at >= q * highest)
			break;
	}
	if (b == n - 1) {
		if (ret_beyond)
			*ret_beyond = true;
		return upper[n - 2];
	}
	if (b == 0 && upper[0] <= 0)
		return upper[0];
	double start = b > 0 ? upper[b - 1] : 0, inside = at - before;
	return inside > 0 ? start + (upper[b] - start) * (q * highest - before) / inside : start;
}
