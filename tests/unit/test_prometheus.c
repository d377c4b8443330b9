#include "alertmanager/prometheus.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "server/core/text.h"

#define VECTOR(result) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":" result "}}"
#define MATRIX(result) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":" result "}}"
#define SAMPLE(value)  "{\"metric\":{\"job\":\"cst\"},\"value\":[1760436000.781," value "]}"

static int vector(const char *body, struct prom_vector *v, char why[200])
{
	why[0] = '\0';
	return prom_vector_parse(body, strlen(body), v, why, 200);
}

static int matrix(const char *body, size_t series, size_t points, struct json_object **ret, char why[200])
{
	why[0] = '\0';
	return prom_matrix_parse(body, strlen(body), series, points, ret, why, 200);
}

/* ---- instant queries ---- */

/* docs/querying/api.md: warnings do not stop an answer, and say that it may be incomplete. */
static void an_answer_with_warnings_is_none(void **state)
{
	static const char *const warnings[] = {"[\"some store is down\"]", "[\"\",\"b\"]", "[null]", "\"text\"", "{}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		struct prom_vector v = {0};
		char why[200] = "", body[300];

		snprintf(body, sizeof(body),
		         "{\"status\":\"success\",\"warnings\":%s,\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
		         warnings[i]);
		assert_int_equal(vector(body, &v, why), -EINVAL);
		assert_non_null(strstr(why, "warning"));
	}
}

static void a_partial_answer_is_none(void **state)
{
	static const struct {
		const char *partial;
		int want;
	} rows[] = {{"true", -EINVAL}, {"1", -EINVAL}, {"\"yes\"", -EINVAL}, {"false", 0}, {"null", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prom_vector v = {0};
		char why[200] = "", body[300];

		snprintf(body, sizeof(body),
		         "{\"status\":\"success\",\"isPartial\":%s,\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
		         rows[i].partial);
		assert_int_equal(vector(body, &v, why), rows[i].want);
		assert_int_equal(strstr(why, "partial") != NULL, rows[i].want < 0);
		prom_vector_free(&v);
	}
}

/* The reply of the documentation's example (docs/querying/api.md), and extra fields as newer versions send
 * them. */
static void an_instant_vector_is_read(void **state)
{
	(void)state;
	struct prom_vector v = {0};
	char why[200];

	assert_int_equal(vector("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
	                        "{\"metric\":{\"__name__\":\"up\",\"job\":\"prometheus\",\"instance\":\"localhost:"
	                        "9090\"},"
	                        "\"value\":[1435781451.781,\"1\"]},"
	                        "{\"metric\":{\"__name__\":\"up\",\"job\":\"node\",\"instance\":\"localhost:9100\"},"
	                        "\"value\":[1435781451.781,\"0\"]}],\"stats\":{}},\"warnings\":[],\"infos\":["
	                        "\"i\"]}\n",
	                        &v, why),
	                 0);
	assert_int_equal(v.n, 2);
	assert_true(v.samples[0].value == 1 && v.samples[1].value == 0);
	assert_true(v.samples[0].at == 1435781451.781);
	assert_string_equal(json_str_or(v.samples[1].metric, "job", ""), "node");
	prom_vector_free(&v);
	assert_int_equal(v.n, 0);
}

static void values_are_quoted_numbers_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double value;
	} good[] = {
		{"\"0\"", 0},           {"\"-0\"", 0},         {"\"10\"", 10},
		{"\"0.002\"", 0.002},   {"\"-1.5\"", -1.5},    {"\"1e-7\"", 1e-7},
		{"\"+Inf\"", INFINITY}, {"\"Inf\"", INFINITY}, {"\"-Inf\"", -INFINITY},
	};
	static const char *const bad[] = {
		"1",        "null",     "true",       "\"\"",     "\" 1\"",       "\"1 \"",
		"\"+1\"",   "\"01\"",   "\".5\"",     "\"5.\"",   "\"1,5\"",      "\"0x10\"",
		"\"nan\"",  "\"NAN\"",  "\"nan(1)\"", "\"inf\"",  "\"infinity\"", "\"1e999\"",
		"\"true\"", "\"null\"", "\"[1]\"",    "\"1\\n\"", "[\"1\"]",      "\"10%\"",
	};
	char body[300], why[200];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct prom_vector v = {0};
		snprintf(body, sizeof(body), VECTOR("[" SAMPLE("%s") "]"), good[i].text);
		assert_int_equal(vector(body, &v, why), 0);
		assert_true(v.samples[0].value == good[i].value);
		prom_vector_free(&v);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct prom_vector v = {0};
		snprintf(body, sizeof(body), VECTOR("[" SAMPLE("%s") "]"), bad[i]);
		if (vector(body, &v, why) != -EBADMSG)
			fail_msg("taken for a value: %s", bad[i]);
		assert_non_null(strstr(why, "quoted number"));
	}
}

static void nan_stays_nan(void **state)
{
	(void)state;
	struct prom_vector v = {0};
	char why[200];

	assert_int_equal(vector(VECTOR("[" SAMPLE("\"NaN\"") "]"), &v, why), 0);
	assert_true(isnan(v.samples[0].value));
	prom_vector_free(&v);
}

static void an_empty_vector_is_no_number(void **state)
{
	(void)state;
	struct prom_vector v = {.n = 7};
	char why[200];

	assert_int_equal(vector(VECTOR("[]"), &v, why), 0);
	assert_int_equal(v.n, 0);
	assert_null(v.samples);
	prom_vector_free(&v);
}

static void a_scalar_is_one_sample_without_labels(void **state)
{
	(void)state;
	struct prom_vector v = {0};
	char why[200];

	assert_int_equal(vector("{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[5,"
	                        "\"0.25\"]}}",
	                        &v, why),
	                 0);
	assert_int_equal(v.n, 1);
	assert_true(v.samples[0].value == 0.25 && v.samples[0].at == 5);
	assert_null(v.samples[0].metric);
	prom_vector_free(&v);
}

static void what_is_no_answer_says_so_and_leaves_the_result_alone(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		int r;
		const char *word;
	} cases[] = {
		{"", -EBADMSG, "not JSON"},
		{"<html><body>It works!</body></html>", -EBADMSG, "not JSON"},
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"vec", -EBADMSG, "not JSON"},
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}} x", -EBADMSG, "not JSON"},
		{"[]", -EBADMSG, "no answer"},
		{"\"success\"", -EBADMSG, "no answer"},
		{"{}", -EBADMSG, "no answer"},
		{"{\"status\":\"ok\"}", -EBADMSG, "no answer"},
		{"{\"status\":\"success\"}", -EBADMSG, "no answer"},
		{"{\"status\":\"success\",\"data\":[]}", -EBADMSG, "no answer"},
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\"}}", -EBADMSG, "no answer"},
		{"{\"status\":\"success\",\"data\":{\"result\":[]}}", -EBADMSG, "no answer"},
		{VECTOR("{}"), -EBADMSG, "no answer"},
		{VECTOR("null"), -EBADMSG, "no answer"},
		{VECTOR("[null]"), -EBADMSG, "shape"},
		{VECTOR("[[1,\"2\"]]"), -EBADMSG, "shape"},
		{VECTOR("[{\"metric\":[],\"value\":[1,\"2\"]}]"), -EBADMSG, "shape"},
		{VECTOR("[{\"metric\":{}}]"), -EBADMSG, "no value"},
		{VECTOR("[{\"metric\":{},\"value\":\"2\"}]"), -EBADMSG, "no value"},
		{VECTOR("[{\"metric\":{},\"value\":[\"2\"]}]"), -EBADMSG, "pair"},
		{VECTOR("[{\"metric\":{},\"value\":[1,\"2\",3]}]"), -EBADMSG, "pair"},
		{VECTOR("[{\"metric\":{},\"value\":[\"1\",\"2\"]}]"), -EBADMSG, "pair"},
		{VECTOR("[{\"metric\":{},\"value\":[1e999,\"2\"]}]"), -EBADMSG, "pair"},
		{VECTOR("[" SAMPLE("\"1\"") ",{}]"), -EBADMSG, "no value"},
		{VECTOR("[{\"metric\":{},\"histogram\":[1,{\"count\":\"2\",\"sum\":\"3\"}]}]"), -EINVAL, "histograms"},
		{MATRIX("[]"), -EINVAL, "a matrix"},
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"x\"]}}", -EINVAL,
	         "a string"},
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[]}}", -EINVAL, "a streams"},
		{"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: unexpected )\"}", -EINVAL,
	         "bad_data: parse error: unexpected )"},
		{"{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed "
	         "out\",\"data\":{\"resultType\":"
	         "\"vector\",\"result\":[]}}",
	         -EINVAL, "query timed out"},
		{"{\"status\":\"error\"}", -EINVAL, "no reason given"},
		{"{\"status\":\"error\",\"error\":{}}", -EINVAL, "no reason given"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct prom_vector v = {.n = 7};
		char why[200];
		int r = vector(cases[i].body, &v, why);
		if (r != cases[i].r || !strstr(why, cases[i].word))
			fail_msg("%s: %d \"%s\"", cases[i].body, r, why);
		assert_int_equal(v.n, 7);
		assert_null(v.samples);
	}
}

static void an_error_text_is_quoted_on_one_bounded_line(void **state)
{
	(void)state;
	struct prom_vector v = {0};
	char body[4096], why[200];
	int at = sprintf(body, "{\"status\":\"error\",\"errorType\":\"x\\ny\",\"error\":\"a\\nb\\u001b[31m");

	for (int i = 0; i < 1000; i++)
		at += sprintf(body + at, "é");
	sprintf(body + at, "\"}");
	assert_int_equal(vector(body, &v, why), -EINVAL);
	assert_null(strpbrk(why, "\n\x1b"));
	assert_true(text_utf8_valid(why, strlen(why)));
}

static char *many_series(size_t n)
{
	char *body = malloc(n * 64 + 200);

	assert_non_null(body);
	size_t at = (size_t)sprintf(body, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[");
	for (size_t i = 0; i < n; i++)
		at += (size_t)sprintf(body + at, "%s{\"metric\":{\"i\":\"%zu\"},\"value\":[1,\"%zu\"]}", i ? "," : "",
		                      i, i);
	sprintf(body + at, "]}}");
	return body;
}

static void ten_thousand_series_are_taken_and_no_more(void **state)
{
	(void)state;
	CLEANUP(cleanup_free)
	char *most = many_series(PROM_SERIES_MAX), *over = many_series(PROM_SERIES_MAX + 1);
	struct prom_vector v = {0};
	char why[200];

	assert_int_equal(vector(most, &v, why), 0);
	assert_int_equal(v.n, PROM_SERIES_MAX);
	assert_true(v.samples[PROM_SERIES_MAX - 1].value == PROM_SERIES_MAX - 1);
	prom_vector_free(&v);
	assert_int_equal(vector(over, &v, why), -E2BIG);
	assert_non_null(strstr(why, "10001 series"));
}

static void a_reply_cut_anywhere_is_not_json(void **state)
{
	(void)state;
	static const char body[] = VECTOR("[" SAMPLE("\"1\"") "," SAMPLE("\"NaN\"") "]");

	for (size_t len = 0; len < sizeof(body) - 1; len++) {
		struct prom_vector v = {0};
		char why[200] = "";
		assert_int_equal(prom_vector_parse(body, len, &v, why, sizeof(why)), -EBADMSG);
		assert_string_not_equal(why, "");
	}
}

/* {"status":…,"result":[unit,unit,…]} of so many bytes */
static char *answer_of(const char *type, const char *unit, size_t bytes)
{
	struct buf b = BUF(16 << 20);

	buf_printf(&b, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":[", type);
	while (b.len < bytes)
		buf_printf(&b, "%s,", unit);
	buf_printf(&b, "%s]}}", unit);
	assert_int_equal(b.error, 0);
	return buf_take(&b);
}

/* 7 MB of {} are two gigabytes as a tree. */
static void an_answer_of_tiny_values_is_unknown_and_never_built(void **state)
{
	(void)state;
	static const char *const types[] = {"vector", "matrix"};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		CLEANUP(cleanup_free) char *body = answer_of(types[i], "{}", 7 << 20);
		CLEANUP(json_cleanup) struct json_object *series = NULL;
		struct prom_vector v = {0};
		char why[200] = "";

		assert_int_equal(i ? matrix(body, 100, 1000, &series, why) : vector(body, &v, why), -E2BIG);
		assert_null(v.root);
		assert_non_null(strstr(why, "too large"));
	}
}

static void answers_that_are_held_together_are_bounded(void **state)
{
	(void)state;
	CLEANUP(cleanup_free)
	char *body = answer_of("vector", "{\"metric\":{\"i\":\"1\"},\"value\":[1,\"2\"]}", 200000);
	struct prom_vector held[100] = {{0}}, v = {0};
	char why[200] = "";
	size_t n = 0;

	while (n < ARRAY_LEN(held) && vector(body, &held[n], why) == 0)
		n++;
	assert_in_range(n, 2, ARRAY_LEN(held) - 1);
	assert_non_null(strstr(why, "beside others"));
	prom_vector_free(&held[0]); /* makes room again */
	assert_int_equal(vector(body, &v, why), 0);
	prom_vector_free(&v);
	for (size_t i = 1; i < n; i++)
		prom_vector_free(&held[i]);
}

/* ---- range queries ---- */

static void a_matrix_keeps_its_digits_and_nulls_what_is_no_number(void **state)
{
	(void)state;
	CLEANUP(json_cleanup) struct json_object *got = NULL;
	char why[200];

	assert_int_equal(matrix(MATRIX("[{\"metric\":{\"job\":\"cst\"},\"values\":[[1760436000,\"0.002\"],"
	                               "[1760436015.5,\"NaN\"],[1760436030,\"+Inf\"],[1760436045,\"-Inf\"],["
	                               "1760436060,\"-0.1\"]]},"
	                               "{\"values\":[]}]"),
	                        10, 10, &got, why),
	                 0);
	assert_string_equal(json_text(got),
	                    "[{\"labels\":{\"job\":\"cst\"},\"points\":[[1760436000,0.002],[1760436015.5,null],"
	                    "[1760436030,null],[1760436045,null],[1760436060,-0.1]]},"
	                    "{\"labels\":{},\"points\":[]}]");
	assert_int_equal(json_check(json_text(got), strlen(json_text(got)), NULL), 0);
}

static void an_empty_matrix_is_an_empty_array(void **state)
{
	(void)state;
	CLEANUP(json_cleanup) struct json_object *got = NULL;
	char why[200];

	assert_int_equal(matrix(MATRIX("[]"), 0, 0, &got, why), 0);
	assert_string_equal(json_text(got), "[]");
}

static void a_matrix_stays_within_its_limits(void **state)
{
	(void)state;
	static const char body[] =
		MATRIX("[{\"metric\":{},\"values\":[[1,\"1\"],[2,\"1\"]]},{\"metric\":{},\"values\":[]}]");
	struct json_object *got = NULL;
	char why[200];

	assert_int_equal(matrix(body, 1, 2, &got, why), -E2BIG);
	assert_non_null(strstr(why, "2 series"));
	assert_int_equal(matrix(body, 2, 1, &got, why), -E2BIG);
	assert_non_null(strstr(why, "2 points"));
	assert_null(got);
	assert_int_equal(matrix(body, 2, 2, &got, why), 0);
	json_object_put(got);
}

static void what_is_no_matrix_says_so(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		int r;
		const char *word;
	} cases[] = {
		{"Bad Gateway", -EBADMSG, "not JSON"},
		{VECTOR("[]"), -EINVAL, "a vector, not a matrix"},
		{"{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"too many samples\"}", -EINVAL,
	         "too many samples"},
		{MATRIX("[{\"metric\":{},\"histograms\":[]}]"), -EINVAL, "histograms"},
		{MATRIX("[{\"metric\":{},\"values\":[],\"histograms\":[]}]"), -EINVAL, "histograms"},
		{MATRIX("[{\"metric\":{}}]"), -EBADMSG, "no values"},
		{MATRIX("[{\"metric\":{},\"values\":[[1,2]]}]"), -EBADMSG, "pair"},
		{MATRIX("[{\"metric\":{},\"values\":[[1,\"2\"],null]}]"), -EBADMSG, "pair"},
		{MATRIX("[7]"), -EBADMSG, "shape"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_object *got = NULL;
		char why[200];
		int r = matrix(cases[i].body, 10, 10, &got, why);
		if (r != cases[i].r || !strstr(why, cases[i].word))
			fail_msg("%s: %d \"%s\"", cases[i].body, r, why);
		assert_null(got);
	}
}

/* ---- questions ---- */

static void a_query_is_percent_encoded(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(1000);

	assert_int_equal(prom_query_url(&b, "http://127.0.0.1:9090", "sum(rate(x{job=\"a&b\"}[1m])) / 2 + é#", 3), 0);
	assert_string_equal(buf_text(&b),
	                    "http://127.0.0.1:9090/api/v1/query?query=sum%28rate%28x%7Bjob%3D%22a%26b%22%7D%5B1m"
	                    "%5D%29%29%20%2F%202%20%2B%20%C3%A9%23&timeout=3.000");
}

static void a_base_may_end_in_slashes_and_have_a_path(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(1000);

	assert_int_equal(prom_query_url(&b, "https://h/prometheus//", "up", 0), 0);
	assert_string_equal(buf_text(&b), "https://h/prometheus/api/v1/query?query=up");
}

static void a_range_has_start_end_and_step(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(1000);

	assert_int_equal(prom_range_url(&b, "http://p:9090", "up", 1760436000, 1760437800.5, 15, 2.5), 0);
	assert_string_equal(buf_text(&b),
	                    "http://p:9090/api/v1/query_range?query=up&start=1760436000.000&end=1760437800.500"
	                    "&step=15.000&timeout=2.500");
}

static void a_url_beyond_the_buffer_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(40);

	assert_int_equal(prom_query_url(&b, "http://p:9090", "a_metric_with_a_long_name", 3), -ENOSPC);
	buf_reset(&b);
	assert_int_equal(prom_range_url(&b, "http://p:9090", "up", 1, 2, 3, 0), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instant_vector_is_read),
		cmocka_unit_test(an_answer_with_warnings_is_none),
		cmocka_unit_test(a_partial_answer_is_none),
		cmocka_unit_test(values_are_quoted_numbers_and_nothing_else),
		cmocka_unit_test(nan_stays_nan),
		cmocka_unit_test(an_empty_vector_is_no_number),
		cmocka_unit_test(a_scalar_is_one_sample_without_labels),
		cmocka_unit_test(what_is_no_answer_says_so_and_leaves_the_result_alone),
		cmocka_unit_test(an_error_text_is_quoted_on_one_bounded_line),
		cmocka_unit_test(ten_thousand_series_are_taken_and_no_more),
		cmocka_unit_test(a_reply_cut_anywhere_is_not_json),
		cmocka_unit_test(an_answer_of_tiny_values_is_unknown_and_never_built),
		cmocka_unit_test(answers_that_are_held_together_are_bounded),
		cmocka_unit_test(a_matrix_keeps_its_digits_and_nulls_what_is_no_number),
		cmocka_unit_test(an_empty_matrix_is_an_empty_array),
		cmocka_unit_test(a_matrix_stays_within_its_limits),
		cmocka_unit_test(what_is_no_matrix_says_so),
		cmocka_unit_test(a_query_is_percent_encoded),
		cmocka_unit_test(a_base_may_end_in_slashes_and_have_a_path),
		cmocka_unit_test(a_range_has_start_end_and_step),
		cmocka_unit_test(a_url_beyond_the_buffer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
