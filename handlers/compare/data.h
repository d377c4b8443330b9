/*
 * Answers of range queries as the series that a comparison judges. Pure.
 */
#ifndef HANDLERS_COMPARE_DATA_H
#define HANDLERS_COMPARE_DATA_H

#include <stddef.h>
#include <stdint.h>
#include "server/core/json.h"

#define COMPARE_HOURS_MAX   10000 /* Prometheus gives at most 11,000 points */
#define COMPARE_BUCKETS_MAX 200

/* n steps; the i-th lies between from + i * step and from + (i + 1) * step, and its values stand at its end. */
struct compare_grid {
	int64_t from_us, step_us;
	size_t n;
};

/* series: as of prom_matrix_parse. ret: grid->n values, NaN where there is none. No series is no data; more than one is
 * -EINVAL, and why (>= 200) says it. */
int compare_line_read(struct json_object *series, const struct compare_grid *grid, double *ret, char *why,
                      size_t size) MUST_CHECK;

/* Cumulative buckets of every step: counts[step * n_upper + bucket]. */
struct compare_buckets {
	double *upper, *counts; /* owned */
	size_t n_upper;
};
/* One series per le. -EINVAL with why: no le, the same le twice; -ENOMEM. */
int compare_buckets_read(struct json_object *series, const struct compare_grid *grid, struct compare_buckets *ret,
                         char *why, size_t size) MUST_CHECK;
void compare_buckets_free(struct compare_buckets *b);

#endif
