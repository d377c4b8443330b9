/*
 * rollbackctl simulate: what the triggers of rule files would have done over what Prometheus has.
 *
 * Prometheus evaluates, step by step: each rule's expression is asked for over the whole span, with recorded names
 * replaced by what records them, because a rule is never recorded in the past. for and keep_firing_for are applied to
 * the answers here. Where what an expression compares has no data it is unknown, never "would not have fired".
 */
#ifndef SERVER_CTL_SIMULATE_SIMULATE_H
#define SERVER_CTL_SIMULATE_SIMULATE_H

#include "alertmanager/alert_clock.h"
#include "alertmanager/promql_parts.h"
#include "handlers/settings/settings.h"
#include "server/core/buf.h"
#include "server/core/json.h"
#include "server/core/loop.h"

#define SIM_RULES_MAX    1000
#define SIM_EPISODES_MAX 200 /* listed of one rule; the others are counted */
#define SIM_WHY_MAX      400

struct sim_rule {
	const char *name, *file; /* borrowed from the tree and from argv */
	char *expr;              /* owned: without comments, recorded names replaced */
	struct json_object *labels;
	bool alerting;
	int64_t for_us, keep_us, step_us;
	char recorded[100]; /* a recorded series that could not be replaced; "" : none */
};

struct sim_book {
	struct json_object *files; /* owned: what the rules borrow from */
	struct sim_rule *list;     /* owned */
	size_t n;
};

/* Reads the rule files. step_us: of groups that name no interval. 0; -EINVAL with a sentence on stderr. */
int sim_book_read(const char *const *files, size_t n, int64_t step_us, struct sim_book *ret);
void sim_book_free(struct sim_book *b);

struct sim_episode {
	int64_t at_us, until_us; /* until 0: it fires at the end */
	char *labels;            /* owned: JSON */
};

/* What one expression would have made of the rule. */
struct sim_outcome {
	struct sim_episode *list; /* owned */
	size_t n, kept;           /* how many there were, how many of them are in the list */
	int64_t longest_us;       /* that its condition held, whether it fired or not */
};
void sim_outcome_free(struct sim_outcome *o);

struct sim {
	struct loop *loop;
	struct prometheus_options prometheus;
	int64_t from_us, until_us;
	bool progress;         /* a person watches */
	char why[SIM_WHY_MAX]; /* of the last that failed */
};

/* How near it came, and how much of it is known. */
struct sim_near {
	double value, of_bound; /* NaN: unknown, or no such bound */
	int64_t at_us;
	size_t steps, known; /* evaluations, and those whose data was there */
	int64_t first_us;    /* of the known; 0: none is */
};

/* Asks Prometheus. 0, or -EIO with s->why. */
int sim_run(struct sim *s, const struct sim_rule *r, const char *expr, struct sim_outcome *ret);
int sim_near(struct sim *s, const struct sim_rule *r, struct sim_near *ret);
/* The rule's expression with another number for its bound, wherever it stands in a comparison. NULL: it compares with
 * no number, or there is no memory. *ret_was: the number so far. Owned by the caller. */
char *sim_changed(const struct sim_rule *r, double bound, double *ret_was);
/* The number in the part's bound; false: it is none. */
bool sim_bound(const struct promql_part *p, double *ret);

#endif
