/*
 * Many questions to Prometheus at once, each answered with one number or a reason why not.
 *
 * Engine thread. ask_start calls back once, after the slowest answer or its time limit, never inside the call.
 */
#ifndef HANDLERS_CHECKS_PROM_QUERY_H
#define HANDLERS_CHECKS_PROM_QUERY_H

#include "handlers/settings/settings.h"
#include "server/core/loop.h"

#define ASK_WHY_MAX 200

struct answer {
	bool asked;            /* false: the query was NULL */
	bool reached;          /* Prometheus answered at all */
	size_t n;              /* samples */
	double least, most;    /* of them; NaN when there are none, or one is no number */
	char why[ASK_WHY_MAX]; /* why there is no number; "" when there is one */
};

/* The one number of a bound: the worst sample. NaN: unknown, and why says it. Pure. */
double answer_worst(const struct answer *a, bool low_is_bad);

struct ask;
typedef void ask_fn(void *arg, const struct answer *answers, size_t n);
/* queries are copied; a NULL one is skipped. 0 or -errno: nothing was started. */
int ask_start(struct loop *l, const struct prometheus_options *o, const char *const *queries, size_t n, ask_fn *fn,
              void *arg, struct ask **ret) MUST_CHECK;
void ask_cancel(struct ask *a); /* no call back; NULL is fine */

#endif
