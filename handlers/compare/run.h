/*
 * A comparison: asks Prometheus for every series of a rollout's section compare, judges them, reports as JSON.
 *
 * Engine thread; calls back once, never inside the call that started it, after at most COMPARE_TIMEOUT_US.
 */
#ifndef HANDLERS_COMPARE_RUN_H
#define HANDLERS_COMPARE_RUN_H

#include "handlers/settings/settings.h"
#include "handlers/compare/data.h"
#include "server/core/clock.h"
#include "server/core/loop.h"

#define COMPARE_TIMEOUT_US (15 * US_PER_S) /* of all queries together: less than the http server waits */
#define COMPARE_SHARE_OFF  200             /* hundredths of a point by which the observed share may differ */

/* A time that does not count, and why: a hold, a rollback. */
struct compare_span {
	int64_t from_us, to_us;
	char *reason; /* owned */
};
struct compare_spans {
	struct compare_span *item; /* owned */
	size_t n;
};
void compare_spans_free(struct compare_spans *s);
/* -ENOMEM: nothing was added. */
int compare_spans_add(struct compare_spans *s, int64_t from_us, int64_t to_us, const char *reason) MUST_CHECK;

struct compare_request {
	const struct rollout *rollout;               /* borrowed: outlives the run */
	const struct prometheus_options *prometheus; /* the same */
	int32_t pct;                                 /* expected share in hundredths; -1: not checked */
	double threshold;
	struct compare_grid grid;
	struct compare_spans left_out; /* the run's, once started */
};

/* The whole steps of the last duration before now. -EINVAL with why (>= 200): nothing is configured, less than one step
 * or more than COMPARE_HOURS_MAX. Pure. */
int compare_grid_of(const struct compare_options *o, int64_t now_us, int64_t duration_us, struct compare_grid *ret,
                    char *why, size_t size) MUST_CHECK;

/* What was answered of one query. */
struct compare_answer {
	double *line; /* owned: grid.n values; NULL: buckets, or unknown */
	struct compare_buckets buckets;
	char why[300]; /* why nothing is known; "" */
};
/* In the order of compare_questions. Pure; -ENOMEM. */
int compare_report(const struct compare_request *rq, const struct compare_answer *answers,
                   struct json_object **ret) MUST_CHECK;

/* The queries: the share first, then of each metric the candidate's and the baseline's, each followed by its bad ones
 * where the metric has them. Calls take for each of them, NULL for a share that is not configured; returns how many. */
typedef void compare_take_fn(void *arg, size_t i, const char *query, bool buckets);
size_t compare_questions(const struct compare_options *o, compare_take_fn *take, void *arg);

struct compare_run;
/* report: the callee's; NULL with err < 0. */
typedef void compare_fn(void *arg, int err, struct json_object *report);
/* On failure rq->left_out is still the caller's. */
int compare_start(struct loop *l, struct compare_request *rq, compare_fn *fn, void *arg,
                  struct compare_run **ret) MUST_CHECK;
void compare_cancel(struct compare_run *r); /* no call back; NULL is fine */

#endif
