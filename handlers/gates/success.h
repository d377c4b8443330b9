/*
 * The success metrics of a plan: the criteria of its last stage that has any, target beside value. What each
 * stage's criteria last said is kept with the run of the stage, so that the report of a later stage, or of a rollout
 * that was rolled back, still has it.
 */
#ifndef HANDLERS_GATES_SUCCESS_H
#define HANDLERS_GATES_SUCCESS_H

#include "handlers/gates/evaluation.h"
#include "handlers/gates/rollout_state.h"

enum metric_verdict { VERDICT_UNKNOWN, VERDICT_MET, VERDICT_MISSED };
const char *verdict_name(enum metric_verdict v);

/* Pure: the last stage of this environment that has criteria; NULL: none has. */
const struct stage *success_stage(const struct settings *s, const struct rollout *r);
/* Pure: is it about this run of the stage it stands at. */
bool success_is_fresh(const struct evaluation *ev, const struct rollout_state *st);

/* Keeps with the run what ev says of its stage, if it stands at its percentage and ev is about it. Writer thread. */
int success_keep(struct db_tx *tx, const struct rollout *r, const struct rollout_state *st,
                 const struct evaluation *ev);
/* Pure: what was kept of one criterion. -ENOENT: nothing. */
int success_kept(const char *results, const char *name, struct criterion_result *ret);

/* Pure: against today's bound. Without a number, or one of too few samples, it is unknown, never met. r NULL: never
 * asked. */
enum metric_verdict success_judge(const struct criterion *c, const struct criterion_result *r);
/* Pure: "met: 0.0002 ratio, at most 0.001"; "unknown: no data; at least 0.8". */
void success_words(struct buf *b, const struct criterion *c, const struct criterion_result *r);

#endif
