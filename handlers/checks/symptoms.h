/*
 * What an incident is about: the queries that tell whether its symptom is gone, each with its bound.
 *
 * Each symptom of the rollout that a trigger of the incident matches; the rollout's own query for a trigger that
 * matches none, and for an incident without a trigger. Any thread.
 */
#ifndef HANDLERS_CHECKS_SYMPTOMS_H
#define HANDLERS_CHECKS_SYMPTOMS_H

#include "handlers/settings/settings.h"
#include "server/core/buf.h"

#define SYMPTOMS_MAX 33 /* 32 of the config, and the rollout's own */

struct asked_symptom {
	const char *name; /* borrowed from the rollout; NULL: its own query */
	char *query;      /* owned: ${onset} is replaced */
	double max;
};
struct asked_symptoms {
	struct asked_symptom item[SYMPTOMS_MAX];
	size_t n; /* 0: nothing is configured */
};

/* labels: of the incident's triggers, n JSON objects as text; all: there are more than these, so every symptom is asked
 * for. onset_us: when it began, wall. -ENOMEM: nothing is in ret. */
int symptoms_of(const struct rollout *r, char *const *labels, size_t n, bool all, int64_t onset_us,
                struct asked_symptoms *ret) MUST_CHECK;
void symptoms_free(struct asked_symptoms *s);

/* Every ${onset} of a query as Unix seconds. */
int symptom_query(struct buf *b, const char *query, int64_t onset_us);
/* To try a query: as if the incident began at the moment with which what it compares with is now, for a Prometheus that
 * is younger than its offset. The caller's to free; NULL: out of memory. */
char *symptom_query_now(const char *query) MUST_CHECK;

#endif
