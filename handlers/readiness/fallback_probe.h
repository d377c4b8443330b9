/*
 * Could the old way take the traffic? The checks of rollouts[].fallback_probe, asked anew by every pass.
 *
 * Engine thread. Each check has its time limit; what could not be established is unknown, never yes or no. What reads
 * results is pure.
 */
#ifndef HANDLERS_READINESS_FALLBACK_PROBE_H
#define HANDLERS_READINESS_FALLBACK_PROBE_H

#include "db/incident.h"
#include "handlers/settings/settings.h"
#include "server/core/loop.h"

struct probe_result {
	enum condition_status state;
	double value;  /* NaN: it gives none */
	char why[300]; /* one sentence, always there */
};

struct fallback_probe;
/* results: one per check, in their order; borrowed during the call. */
typedef void fallback_probe_fn(void *arg, const struct probe_result *results, size_t n);
/* Calls back once, after the slowest check or its time limit, never inside the call. o and r are borrowed until then.
 * 0 or -errno: nothing was started. */
int fallback_probe_start(struct loop *l, const struct prometheus_options *o, const struct rollout *r,
                         fallback_probe_fn *fn, void *arg, struct fallback_probe **ret) MUST_CHECK;
void fallback_probe_cancel(struct fallback_probe *p); /* no call back; NULL is fine */

/* All of a rollout's checks together: one no is a no, else one unknown is unknown. Results that are not those of r's
 * checks, and none, are unknown. Without checks: yes. why: which, and what it said; "" with a yes. */
enum condition_status fallback_probe_all(const struct rollout *r, const struct probe_result *results, size_t n,
                                         char *why, size_t size);
/* The sentence about it, for people: "ready", "NOT READY: reachable: answered 503". b has room for 600 bytes. */
void fallback_probe_words(const struct rollout *r, const struct probe_result *results, size_t n, struct buf *b);

#endif
