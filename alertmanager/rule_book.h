/*
 * Prometheus' rules as /api/v1/rules shows them, and how long each needs from a scrape to an alert. Pure; any thread.
 */
#ifndef ALERTMANAGER_RULE_BOOK_H
#define ALERTMANAGER_RULE_BOOK_H

#include "alertmanager/promql.h"
#include "server/core/json.h"

#define RULES_MAX      10000
#define RULES_TREE_MAX (512UL * 1024 * 1024) /* only rollbackctl reads rules */

struct rule {
	const char *name, *expr, *health, *last_error; /* borrowed from the reply */
	struct json_object *labels;                    /* borrowed; NULL: none */
	bool alerting;                                 /* else it records */
	bool odd;                                      /* its expression could not be followed; scan is empty */
	int64_t for_us, interval_us;                   /* interval: of its group */
	size_t group, at;                              /* number of its group; its place in the whole book */
	struct promql scan;
};

struct rule_book {
	struct json_object *root; /* owned */
	struct rule *list;        /* owned */
	size_t n;
};

/* 0; -EBADMSG: no such reply; -E2BIG; -ENOMEM. */
int rule_book_parse(const char *body, size_t len, struct rule_book *ret) MUST_CHECK;
void rule_book_free(struct rule_book *b);

/* Names of series, each once. */
struct series_names {
	char **list; /* owned, with what it points to */
	size_t n;
};
bool series_names_has(const struct series_names *s, const char *name);
void series_names_free(struct series_names *s);
/* Adds what an expression stands on in the end: the series that no rule records. -ENOMEM. */
int rule_book_leaves(const struct rule_book *b, const struct promql *p, struct series_names *to) MUST_CHECK;

struct rule_delay {
	int64_t span_us, eval_us; /* of the slowest way: spans; waiting for evaluations, the rule's own included */
	int64_t for_us;           /* rounded up to whole intervals of its group */
	int64_t back_us;          /* how far back it looks in all */
	bool odd; /* an expression on the way could not be followed, or rules record each other in a circle */
};
/* still: series that a fault does not move (what the fault is compared with); their spans delay nothing. -ENOMEM. */
int rule_book_delay(const struct rule_book *b, const struct rule *r, const struct series_names *still,
                    struct rule_delay *ret) MUST_CHECK;
/* How far back an expression looks, with all rules that it stands on. -ENOMEM. */
int rule_book_back(const struct rule_book *b, const struct promql *p, int64_t *ret_us) MUST_CHECK;

#endif
