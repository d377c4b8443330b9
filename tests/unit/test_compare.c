#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include "handlers/compare/compare.h"

#define HOURS 168 /* 7 days */

static const struct compare_terms five_percent = {.unit = "s", .threshold = 0.05};
static unsigned char hours[HOURS];
static double candidate[HOURS], baseline[HOURS];
static uint32_t seed;

static int fresh(void **state)
{
	(void)state;
	seed = 20251014;
	memset(hours, HOUR_USED, sizeof(hours));
	return 0;
}

/* Uniform in -1..1. */
static double noise(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (double)(int32_t)seed / 2147483648.0;
}

/* The verdict on the first n hours of candidate and baseline. */
static struct compare_result values(size_t n, const struct compare_terms *t)
{
	struct compare_values in = {candidate, baseline, n, hours};
	struct compare_result r;

	assert_int_equal(compare_values(&in, t, &r), 0);
	assert_true(strlen(r.why) > 20);
	return r;
}

static struct compare_result judged(size_t n)
{
	return values(n, &five_percent);
}

/* --- paired values --- */

/* The load of the day moves both sides by a factor of three; the candidate is 8 % slower all the time. Of the pooled
 * values nobody could tell. */
static void time_of_day_is_paired(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 0.2 + 0.1 * sin((double)i * M_PI / 12) + 0.005 * noise();
		candidate[i] = baseline[i] + 0.016 + 0.005 * noise();
	}
	struct compare_result r = judged(HOURS);
	assert_int_equal(r.verdict, COMPARE_WORSE);
	assert_true(fabs(r.difference - 0.016) < 0.001);
	assert_true(r.interval.lo > 0.015 && r.interval.hi < 0.017);
	assert_int_equal(r.hours, HOURS);
}

static void alike_is_equal(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 0.2 + 0.1 * sin((double)i * M_PI / 12) + 0.01 * noise();
		candidate[i] = 0.2 + 0.1 * sin((double)i * M_PI / 12) + 0.01 * noise();
	}
	assert_int_equal(judged(HOURS).verdict, COMPARE_EQUAL);
}

static void direction_counts(void **state)
{
	struct compare_terms lower = {.unit = "", .threshold = 0.05, .lower_is_worse = true};

	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 0.9 + 0.01 * noise();
		candidate[i] = 0.8 + 0.01 * noise();
	}
	assert_int_equal(judged(HOURS).verdict, COMPARE_BETTER);
	fresh(NULL);
	struct compare_result r = values(HOURS, &lower);
	assert_int_equal(r.verdict, COMPARE_WORSE);
	assert_true(r.difference < -0.09 && r.interval.hi < 0);
}

/* Kayenta (spinnaker #6278, kayenta #780) lets 7 of 10 points at 100x pass. */
static void seven_of_ten_at_hundred_fold(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++) {
		baseline[i] = 1 + 0.01 * noise();
		candidate[i] = i % 3 == 2 ? 1 + 0.01 * noise() : 100;
	}
	assert_int_equal(judged(10).verdict, COMPARE_WORSE);
}

/* However few of the hours are outliers: never said to be equal. */
static void no_number_of_outliers_passes(void **state)
{
	(void)state;
	for (size_t bad = 1; bad <= 10; bad++) {
		fresh(NULL);
		for (size_t i = 0; i < 10; i++) {
			baseline[i] = 1 + 0.01 * noise();
			candidate[i] = i < bad ? 100 : 1 + 0.01 * noise();
		}
		enum compare_verdict v = judged(10).verdict;
		assert_true(v == COMPARE_WORSE || v == COMPARE_INCONCLUSIVE);
	}
	fresh(NULL);
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 1 + 0.01 * noise();
		candidate[i] = i == 77 ? 100 : 1 + 0.01 * noise();
	}
	struct compare_result r = judged(HOURS);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_non_null(strstr(r.why, "a few are so much worse"));
}

static void a_handful_is_inconclusive(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 5; n++) {
		fresh(NULL);
		for (size_t i = 0; i < n; i++)
			candidate[i] = 2 * (baseline[i] = 1 + 0.1 * (double)i);
		struct compare_result r = judged(n);
		assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
		assert_true(isinf(r.interval.lo) && isinf(r.interval.hi));
		assert_int_equal(r.hours, n);
	}
}

static void six_hours_are_the_least(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++)
		candidate[i] = 2 * (baseline[i] = 1 + 0.1 * (double)i);
	assert_int_equal(judged(6).verdict, COMPARE_WORSE);
}

/* Kayenta's meanRatio is NaN at a baseline of 0, and the effect vanishes (#799). */
static void baseline_of_zero(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 0;
		candidate[i] = 0.001;
	}
	struct compare_result r = judged(HOURS);
	assert_int_equal(r.verdict, COMPARE_WORSE);
	assert_true(r.difference == 0.001 && r.interval.lo == 0.001 && r.interval.hi == 0.001);
	assert_null(strstr(r.why, "nan"));
	memset(candidate, 0, sizeof(candidate));
	assert_int_equal(judged(HOURS).verdict, COMPARE_EQUAL);
}

/* Kayenta lets sparse counters pass (#426): zero in most hours on both sides, a few of the candidate only. */
static void sparse_series(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 0;
		candidate[i] = i % 40 == 3 ? 2 : 0;
	}
	assert_int_equal(judged(HOURS).verdict, COMPARE_INCONCLUSIVE);
}

static void constant_series(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 200;
		candidate[i] = 209;
	}
	assert_int_equal(judged(HOURS).verdict, COMPARE_EQUAL); /* 10 are accepted */
	for (size_t i = 0; i < HOURS; i++)
		candidate[i] = 211;
	assert_int_equal(judged(HOURS).verdict, COMPARE_WORSE);
	for (size_t i = 0; i < HOURS; i++)
		candidate[i] = 189;
	assert_int_equal(judged(HOURS).verdict, COMPARE_BETTER);
}

/* The bound itself is accepted. */
static void at_the_bound(void **state)
{
	struct compare_terms quarter = {.unit = "", .threshold = 0.25};

	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 4;
		candidate[i] = 5;
	}
	assert_int_equal(values(HOURS, &quarter).verdict, COMPARE_EQUAL);
}

static void noise_around_the_bound_is_inconclusive(void **state)
{
	(void)state;
	for (size_t i = 0; i < 12; i++) {
		baseline[i] = 1 + noise();
		candidate[i] = 1.04 + noise();
	}
	struct compare_result r = judged(12);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_non_null(strstr(r.why, "too uncertain"));
}

static void one_sided_hours_are_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < 20; i++)
		candidate[i] = baseline[i] = 1;
	candidate[0] = NAN;
	baseline[1] = INFINITY;
	candidate[2] = baseline[2] = NAN;
	candidate[3] = 1e9; /* a rollback was under way */
	hours[3] = HOUR_LEFT_OUT;
	struct compare_result r = judged(20);
	assert_int_equal(r.verdict, COMPARE_EQUAL);
	assert_int_equal(r.hours, 16);
	assert_int_equal(hours[0], HOUR_NO_CANDIDATE);
	assert_int_equal(hours[1], HOUR_NO_BASELINE);
	assert_int_equal(hours[2], HOUR_NO_DATA);
	assert_int_equal(hours[3], HOUR_LEFT_OUT);
	assert_int_equal(hours[4], HOUR_USED);
	assert_string_equal(compare_hour_text(HOUR_NO_BASELINE), "no data of the baseline");
	assert_null(compare_hour_text(HOUR_USED));
}

static void no_hour_at_all(void **state)
{
	(void)state;
	candidate[0] = NAN;
	struct compare_result r = judged(1);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_int_equal(r.hours, 0);
	assert_true(isnan(r.difference));
	assert_string_equal(r.why, "no hour of which both sides have data");
	assert_int_equal(judged(0).verdict, COMPARE_INCONCLUSIVE);
}

/* Equal hours, but 80 of 168: nobody asked for three days. Worse stays worse. */
static void less_than_half_is_thin(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		baseline[i] = 1 + 0.01 * noise();
		candidate[i] = i < 80 ? 1 + 0.01 * noise() : NAN;
	}
	struct compare_result r = judged(HOURS);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_non_null(strstr(r.why, "only 80 of 168 hours"));
	for (size_t i = 0; i < 80; i++)
		candidate[i] = 2;
	assert_int_equal(judged(HOURS).verdict, COMPARE_WORSE);
}

/* --- errors --- */

static double c_events[HOURS], c_bad[HOURS], b_events[HOURS], b_bad[HOURS];
static const struct compare_terms error_terms = {.unit = "", .threshold = 0.05, .absolute = 0.001};

static void fill(size_t n, double events, double candidate_bad, double baseline_bad)
{
	for (size_t i = 0; i < n; i++) {
		c_events[i] = b_events[i] = events;
		c_bad[i] = candidate_bad;
		b_bad[i] = baseline_bad;
	}
	fresh(NULL);
}

static struct compare_result errors(size_t n, const struct compare_terms *t)
{
	struct compare_errors in = {c_events, c_bad, b_events, b_bad, n, hours};
	struct compare_result r;

	compare_errors(&in, t, &r);
	assert_true(strlen(r.why) > 20);
	return r;
}

/* Summed over the hours they are the rows of Newcombe 1998, table II: 5 of 56 against 0 of 29, method 10: -0.0381 to
 * 0.1926. */
static void errors_are_judged_on_counts(void **state)
{
	(void)state;
	fill(2, 28, 2.5, 0);
	b_events[0] = 20;
	b_events[1] = 9;
	struct compare_result r = errors(2, &error_terms);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_true(fabs(r.interval.lo + 0.0381) < 0.00005 && fabs(r.interval.hi - 0.1926) < 0.00005);
	assert_true(fabs(r.candidate - 5.0 / 56) < 1e-12 && r.baseline == 0);
}

static void error_verdicts(void **state)
{
	static const struct {
		double events, candidate, baseline;
		enum compare_verdict verdict;
	} row[] = {
		{5000, 50, 5, COMPARE_WORSE}, /* 1 % against 0.1 % */
		{5000, 5, 50, COMPARE_BETTER},      {5000, 5, 5, COMPARE_EQUAL},
		{5000, 0, 0, COMPARE_EQUAL},        /* 840,000 events without an error bound it well below 0.1 % */
		{5000, 20, 0, COMPARE_WORSE},       /* zero baseline, 0.4 % */
		{5000, 7, 5, COMPARE_EQUAL},        /* 0.04 points more: within the absolute 0.1 */
		{3, 0, 0, COMPARE_INCONCLUSIVE},    /* 504 events: up to 0.75 % is possible */
		{5, 0.02, 0, COMPARE_INCONCLUSIVE}, /* 3 of 840 against none */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		fill(HOURS, row[i].events, row[i].candidate, row[i].baseline);
		assert_int_equal(errors(HOURS, &error_terms).verdict, row[i].verdict);
	}
}

/* 5 % of 1 % is 0.05 points: what is accepted is the larger of the two bounds. */
static void relative_and_absolute_bound(void **state)
{
	struct compare_terms relative = {.unit = "", .threshold = 0.5};

	(void)state;
	fill(HOURS, 50000, 650, 500); /* 1.3 % against 1 % */
	assert_int_equal(errors(HOURS, &error_terms).verdict, COMPARE_WORSE);
	assert_int_equal(errors(HOURS, &relative).verdict, COMPARE_EQUAL);
	/* Neither bound at a zero baseline: a single error is not accepted, and nothing is proved by none. */
	fill(HOURS, 5000, 0, 0);
	assert_int_equal(errors(HOURS, &relative).verdict, COMPARE_INCONCLUSIVE);
}

static void one_hour_of_many_events(void **state)
{
	(void)state;
	fill(1, 100000, 1000, 100);
	struct compare_result r = errors(1, &error_terms);
	assert_int_equal(r.verdict, COMPARE_WORSE);
	assert_int_equal(r.hours, 1);
}

static void hours_without_events_say_nothing(void **state)
{
	(void)state;
	fill(4, 1000, 0, 0);
	b_events[0] = 0;
	c_events[1] = NAN;
	c_bad[2] = NAN; /* a counter that was never born is not "no errors" */
	struct compare_result r = errors(4, &error_terms);
	assert_int_equal(r.hours, 1);
	assert_int_equal(hours[0], HOUR_NO_BASELINE);
	assert_int_equal(hours[1], HOUR_NO_CANDIDATE);
	assert_int_equal(hours[2], HOUR_NO_CANDIDATE);
	b_events[3] = 0;
	assert_int_equal(errors(4, &error_terms).verdict, COMPARE_INCONCLUSIVE);
}

/* --- quantiles --- */

static const double upper[] = {0.1, 0.2, 0.4, 0.8, INFINITY};
#define BUCKETS ARRAY_LEN(upper)
static double c_counts[HOURS * BUCKETS], b_counts[HOURS * BUCKETS];

static void set_hour(double *counts, size_t hour, const double each[BUCKETS])
{
	double sum = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		counts[hour * BUCKETS + i] = sum += each[i];
}

static struct compare_result quantile(size_t n, double q)
{
	struct compare_histogram c = {upper, BUCKETS, c_counts}, b = {upper, BUCKETS, b_counts};
	struct compare_result r;

	assert_int_equal(compare_quantile(&c, &b, n, hours, q, &five_percent, &r), 0);
	return r;
}

static void quantiles_are_paired_and_summed(void **state)
{
	static const double fast[] = {800, 200, 0, 0, 0}, slow[] = {400, 400, 200, 0, 0};

	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		set_hour(b_counts, i, fast);
		set_hour(c_counts, i, slow);
	}
	struct compare_result r = quantile(HOURS, 0.5);
	assert_int_equal(r.verdict, COMPARE_WORSE);
	/* By hand: rank 500 of 800 in 0..0.1; rank 500, 100 of 400 into 0.1..0.2. */
	assert_true(fabs(r.baseline - 0.0625) < 1e-12 && fabs(r.candidate - 0.125) < 1e-12);
	assert_true(fabs(r.difference - 0.0625) < 1e-12);
	/* p95: rank 950, 150 of 200 into 0.1..0.2; 150 of 200 into 0.2..0.4. */
	r = quantile(HOURS, 0.95);
	assert_true(fabs(r.baseline - 0.175) < 1e-12 && fabs(r.candidate - 0.35) < 1e-12);
	memcpy(c_counts, b_counts, sizeof(c_counts));
	assert_int_equal(quantile(HOURS, 0.95).verdict, COMPARE_EQUAL);
}

/* 100 requests have one above their p99: noise. The median of them is judged. */
static void few_observations_have_no_p99(void **state)
{
	static const double few[] = {80, 20, 0, 0, 0};

	(void)state;
	assert_true(compare_quantile_least(0.5) == 10 && compare_quantile_least(0.95) == 100 &&
	            compare_quantile_least(0.99) == 500);
	for (size_t i = 0; i < HOURS; i++) {
		set_hour(b_counts, i, few);
		set_hour(c_counts, i, few);
	}
	struct compare_result r = quantile(HOURS, 0.99);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_non_null(strstr(r.why, "500"));
	assert_int_equal(hours[0], HOUR_FEW);
	fresh(NULL);
	assert_int_equal(quantile(HOURS, 0.5).verdict, COMPARE_EQUAL);
}

/* Both in +Inf: Prometheus says 0.8 of both, however slow the candidate is. */
static void beyond_the_last_bucket_is_unknown(void **state)
{
	static const double stuck[] = {100, 100, 0, 0, 800};

	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		set_hour(b_counts, i, stuck);
		set_hour(c_counts, i, stuck);
	}
	struct compare_result r = quantile(HOURS, 0.95);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_non_null(strstr(r.why, "above the largest finite bucket"));
}

/* Two hours of 168 in which a third of the candidate's requests took long: the hours are alike, the p99 of the week is
 * not. */
static void a_bad_hour_shows_in_the_sum(void **state)
{
	static const double good[] = {990, 10, 0, 0, 0}, bad[] = {0, 0, 0, 9000, 0};

	(void)state;
	for (size_t i = 0; i < HOURS; i++) {
		set_hour(b_counts, i, good);
		set_hour(c_counts, i, i < 2 ? bad : good);
	}
	assert_int_equal(quantile(HOURS, 0.99).verdict, COMPARE_INCONCLUSIVE);
}

static void no_histogram(void **state)
{
	struct compare_histogram c = {upper, 2, c_counts}, none = {upper, 0, b_counts};
	struct compare_result r;

	(void)state;
	assert_int_equal(compare_quantile(&c, &none, 3, hours, 0.5, &five_percent, &r), 0);
	assert_int_equal(r.verdict, COMPARE_INCONCLUSIVE);
	assert_non_null(strstr(r.why, "+Inf"));
}

/* --- all together --- */

static void overall(void **state)
{
	const enum compare_verdict all[] = {COMPARE_EQUAL, COMPARE_EQUAL, COMPARE_BETTER, COMPARE_INCONCLUSIVE,
	                                    COMPARE_WORSE};

	(void)state;
	assert_int_equal(compare_overall(all, 0), COMPARE_INCONCLUSIVE);
	assert_int_equal(compare_overall(all, 2), COMPARE_EQUAL);
	assert_int_equal(compare_overall(all, 3), COMPARE_BETTER);
	assert_int_equal(compare_overall(all, 4), COMPARE_INCONCLUSIVE);
	assert_int_equal(compare_overall(all, 5), COMPARE_WORSE);
	assert_string_equal(compare_verdict_name(COMPARE_INCONCLUSIVE), "inconclusive");
}

#define T(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(time_of_day_is_paired),
		T(alike_is_equal),
		T(direction_counts),
		T(seven_of_ten_at_hundred_fold),
		T(no_number_of_outliers_passes),
		T(a_handful_is_inconclusive),
		T(six_hours_are_the_least),
		T(baseline_of_zero),
		T(sparse_series),
		T(constant_series),
		T(at_the_bound),
		T(noise_around_the_bound_is_inconclusive),
		T(one_sided_hours_are_left_out),
		T(no_hour_at_all),
		T(less_than_half_is_thin),
		T(errors_are_judged_on_counts),
		T(error_verdicts),
		T(relative_and_absolute_bound),
		T(one_hour_of_many_events),
		T(hours_without_events_say_nothing),
		T(quantiles_are_paired_and_summed),
		T(few_observations_have_no_p99),
		T(beyond_the_last_bucket_is_unknown),
		T(a_bad_hour_shows_in_the_sum),
		T(no_histogram),
		T(overall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
