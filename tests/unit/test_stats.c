#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include "handlers/compare/statistics.h"

/* Equal after rounding to that many decimals, which is how papers print. */
static void near(double got, double want, int decimals)
{
	if (fabs(got - want) > 0.5 * pow(10, -decimals) + 1e-12)
		fail_msg("%.8f, published as %.*f", got, decimals, want);
}

/* Newcombe 1998, "Two-sided confidence intervals for the single proportion", Stat. Med. 17:857-872, table I, method 3.
 */
static void wilson_as_published(void **state)
{
	static const struct {
		double x, n, lo, hi;
	} row[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct interval w = stats_wilson(row[i].x, row[i].n, 0.95);

		near(w.lo, row[i].lo, 4);
		near(w.hi, row[i].hi, 4);
	}
}

/* Newcombe 1998, "Interval estimation for the difference between independent proportions: comparison of eleven
 * methods", Stat. Med. 17:873-890, table II, columns (a) to (h), method 10: zero cells and a zero baseline among them.
 */
static void difference_as_published(void **state)
{
	static const struct {
		double x1, n1, x2, n2, lo, hi;
	} row[] = {
		{56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090},  {6, 7, 2, 7, 0.0582, 0.8062},
		{5, 56, 0, 29, -0.0381, 0.1926},  {0, 10, 0, 20, -0.1611, 0.2775}, {0, 10, 0, 10, -0.2775, 0.2775},
		{10, 10, 0, 20, 0.6791, 1.0000},  {10, 10, 0, 10, 0.6075, 1.0000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct interval d = stats_proportions_differ(row[i].x1, row[i].n1, row[i].x2, row[i].n2, 0.95);

		near(d.lo, row[i].lo, 4);
		near(d.hi, row[i].hi, 4);
		/* The other way round it is the mirror image. */
		struct interval m = stats_proportions_differ(row[i].x2, row[i].n2, row[i].x1, row[i].n1, 0.95);
		near(m.lo, -row[i].hi, 4);
		near(m.hi, -row[i].lo, 4);
	}
}

static void proportions_at_the_edges(void **state)
{
	(void)state;
	struct interval none = stats_wilson(0, 0, 0.95), nothing = stats_proportions_differ(3, 10, 0, 0, 0.95);

	assert_true(none.lo == 0 && none.hi == 1);
	assert_true(nothing.lo < -0.5 && nothing.hi > 0);
	/* increase() extrapolates: a little more bad ones than there were events is all of them, not NaN. */
	struct interval more = stats_wilson(10.2, 10, 0.95);
	assert_true(more.hi == 1 && more.lo > 0.5);
}

/* Two-sided 5 % of Wilcoxon's signed-rank test, as printed in every table of it (Wilcoxon & Wilcox 1964; for 50
 * McCornack 1965, JASA 60:864). For fewer than 6 pairs there is none. 0.99 for 20: 37. */
static void critical_as_tabulated(void **state)
{
	static const struct {
		size_t n;
		int64_t c;
	} row[] = {{1, -1},  {5, -1},  {6, 0},   {7, 2},   {8, 3},    {9, 5},   {10, 8},
	           {12, 13}, {15, 25}, {20, 52}, {25, 89}, {30, 137}, {50, 434}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		assert_int_equal(stats_signed_rank_critical(row[i].n, 0.95), row[i].c);
	assert_int_equal(stats_signed_rank_critical(20, 0.99), 37);
}

/* Above 50 the normal approximation: 100 pairs have 1955 in McCornack's table; one less or so is on the safe side. */
static void critical_above_the_tables(void **state)
{
	(void)state;
	int64_t c = stats_signed_rank_critical(100, 0.95);
	assert_in_range(c, 1953, 1955);
	assert_in_range(stats_signed_rank_critical(51, 0.95), 451, 453);
}

static void shift_is(double *x, size_t n, double confidence, double estimate, double lo, double hi, int decimals)
{
	struct shift s = stats_shift(x, n, confidence);

	near(s.estimate, estimate, decimals);
	near(s.interval.lo, lo, decimals);
	near(s.interval.hi, hi, decimals);
}

/* Hollander & Wolfe, Nonparametric Statistical Methods, table 3.1 (Hamilton depression scale; also the example of R's
 * wilcox.test): examples 3.3 and 3.4, estimate -0.46, 96.1 % interval -0.786 to -0.010. */
static void depression_scale(void **state)
{
	static const double x[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
	static const double y[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
	double d[ARRAY_LEN(x)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(x); i++)
		d[i] = y[i] - x[i];
	shift_is(d, ARRAY_LEN(d), 0.95, -0.46, -0.786, -0.010, 3);
}

/* W. R. Stephenson, Iowa State University, Stat 403, "membrane": 55 Walsh averages, the 28th is 1.385, the 9th and the
 * 47th are the 95.2 % interval 1.13 to 1.67. */
static void membrane_permeability(void **state)
{
	double y[] = {0.90, 1.13, 1.89, 1.14, 1.45, 1.38, 1.91, 1.64, 0.83, 1.46};
	struct shift s = stats_shift(y, ARRAY_LEN(y), 0.95);

	(void)state;
	near(s.estimate, 1.385, 3);
	near(s.interval.lo, 1.13, 2);
	near(s.interval.hi, 1.67, 2);
}

/* Minitab 18 help, "Calculate the estimated median and confidence interval for the 1-sample Wilcoxon test": 17.5. */
static void minitab_example(void **state)
{
	double x[] = {24, 12, 24, 19, 12, 21, 23, 11, 17, 19, 23, 14, 23, 15, 14, 6};

	(void)state;
	assert_true(stats_shift(x, ARRAY_LEN(x), 0.95).estimate == 17.5);
}

/* R's wilcox.test(dat, conf.int = TRUE) on 19 values with ties (stats.stackexchange.com/q/270889) prints a pseudomedian
 * of 4.400028: its root finder stops within 1e-4 of the average 4.4. */
static void pseudomedian_with_ties(void **state)
{
	double x[] = {2.10, 2.35, 2.35, 3.10, 3.10, 3.15, 3.90, 3.90, 4.00, 4.80,
	              5.00, 5.00, 5.15, 5.35, 5.50, 6.00, 6.00, 6.25, 6.45};

	(void)state;
	near(stats_shift(x, ARRAY_LEN(x), 0.99).estimate, 4.4, 3);
}

/* Darwin's maize, the example of Wilcoxon 1945 (Biometrics Bulletin 1:80-83); R: V = 96, p = 0.04126. So an interval of
 * just less confidence than 1 - p lies above zero, one of just more does not. */
static void darwins_maize(void **state)
{
	double x[] = {14, 56, 60, 16, 6, 8, -48, 49, 24, 28, 29, 41, -67, 23, 75};

	(void)state;
	assert_true(stats_shift(x, ARRAY_LEN(x), 1 - 0.04127).interval.lo > 0);
	assert_true(stats_shift(x, ARRAY_LEN(x), 1 - 0.04125).interval.lo <= 0);
}

/* Against all averages written down and sorted, 200 of them beyond the exact range too. */
static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void ranks_without_writing_them_down(void **state)
{
	static double x[200], walsh[200 * 201 / 2];
	uint32_t seed = 7;

	(void)state;
	for (size_t n = 1; n <= ARRAY_LEN(x); n += n < 12 ? 1 : 47) {
		size_t k = 0;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			x[i] = ((double)(seed >> 16) - 32768) / (i % 3 ? 1 : 7919);
			if (i % 5 == 4)
				x[i] = x[i - 1];
		}
		for (size_t i = 0; i < n; i++)
			for (size_t j = i; j < n; j++)
				walsh[k++] = (x[i] + x[j]) / 2;
		qsort(walsh, k, sizeof(*walsh), by_value);
		struct shift s = stats_shift(x, n, 0.95);
		int64_t c = stats_signed_rank_critical(n, 0.95);
		assert_true(s.estimate == (walsh[(k - 1) / 2] + walsh[k / 2]) / 2);
		if (c < 0)
			assert_true(isinf(s.interval.lo) && isinf(s.interval.hi));
		else
			assert_true(s.interval.lo == walsh[c] && s.interval.hi == walsh[k - 1 - (size_t)c]);
	}
}

static void constant_differences(void **state)
{
	double x[] = {-0.1, -0.1, -0.1, -0.1, -0.1, -0.1, -0.1}, zero[8] = {0};

	(void)state;
	struct shift s = stats_shift(x, ARRAY_LEN(x), 0.95), z = stats_shift(zero, ARRAY_LEN(zero), 0.95);
	assert_true(s.estimate == -0.1 && s.interval.lo == -0.1 && s.interval.hi == -0.1);
	assert_true(z.estimate == 0 && z.interval.lo == 0 && z.interval.hi == 0);
}

/* prometheus/prometheus promql/testdata/histograms.test, start="positive", start="negative" and the aggregated one. */
static void quantiles_as_prometheus(void **state)
{
	static const double up[] = {0.1, 0.2, 1, INFINITY}, pos[] = {50, 70, 110, 120};
	static const double low[] = {-0.2, -0.1, 0.3, INFINITY}, neg[] = {10, 20, 20, 30};
	static const double sum_up[] = {0.1, 0.2, INFINITY}, sum[] = {10, 19, 25};
	bool beyond = true;

	(void)state;
	near(stats_quantile(0, up, pos, 4, &beyond), 0, 9);
	assert_false(beyond);
	near(stats_quantile(0.2, up, pos, 4, NULL), 0.048, 9);
	near(stats_quantile(0.5, up, pos, 4, NULL), 0.15, 9);
	near(stats_quantile(0.8, up, pos, 4, NULL), 0.72, 9);
	near(stats_quantile(1, up, pos, 4, &beyond), 1, 9);
	assert_true(beyond);
	near(stats_quantile(0.2, low, neg, 4, NULL), -0.2, 9);
	near(stats_quantile(0.5, low, neg, 4, NULL), -0.15, 9);
	near(stats_quantile(0.8, low, neg, 4, NULL), 0.3, 9);
	near(stats_quantile(0.3, sum_up, sum, 3, NULL), 0.075, 9);
	near(stats_quantile(0.5, sum_up, sum, 3, NULL), 0.1277777777777778, 9);
}

static void quantiles_of_nothing(void **state)
{
	static const double up[] = {0.1, 0.2, INFINITY}, none[] = {0, 0, 0}, torn[] = {10, 9, 20},
			    finite[] = {0.1, 0.2};

	(void)state;
	assert_true(isnan(stats_quantile(0.5, up, none, 3, NULL)));
	assert_true(isnan(stats_quantile(0.5, finite, torn, 2, NULL)));
	assert_true(isnan(stats_quantile(0.5, up, torn, 1, NULL)));
	/* 9 counts as 10: the median of 20 is the end of the first bucket. */
	near(stats_quantile(0.5, up, torn, 3, NULL), 0.1, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wilson_as_published),
		cmocka_unit_test(difference_as_published),
		cmocka_unit_test(proportions_at_the_edges),
		cmocka_unit_test(critical_as_tabulated),
		cmocka_unit_test(critical_above_the_tables),
		cmocka_unit_test(depression_scale),
		cmocka_unit_test(membrane_permeability),
		cmocka_unit_test(minitab_example),
		cmocka_unit_test(pseudomedian_with_ties),
		cmocka_unit_test(darwins_maize),
		cmocka_unit_test(ranks_without_writing_them_down),
		cmocka_unit_test(constant_differences),
		cmocka_unit_test(quantiles_as_prometheus),
		cmocka_unit_test(quantiles_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
