#include "handlers/compare/data.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"

/* The step at whose end this second stands; grid->n: none. */
static size_t step_at(const struct compare_grid *grid, double at_s)
{
	assert(grid->step_us > 0);
	double i = (at_s * (double)US_PER_S - (double)grid->from_us) / (double)grid->step_us - 1, whole = round(i);

	return fabs(i - whole) < 0.01 && whole >= 0 && whole < (double)grid->n ? (size_t)whole : grid->n;
}

/* Values of one series into ret[step * stride]. */
static void read_points(struct json_object *one, const struct compare_grid *grid, double *ret, size_t stride)
{
	struct json_object *points = NULL;

	for (size_t i = 0; json_get_arr(one, "points", &points) == 1 && i < json_object_array_length(points); i++) {
		struct json_object *point = json_object_array_get_idx(points, i),
				   *value = json_object_array_get_idx(point, 1);
		size_t step = step_at(grid, json_object_get_double(json_object_array_get_idx(point, 0)));

		if (step < grid->n && value)
			ret[step * stride] = json_object_get_double(value);
	}
}

static void fill_nan(double *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		values[i] = NAN;
}

int compare_line_read(struct json_object *series, const struct compare_grid *grid, double *ret, char *why, size_t size)
{
	assert(series && grid && grid->step_us > 0 && ret && why && size > 0);
	size_t n = json_object_array_length(series);

	fill_nan(ret, grid->n);
	if (n > 1) {
		snprintf(why, size, "the query gives %zu series, one is needed: sum them", n);
		return -EINVAL;
	}
	if (n == 1)
		read_points(json_object_array_get_idx(series, 0), grid, ret, 1);
	return 0;
}

struct bucket {
	double upper;
	struct json_object *series; /* borrowed */
};

static int by_upper(const void *a, const void *b)
{
	double x = ((const struct bucket *)a)->upper, y = ((const struct bucket *)b)->upper;

	return (x > y) - (x < y);
}

static int upper_of(struct json_object *one, double *ret)
{
	struct json_object *labels = NULL;
	const char *le = NULL;
	char *end = NULL;

	if (json_get_obj(one, "labels", &labels) != 1 || json_get_str(labels, "le", &le) != 1)
		return -EINVAL;
	*ret = strtod(le, &end);
	return end == le || *end || isnan(*ret) ? -EINVAL : 0;
}

/* Sorted by their bounds. */
static int sort_buckets(struct json_object *series, struct bucket *to, size_t n, char *why, size_t size)
{
	assert(n <= COMPARE_BUCKETS_MAX);
	for (size_t i = 0; i < n; i++) {
		to[i].series = json_object_array_get_idx(series, i);
		if (upper_of(to[i].series, &to[i].upper) < 0) {
			snprintf(why, size,
			         "a series has no label le: the query must give buckets, sum by (le) (increase(...))");
			return -EINVAL;
		}
	}
	qsort(to, n, sizeof(*to), by_upper);
	for (size_t i = 1; i < n; i++)
		if (to[i].upper == to[i - 1].upper) {
			snprintf(why, size, "two series have le=\"%g\": sum by (le)", to[i].upper);
			return -EINVAL;
		}
	return 0;
}

int compare_buckets_read(struct json_object *series, const struct compare_grid *grid, struct compare_buckets *ret,
                         char *why, size_t size)
{
	assert(series && grid && grid->step_us > 0 && ret && why && size > 0);
	struct bucket sorted[COMPARE_BUCKETS_MAX] = {0};
	size_t n = json_object_array_length(series);

	if (n > ARRAY_LEN(sorted)) {
		snprintf(why, size, "the query gives %zu series, %d buckets are the most: sum by (le)", n,
		         COMPARE_BUCKETS_MAX);
		return -EINVAL;
	}
	int e = sort_buckets(series, sorted, n, why, size);
	if (e < 0)
		return e;
	struct compare_buckets b = {.upper = calloc(n + 1, sizeof(*b.upper)),
	                            .counts = calloc(grid->n * n + 1, sizeof(*b.counts)),
	                            .n_upper = n};
	if (!b.upper || !b.counts) {
		compare_buckets_free(&b);
		return -ENOMEM;
	}
	fill_nan(b.counts, grid->n * n);
	for (size_t i = 0; i < n; i++) {
		b.upper[i] = sorted[i].upper;
		read_points(sorted[i].series, grid, b.counts + i, n);
	}
	*ret = b;
	return 0;
}

void compare_buckets_free(struct compare_buckets *b)
{
	assert(b);
	free(b->upper);
	free(b->counts);
	*b = (struct compare_buckets) {0};
}
