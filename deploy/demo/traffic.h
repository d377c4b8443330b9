/*
 * The two pipelines of the demo service: who takes which, how they fare, what they export.
 *
 * A struct traffic makes its own requests on its own thread. Everything here may be called from any thread.
 * Percentages are hundredths of a percent (0..10000).
 */
#ifndef DEPLOY_DEMO_TRAFFIC_H
#define DEPLOY_DEMO_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCT_MAX 10000

enum pipeline { PIPELINE_CST, PIPELINE_LEGACY, PIPELINE_N };

/* How a pipeline misbehaves; all zero: it does not. */
struct fault {
	double errors;                             /* share of its requests that fail, 0..1 */
	double slow_ms;                            /* added to each request */
	double leak_mb_per_min;                    /* 10^6 bytes, while it has a share of the traffic */
	double cache_misses;                       /* share of its cache hits that become misses, 0..1 */
	double reuse_loss;                         /* share of its embeddings that are not reused any more, 0..1 */
	double index_failures_per_min, p0_per_min; /* while it has a share of the traffic */
};

struct traffic;

int pipeline_find(const char *name); /* enum pipeline or -EINVAL */

/* rate: requests per second. salt is borrowed. -errno */
int traffic_start(const char *salt, int rate, struct traffic **ret);
void traffic_stop(struct traffic *t); /* NULL is fine */

int32_t traffic_percentage(struct traffic *t);
/* Of the flags in effect; -1: whoever set the percentage did not say. */
int64_t traffic_generation(struct traffic *t);
void traffic_set_percentage(struct traffic *t, int32_t pct);
void traffic_set_flags(struct traffic *t, int32_t pct, int64_t generation);
struct fault traffic_fault(struct traffic *t, enum pipeline p);
void traffic_set_fault(struct traffic *t, enum pipeline p, const struct fault *fault);
/* One request that takes that way, counted nowhere: how long it typically takes. false: most of its requests fail. */
bool traffic_probe(struct traffic *t, enum pipeline p, double *ret_seconds);
/* All faults gone, leaked memory too. */
void traffic_heal(struct traffic *t);

/* Prometheus' text format, the caller's to free. NULL when out of memory. */
char *traffic_metrics(struct traffic *t);

#endif
