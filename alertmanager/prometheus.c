#include "alertmanager/prometheus.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/quote.h"
#include "server/core/text.h"

struct say { /* where the sentence goes */
	char *why;
	size_t size;
};

#define fail(say, err, ...) say_why((say)->why, (say)->size, err, __VA_ARGS__)

/* ---- the envelope ---- */

static atomic_size_t held;

static void give_back(size_t *tree)
{
	assert(atomic_load(&held) >= *tree);
	atomic_fetch_sub(&held, *tree);
	*tree = 0;
}

/* *ret_tree goes to give_back, whatever came of it. */
static int parse_root(const char *body, size_t len, struct json_object **ret, size_t *ret_tree, const struct say *say)
{
	struct json_fault json = {0};
	size_t others = atomic_load(&held);
	int r = json_parse_within(body, len, others < PROM_HELD_MAX ? PROM_HELD_MAX - others : 0, ret, ret_tree, &json);

	atomic_fetch_add(&held, *ret_tree);
	if (r == -E2BIG)
		return fail(say, r, "Prometheus' answer is too large to be looked at%s: it holds %s",
		            others ? " beside others" : "", json.why ? json.why : "too much");
	if (r == -EINVAL)
		return fail(say, -EBADMSG, "Prometheus' answer is not JSON: %s at byte %zu",
		            json.why ? json.why : "wrong", json.offset);
	return r;
}

static int fail_error(struct json_object *root, const struct say *say)
{
	const char *type = json_str_or(root, "errorType", "error");
	const char *text = json_str_or(root, "error", "no reason given");
	CLEANUP(buf_free) struct buf b = BUF(160);
	char q[QUOTE_SIZE];

	(void)text_one_line(&b, text, strlen(text), 120);
	return fail(say, -EINVAL, "Prometheus answered %s: %s", quote(q, type, strlen(type)), buf_text(&b));
}

/* Prometheus (and who stands before it) does not stand behind such an answer: a part of the data is missing. What it
 * calls infos says nothing of that kind. */
static int fail_warnings(struct json_object *root, const struct say *say)
{
	struct json_object *warnings = NULL;
	CLEANUP(buf_free) struct buf b = BUF(140);

	if (!json_object_object_get_ex(root, "warnings", &warnings) || !warnings)
		return 0;
	if (json_object_is_type(warnings, json_type_array) && json_object_array_length(warnings) == 0)
		return 0;
	struct json_object *first =
		json_object_is_type(warnings, json_type_array) ? json_object_array_get_idx(warnings, 0) : warnings;
	const char *text = first ? json_object_get_string(first) : "";
	(void)text_one_line(&b, text, strlen(text), 120);
	return fail(say, -EINVAL, "its answer comes with a warning: %s", buf_text(&b));
}

/* VictoriaMetrics says so when some of its storage did not answer (docs.victoriametrics.com, Cluster availability). */
static int fail_partial(struct json_object *root, const struct say *say)
{
	struct json_object *partial = NULL;

	if (!json_object_object_get_ex(root, "isPartial", &partial) || !partial || !json_object_get_boolean(partial))
		return 0;
	return fail(say, -EINVAL, "its answer is partial: a part of the data is missing");
}

/* The data of a successful reply and its result, of whatever type. */
static int parse_result(struct json_object *root, const char **ret_type, struct json_object **ret_result,
                        const struct say *say)
{
	struct json_object *data = NULL;
	const char *status = json_str_or(root, "status", "");

	if (strcmp(status, "error") == 0)
		return fail_error(root, say);
	if (strcmp(status, "success") != 0 || json_get_obj(root, "data", &data) != 1 ||
	    json_get_str(data, "resultType", ret_type) != 1 || json_get_arr(data, "result", ret_result) != 1)
		return fail(say, -EBADMSG, "this is no answer of Prometheus' query API");
	int r = fail_warnings(root, say);
	return r < 0 ? r : fail_partial(root, say);
}

static int fail_type(const char *type, const char *wanted, const struct say *say)
{
	assert(type && wanted);
	char q[QUOTE_SIZE];

	return fail(say, -EINVAL, "the query gives a %s, not %s", quote(q, type, strlen(type)), wanted);
}

/* ---- numbers ---- */

/* A sample's value as Prometheus writes it: a JSON number, NaN, +Inf or -Inf. */
static int parse_value(const char *s, double *ret)
{
	assert(s && ret);
	static const struct {
		const char *word;
		double value;
	} words[] = {{"NaN", NAN}, {"+Inf", INFINITY}, {"-Inf", -INFINITY}, {"Inf", INFINITY}};
	char *end = NULL;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(s, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	if ((*s != '-' && (*s < '0' || *s > '9')) || json_check(s, strlen(s), NULL) < 0)
		return -EBADMSG;
	double v = strtod(s, &end);
	if (*end != '\0' || !isfinite(v))
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* [seconds, "value"] */
static int parse_point(struct json_object *pair, double *ret_at, double *ret_value, const struct say *say)
{
	if (json_object_is_type(pair, json_type_array) && json_object_array_length(pair) == 2) {
		struct json_object *at = json_object_array_get_idx(pair, 0);
		struct json_object *value = json_object_array_get_idx(pair, 1);
		bool number = json_object_is_type(at, json_type_int) || json_object_is_type(at, json_type_double);
		double v, seconds = number ? json_object_get_double(at) : NAN;

		if (isfinite(seconds) && json_object_is_type(value, json_type_string) &&
		    parse_value(json_object_get_string(value), &v) == 0) {
			*ret_at = seconds;
			*ret_value = v;
			return 0;
		}
	}
	return fail(say, -EBADMSG, "a sample is no pair of a time and a quoted number");
}

/* The labels of a series; NULL when it has none. */
static int parse_metric(struct json_object *series, struct json_object **ret, const struct say *say)
{
	if (!json_object_is_type(series, json_type_object) || json_get_obj(series, "metric", ret) < 0)
		return fail(say, -EBADMSG, "a series of the answer has another shape than Prometheus documents");
	return 0;
}

/* values or value of a series, an array. */
static int parse_values(struct json_object *series, const char *key, const char *histogram_key,
                        struct json_object **ret, const struct say *say)
{
	struct json_object *other = NULL;

	if (json_object_object_get_ex(series, histogram_key, &other))
		return fail(say, -EINVAL, "the query gives histograms, not numbers");
	if (json_get_arr(series, key, ret) != 1)
		return fail(say, -EBADMSG, "a series of the answer has no %s", key);
	return 0;
}

/* ---- instant queries ---- */

static int parse_sample(struct json_object *series, struct prom_sample *ret, const struct say *say)
{
	struct json_object *pair = NULL;
	int r = parse_metric(series, &ret->metric, say);

	if (r == 0)
		r = parse_values(series, "value", "histogram", &pair, say);
	return r < 0 ? r : parse_point(pair, &ret->at, &ret->value, say);
}

static int parse_samples(struct prom_vector *v, struct json_object *result, bool scalar, const struct say *say)
{
	size_t n = scalar ? 1 : json_object_array_length(result);
	int r = 0;

	if (n > PROM_SERIES_MAX)
		return fail(say, -E2BIG, "the query gives %zu series, more than %d", n, PROM_SERIES_MAX);
	if (n == 0)
		return 0;
	v->samples = calloc(n, sizeof(*v->samples));
	if (!v->samples)
		return -ENOMEM;
	if (scalar)
		r = parse_point(result, &v->samples[0].at, &v->samples[0].value, say);
	for (size_t i = 0; r == 0 && !scalar && i < n; i++)
		r = parse_sample(json_object_array_get_idx(result, i), &v->samples[i], say);
	v->n = n;
	return r;
}

int prom_vector_parse(const char *body, size_t len, struct prom_vector *ret, char *why, size_t why_size)
{
	assert(body || len == 0);
	assert(ret && why && why_size >= 200);
	CLEANUP(prom_vector_free) struct prom_vector v = {0};
	struct say say = {why, why_size};
	struct json_object *result = NULL;
	const char *type = "";

	int r = parse_root(body, len, &v.root, &v.tree, &say);
	if (r == 0)
		r = parse_result(v.root, &type, &result, &say);
	if (r < 0)
		return r;
	bool scalar = strcmp(type, "scalar") == 0;
	if (!scalar && strcmp(type, "vector") != 0)
		return fail_type(type, "a vector or a scalar", &say);
	r = parse_samples(&v, result, scalar, &say);
	if (r < 0)
		return r;
	*ret = v;
	v = (struct prom_vector) {0};
	return 0;
}

void prom_vector_free(struct prom_vector *v)
{
	assert(v && (v->samples || v->n == 0));
	json_object_put(v->root);
	free(v->samples);
	give_back(&v->tree);
	*v = (struct prom_vector) {0};
}

int prom_vector_copy(const struct prom_vector *v, struct prom_vector *ret)
{
	assert(v && ret);
	struct prom_sample *samples = calloc(v->n + 1, sizeof(*samples));

	if (!samples)
		return -ENOMEM;
	if (v->n)
		memcpy(samples, v->samples, v->n * sizeof(*samples));
	*ret = (struct prom_vector) {.root = json_object_get(v->root), .samples = samples, .n = v->n};
	return 0;
}

/* ---- range queries ---- */

/* [seconds, value] with the digits as they came; NaN and infinities as null. */
static int add_point(struct json_object *points, struct json_object *pair, const struct say *say)
{
	double at = 0, value = 0;
	int r = parse_point(pair, &at, &value, say);

	if (r < 0)
		return r;
	CLEANUP(json_cleanup) struct json_object *out = json_object_new_array_ext(2);
	if (!out)
		return -ENOMEM;
	const char *digits = json_object_get_string(json_object_array_get_idx(pair, 1));
	struct json_object *number = isfinite(value) ? json_object_new_double_s(value, digits) : NULL;
	json_object_array_add(out, json_object_get(json_object_array_get_idx(pair, 0)));
	json_object_array_add(out, number);
	if (json_object_array_add(points, out) < 0)
		return -ENOMEM;
	out = NULL;
	return 0;
}

static int add_series(struct json_object *list, struct json_object *series, size_t max_points, const struct say *say)
{
	struct json_object *metric = NULL, *values = NULL;
	int r = parse_metric(series, &metric, say);

	if (r == 0)
		r = parse_values(series, "values", "histograms", &values, say);
	if (r < 0)
		return r;
	size_t n = json_object_array_length(values);
	if (n > max_points)
		return fail(say, -E2BIG, "a series has %zu points, more than %zu", n, max_points);
	struct json_object *out = json_object_new_object();
	struct json_object *points = json_object_new_array_ext(n > 0 ? (int)n : 1);
	json_object_array_add(list, out);
	json_add(out, "labels", metric ? json_object_get(metric) : json_object_new_object());
	json_add(out, "points", points);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_point(points, json_object_array_get_idx(values, i), say);
	return r;
}

int prom_matrix_parse(const char *body, size_t len, size_t max_series, size_t max_points, struct json_object **ret,
                      char *why, size_t why_size)
{
	assert(body || len == 0);
	assert(ret && why && why_size >= 200);
	CLEANUP(json_cleanup) struct json_object *root = NULL, *result = NULL;
	CLEANUP(give_back) size_t tree = 0;
	struct say say = {why, why_size};
	struct json_object *list = NULL;
	const char *type = "";

	int r = parse_root(body, len, &root, &tree, &say);
	if (r == 0)
		r = parse_result(root, &type, &list, &say);
	if (r < 0)
		return r;
	if (strcmp(type, "matrix") != 0)
		return fail_type(type, "a matrix", &say);
	size_t n = json_object_array_length(list);
	if (n > max_series)
		return fail(&say, -E2BIG, "the query gives %zu series, more than %zu", n, max_series);
	result = json_object_new_array();
	if (!result)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_series(result, json_object_array_get_idx(list, i), max_points, &say);
	if (r == 0)
		*ret = TAKE(result);
	return r;
}

/* ---- questions ---- */

static void add_encoded(struct buf *b, const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *s; s++)
		if (strchr(plain, *s))
			buf_char(b, *s);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
}

static void add_start(struct buf *b, const char *base, const char *path, const char *query)
{
	assert(path && query);
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	buf_add(b, base, len);
	buf_printf(b, "/api/v1/%s?query=", path);
	add_encoded(b, query);
}

static int add_timeout(struct buf *b, double timeout_s)
{
	if (timeout_s > 0)
		buf_printf(b, "&timeout=%.3f", timeout_s);
	return b->error;
}

int prom_query_url(struct buf *b, const char *base, const char *query, double timeout_s)
{
	assert(base && query);
	assert(b);
	add_start(b, base, "query", query);
	return add_timeout(b, timeout_s);
}

int prom_range_url(struct buf *b, const char *base, const char *query, double start_s, double end_s, double step_s,
                   double timeout_s)
{
	assert(base && query);
	assert(b && step_s > 0);
	add_start(b, base, "query_range", query);
	buf_printf(b, "&start=%.3f&end=%.3f&step=%.3f", start_s, end_s, step_s);
	return add_timeout(b, timeout_s);
}
