#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "handlers/compare/compare.h"
#include "handlers/compare/run.h"
#include "tests/unit/settings_fixture.h"

#define HOUR_US (3600 * US_PER_S)
#define T0      (INT64_C(1760432400) * US_PER_S) /* 2025-10-14T09:00:00Z */

static struct json_object *parsed(const char *text)
{
	struct json_object *o = NULL;

	assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
	return o;
}

/* --- the grid --- */

static void grid_is_of_whole_steps(void **state)
{
	const struct compare_options o = {.step_us = HOUR_US}, none = {0};
	struct compare_grid g;
	char why[200] = "";

	(void)state;
	assert_int_equal(compare_grid_of(&o, T0 + 1800 * US_PER_S, 25 * HOUR_US + HOUR_US / 2, &g, why, sizeof(why)),
	                 0);
	assert_int_equal(g.n, 25);
	assert_int_equal(g.from_us, T0 - 25 * HOUR_US);
	assert_int_equal(compare_grid_of(&o, T0, HOUR_US - 1, &g, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "at least one step of the comparison, 1h"));
	assert_int_equal(compare_grid_of(&o, T0, (COMPARE_HOURS_MAX + 1) * HOUR_US, &g, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "at most 10000 steps"));
	assert_int_equal(compare_grid_of(&none, T0, HOUR_US, &g, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "no section compare"));
}

/* --- answers of Prometheus --- */

static const struct compare_grid four = {T0, HOUR_US, 4};

static void a_value_stands_at_the_end_of_its_hour(void **state)
{
	CLEANUP(json_cleanup)
	struct json_object *o = parsed("[{\"labels\":{},\"points\":[[1760432400,9],[1760436000,1],[1760439600,null],["
	                               "1760443200.001,3],[1760448600,7]]}]");
	double v[4];
	char why[200];

	(void)state;
	assert_int_equal(compare_line_read(o, &four, v, why, sizeof(why)), 0);
	assert_true(v[0] == 1 && isnan(v[1]) && v[2] == 3 && isnan(v[3]));
}

static void one_series_is_needed(void **state)
{
	CLEANUP(json_cleanup)
	struct json_object *two = parsed("[{\"labels\":{},\"points\":[]},{\"labels\":{},\"points\":[]}]");
	CLEANUP(json_cleanup) struct json_object *none = parsed("[]");
	double v[4];
	char why[200];

	(void)state;
	assert_int_equal(compare_line_read(two, &four, v, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "2 series"));
	assert_int_equal(compare_line_read(none, &four, v, why, sizeof(why)), 0);
	assert_true(isnan(v[0]) && isnan(v[3]));
}

#define BUCKET(le, value) "{\"labels\":{\"le\":\"" le "\"},\"points\":[[1760436000," value "]]}"

static void buckets_are_sorted_by_their_bounds(void **state)
{
	CLEANUP(json_cleanup)
	struct json_object *o = parsed("[" BUCKET("+Inf", "30") "," BUCKET("10", "20") "," BUCKET("2.5", "10") "]");
	CLEANUP(compare_buckets_free) struct compare_buckets b = {0};
	char why[200];

	(void)state;
	assert_int_equal(compare_buckets_read(o, &four, &b, why, sizeof(why)), 0);
	assert_int_equal(b.n_upper, 3);
	assert_true(b.upper[0] == 2.5 && b.upper[1] == 10 && isinf(b.upper[2]));
	assert_true(b.counts[0] == 10 && b.counts[1] == 20 && b.counts[2] == 30 && isnan(b.counts[3]));
}

static void what_is_no_histogram(void **state)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{"[" BUCKET("1", "1") "," BUCKET("1.0", "1") "]", "two series have le=\"1\""},
		{"[{\"labels\":{\"instance\":\"a\"},\"points\":[]}]", "no label le"},
		{"[" BUCKET("wide", "1") "]", "no label le"},
	};
	struct compare_buckets b = {0};
	char why[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_cleanup) struct json_object *o = parsed(rows[i].text);

		assert_int_equal(compare_buckets_read(o, &four, &b, why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, rows[i].word));
	}
}

/* --- the section of the config --- */

static void section_is_read(void **state)
{
	static const char text[] =
		"{\"rollouts\":[{\"name\":\"with\",\"compare\":{\"step\":3600,\"metrics\":["
		"{\"name\":\"e\",\"unit\":\"\",\"errors\":{\"candidate\":{\"events\":\"a\",\"bad\":\"b\"},"
		"\"baseline\":{\"events\":\"c\",\"bad\":\"d\"},\"absolute\":0.002}},"
		"{\"name\":\"l\",\"unit\":\"seconds\",\"histogram\":{\"candidate\":\"e\",\"baseline\":\"f\"}},"
		"{\"name\":\"h\",\"unit\":\"\",\"histogram\":{\"candidate\":\"e\",\"baseline\":\"f\","
		"\"quantiles\":[\"0.9\"]}},"
		"{\"name\":\"c\",\"unit\":\"\",\"value\":{\"candidate\":\"g\",\"baseline\":\"h\",\"worse\":"
		"\"lower\"}}]}},{\"name\":\"without\"}]}";
	CLEANUP(settings_cleanup) struct settings *s = NULL;
	char why[300];

	(void)state;
	assert_int_equal(settings_of(text, &s, why, sizeof(why)), 0);
	const struct compare_options *c = &s->rollouts[0].compare, *none = &s->rollouts[1].compare;

	assert_int_equal(c->n_metrics, 4);
	assert_int_equal(c->metrics[0].kind, COMPARE_ERRORS);
	assert_string_equal(c->metrics[0].baseline.bad, "d");
	assert_true(c->metrics[0].absolute == 0.002);
	assert_int_equal(c->metrics[1].n_quantiles, 3);
	assert_true(c->metrics[1].quantiles[1] == 0.95 && c->metrics[2].n_quantiles == 1 &&
	            c->metrics[2].quantiles[0] == 0.9);
	assert_true(c->metrics[3].lower_is_worse && !c->metrics[1].lower_is_worse);
	assert_string_equal(c->metrics[3].candidate.query, "g");
	assert_true(c->step_us == 3600 * INT64_C(1000000) && none->step_us == 0 && none->n_metrics == 0);
}

/* --- the report --- */

#define HOURS 24
static double share[HOURS], candidate[HOURS], baseline[HOURS];
static struct compare_answer answers[3];
static struct compare_metric memory = {
	.name = "memory", .unit = "bytes", .kind = COMPARE_VALUE, .candidate = {"a", NULL}, .baseline = {"b", NULL}};
static struct rollout rollout;
static struct compare_request rq;

static int setup(void **state)
{
	(void)state;
	memset(answers, 0, sizeof(answers));
	for (size_t i = 0; i < HOURS; i++) {
		share[i] = 0.5;
		candidate[i] = baseline[i] = 1e9 + (double)i;
	}
	answers[0].line = share;
	answers[1].line = candidate;
	answers[2].line = baseline;
	rollout = (struct rollout) {.name = "shop",
	                            .compare = {.step_us = HOUR_US, .share = "s", .metrics = &memory, .n_metrics = 1}};
	rq = (struct compare_request) {
		.rollout = &rollout, .pct = 5000, .threshold = 0.05, .grid = {T0, HOUR_US, HOURS}};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	compare_spans_free(&rq.left_out);
	return 0;
}

static struct json_object *reported(void)
{
	struct json_object *o = NULL;

	assert_int_equal(compare_report(&rq, answers, &o), 0);
	return o;
}

static const char *text_at(struct json_object *o, const char *pointer)
{
	struct json_object *v = json_at(o, pointer);

	return v ? json_object_get_string(v) : "null";
}

static void spans_are_left_out_and_listed(void **state)
{
	(void)state;
	candidate[3] = candidate[4] = 9e9;
	candidate[9] = NAN;
	/* From 12:30 to 13:00: touches the fourth hour only, not the fifth. */
	assert_int_equal(compare_spans_add(&rq.left_out, T0 + 7 * HOUR_US / 2, T0 + 4 * HOUR_US, "held: latency"), 0);
	assert_int_equal(compare_spans_add(&rq.left_out, T0 + 4 * HOUR_US, T0 + 5 * HOUR_US, "incident 7: resolved"),
	                 0);
	assert_int_equal(compare_spans_add(&rq.left_out, T0 - 9 * HOUR_US, T0 - HOUR_US, "before"), 0);
	CLEANUP(json_cleanup) struct json_object *o = reported();
	assert_string_equal(text_at(o, "/verdict"), "equal");
	assert_string_equal(text_at(o, "/metrics/0/n"), "21");
	assert_string_equal(text_at(o, "/left_out/0/reason"), "held: latency");
	assert_string_equal(text_at(o, "/left_out/0/from"), "2025-10-14T12:30:00Z");
	assert_string_equal(text_at(o, "/left_out/1/reason"), "incident 7: resolved");
	assert_string_equal(text_at(o, "/left_out/2/reason"), "no data of the candidate");
	assert_string_equal(text_at(o, "/left_out/2/from"), "2025-10-14T18:00:00Z");
	assert_string_equal(text_at(o, "/left_out/2/to"), "2025-10-14T19:00:00Z");
	assert_string_equal(text_at(o, "/left_out/2/metric"), "memory");
	assert_null(json_at(o, "/left_out/3"));
}

static void the_share_is_checked_within_two_points(void **state)
{
	static const struct {
		double share;
		int32_t pct;
		const char *verdict, *as_asked;
	} rows[] = {{0.52, 5000, "equal", "true"},
	            {0.48, 5000, "equal", "true"},
	            {0.5201, 5000, "inconclusive", "false"},
	            {0.1, 5000, "inconclusive", "false"},
	            {0.1, -1, "equal", "null"},
	            {NAN, 5000, "inconclusive", "null"}};

	(void)state;
	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		for (size_t i = 0; i < HOURS; i++)
			share[i] = rows[r].share;
		rq.pct = rows[r].pct;
		CLEANUP(json_cleanup) struct json_object *o = reported();
		assert_string_equal(text_at(o, "/verdict"), rows[r].verdict);
		assert_string_equal(text_at(o, "/as_asked"), rows[r].as_asked);
	}
}

/* What was left out had another share. */
static void the_share_is_that_of_what_counts(void **state)
{
	(void)state;
	share[0] = share[1] = 0;
	assert_int_equal(compare_spans_add(&rq.left_out, T0, T0 + 2 * HOUR_US, "rolled back"), 0);
	CLEANUP(json_cleanup) struct json_object *o = reported();
	assert_string_equal(text_at(o, "/as_asked"), "true");
}

static void a_failed_query_is_said(void **state)
{
	(void)state;
	answers[2].line = NULL;
	snprintf(answers[2].why, sizeof(answers[2].why), "Prometheus: no answer within 15s");
	CLEANUP(json_cleanup) struct json_object *o = reported();
	assert_string_equal(text_at(o, "/verdict"), "inconclusive");
	assert_string_equal(text_at(o, "/metrics/0/why"), "Prometheus: no answer within 15s");
	assert_string_equal(text_at(o, "/metrics/0/candidate"), "null");
	assert_string_equal(text_at(o, "/metrics/0/interval"), "[ null, null ]");
}

/* A hole in every other of many hours does not make a report of megabytes. */
static void the_list_of_gaps_is_bounded(void **state)
{
	static double many[4000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = i % 2 ? NAN : 1;
	answers[0].line = answers[1].line = answers[2].line = many;
	rq.grid.n = ARRAY_LEN(many);
	CLEANUP(json_cleanup) struct json_object *o = reported();
	assert_string_equal(text_at(o, "/left_out/499/reason"), "no data of either side");
	assert_string_equal(text_at(o, "/left_out/500/reason"), "more than fits into this list");
	assert_null(json_at(o, "/left_out/501"));
}

static void numbers_for_people(void **state)
{
	static const struct {
		double v;
		const char *unit;
		bool difference;
		const char *text;
	} rows[] = {{0.0123, "ratio", false, "1.23%"},  {0.0123, "ratio", true, "+1.23 points"},
	            {0.25, "seconds", false, "0.25 s"}, {-0.25, "seconds", true, "-0.25 s"},
	            {512, "bytes", false, "512 B"},     {1500, "bytes", true, "+1.5 kB"},
	            {2e9, "bytes", false, "2 GB"},      {2147483648.0, "bytes", false, "2.147 GB"},
	            {2000, "", false, "2000"},          {3, "requests", false, "3 requests"},
	            {NAN, "bytes", false, "unknown"}};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		compare_number(rows[i].v, rows[i].unit, rows[i].difference, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(grid_is_of_whole_steps),
		T(a_value_stands_at_the_end_of_its_hour),
		T(one_series_is_needed),
		T(buckets_are_sorted_by_their_bounds),
		T(what_is_no_histogram),
		T(section_is_read),
		T(spans_are_left_out_and_listed),
		T(the_share_is_checked_within_two_points),
		T(the_share_is_that_of_what_counts),
		T(a_failed_query_is_said),
		T(the_list_of_gaps_is_bounded),
		T(numbers_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
