/*
 * Replies of Prometheus' query API (docs/querying/api.md): instant vectors, scalars, range matrices. Pure, fuzzed.
 *
 * NaN, infinities, an empty vector and an error are told apart from a number: none of them is ever "healthy".
 */
#ifndef ALERTMANAGER_PROMETHEUS_H
#define ALERTMANAGER_PROMETHEUS_H

#include <stddef.h>
#include "server/core/buf.h"
#include "server/core/json.h"

struct prom_sample {
	double value;               /* may be NaN or infinite: the caller decides */
	double at;                  /* unix seconds */
	struct json_object *metric; /* borrowed from the reply; NULL for a scalar */
};

struct prom_vector {
	struct json_object *root;    /* owned */
	struct prom_sample *samples; /* owned */
	size_t n;
	size_t tree; /* bytes it is counted with */
};

#define PROM_SERIES_MAX 10000
/* Bytes of all answers that are held as trees at the same time, in the whole process. One more is refused with
 * -E2BIG, before it is built: what Prometheus sends is not ours to trust. */
#define PROM_HELD_MAX (40 * 1024 * 1024)

/* An instant query's reply (vector or scalar). 0, or with a short sentence in why (size >= 200): -EBADMSG for what is
 * no reply of Prometheus (not JSON, another shape), -EINVAL for one that has no such numbers: status error (its text is
 * quoted), another result type, histogram values. -E2BIG over PROM_SERIES_MAX or PROM_HELD_MAX, -ENOMEM. */
int prom_vector_parse(const char *body, size_t len, struct prom_vector *ret, char *why, size_t why_size) MUST_CHECK;
void prom_vector_free(struct prom_vector *v); /* leaves zeros */
/* The same samples, sharing the reply: for the same thread. -ENOMEM. */
int prom_vector_copy(const struct prom_vector *v, struct prom_vector *ret) MUST_CHECK;

/* A range query's reply as JSON for a snapshot: an array of {"labels": {…}, "points": [[seconds, value], …]}, NaN and
 * infinities as null, at most max_series series and max_points points each (more: -E2BIG); other failures as above.
 * Seconds and values keep the digits that Prometheus wrote. Caller puts *ret. */
int prom_matrix_parse(const char *body, size_t len, size_t max_series, size_t max_points, struct json_object **ret,
                      char *why, size_t why_size) MUST_CHECK;

/* "<base>/api/v1/query?query=…&timeout=…" with the query percent-encoded, asked for now; no timeout when timeout_s <=
 * 0. -ENOSPC beyond b's maximum, -ENOMEM. */
int prom_query_url(struct buf *b, const char *base, const char *query, double timeout_s);
int prom_range_url(struct buf *b, const char *base, const char *query, double start_s, double end_s, double step_s,
                   double timeout_s);

#endif
