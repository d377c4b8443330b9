/*
 * A stage's criteria: what to ask, and what the answer means. Pure; any thread.
 *
 * No data, NaN, an error or too few samples is unknown and never passes.
 */
#ifndef HANDLERS_GATES_CRITERIA_H
#define HANDLERS_GATES_CRITERIA_H

#include "handlers/checks/prom_query.h"

enum criterion_state { CRITERION_UNKNOWN, CRITERION_HOLDS, CRITERION_FAILS, CRITERION_NOT_YET };
const char *criterion_state_name(enum criterion_state s); /* "unknown", "holds", "fails", "not_judged_yet" */

struct criterion_result {
	enum criterion_state state;
	double value;   /* NaN: none */
	double samples; /* NaN: not asked, or unknown */
	char why[300];  /* one sentence, always there */
};

/* What to ask now, in b: the query itself, or its worst value over the part of `over` that lies in this run and behind
 * the warm-up. age: since the stage was entered. false: not to be judged yet. */
bool criterion_query(struct buf *b, const struct criterion *c, int64_t age_us);
void criterion_judge(const struct criterion *c, int64_t age_us, const struct prom_answer *value,
                     const struct prom_answer *samples, const struct prom_answer *left_out,
                     struct criterion_result *ret);

#endif
