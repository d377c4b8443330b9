/*
 * What can be told from the text of a PromQL expression without evaluating it: which series it names, how far back it
 * looks, and a few mistakes that the text alone proves. Pure; any thread.
 */
#ifndef ALERTMANAGER_PROMQL_H
#define ALERTMANAGER_PROMQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/scope.h"

#define PROMQL_SELECTORS_MAX 1000
#define PROMQL_DEPTH_MAX     100

struct promql_selector {
	char *name; /* owned; "" when only a regular expression or other labels say which series */
	/* The ranges around it, subqueries added: a fault has to fill them before the value is the fault's. The ranges
	 * of last_over_time and its like are none of these: they give the newest sample. */
	int64_t span_us;
	int64_t back_us; /* how far it looks back, everything added */
	/* So much older than its newest sample may be what its value stands on: ranges, but for those of rates and of
	 * max_over_time, which nothing older makes less; steps of subqueries; what a rule recorded. */
	int64_t lag_us;
	const char *last; /* borrowed: the range of a last_over_time around it, last_len bytes; NULL: none */
	size_t last_len;
	const char *text; /* borrowed from the expression: the name and its braces, len bytes */
	size_t len;
	bool shifted;      /* behind an offset or @ a moment: the past, as something to compare with */
	bool rate, summed; /* inside of rate() or its like; inside of an aggregation */
};

struct promql {
	struct promql_selector *list; /* owned */
	size_t n;
	bool quantile_without_le; /* a classic histogram is aggregated and le is lost: the answer is always empty */
	bool quantile_each;       /* histogram_quantile over series that are not summed: one per instance */
	bool unguarded;           /* divides by a rate that may be 0: NaN, which no comparison holds for */
};

/* Is every bracket and every string of it closed, each by its own kind? More than PROMQL_DEPTH_MAX open at once: no. */
bool promql_is_closed(const char *text);

/* 0; -EINVAL: it could not be followed (brackets, a range that is no duration, too long); -ENOMEM. */
int promql_scan(const char *text, struct promql *ret) MUST_CHECK;
void promql_free(struct promql *p);

/* A question whose answer is the time of the oldest of the newest samples of a series: min(timestamp(…)). */
struct promql_age {
	char *query;    /* owned */
	int64_t lag_us; /* what the expression makes of it may be so much older */
};
struct promql_ages {
	struct promql_age *list; /* owned */
	size_t n;
};
/* How old what the expression stands on is: a question for each series it names that is not behind an offset, each
 * once; where past, also if it is compared with one behind an offset, else that is no age that could be told.
 * -EINVAL: it cannot be told (it cannot be followed, names no series, or more than PROMQL_AGES_MAX); -ENOMEM. */
#define PROMQL_AGES_MAX   16
#define PROMQL_RULE_LAG_S 60 /* a rule's sample is young, what it read was scraped within the usual interval */
int promql_ages(const char *text, bool past, struct promql_ages *ret) MUST_CHECK;
void promql_ages_free(struct promql_ages *ages);

/* The largest span; those behind an offset count only when there is no other. */
int64_t promql_span(const struct promql *p);
int64_t promql_back(const struct promql *p);

#endif
