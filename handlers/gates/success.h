/*
 * The success metrics of a plan: the criteria of its last stage that has any, target beside value. They judge the whole
 * rollout, not its last moment: the worst that each stage's criteria said is kept with the run of the stage, so that
 * the report of a later stage, or of a rollout that was rolled back, still has it.
 */
#ifndef HANDLERS_GATES_SUCCESS_H
#define HANDLERS_GATES_SUCCESS_H

#include "handlers/gates/evaluation.h"
#include "handlers/gates/rollout_state.h"
#include "server/core/clock.h"

enum metric_verdict { VERDICT_UNKNOWN, VERDICT_MET, VERDICT_MISSED };
const char *verdict_name(enum metric_verdict v);

/* Pure: the last stage of this environment that has criteria; NULL: none has. */
const struct stage *success_stage(const struct settings *s, const struct rollout *r);
/* Pure: is it about this run of the stage it stands at. */
bool success_is_fresh(const struct evaluation *ev, const struct rollout_state *st);

/* What is known of one metric, over a run of a stage or over several. */
struct success_record {
	struct criterion_result last; /* the newest answer; why "": none yet */
	double worst;                 /* of all that were judged; NaN: none was */
	int64_t worst_us;
	int64_t judged, held; /* answers that were a number, and how many of them held */
};
#define SUCCESS_NOTHING ((struct success_record) {.last = {.value = NAN, .samples = NAN}, .worst = NAN})
/* Pure: one more answer. */
void success_add(struct success_record *s, const struct criterion *c, const struct criterion_result *r, int64_t at_us);
/* Pure: an older record before it. */
void success_add_earlier(struct success_record *s, const struct criterion *c, const struct success_record *earlier);

/* After a rollback the metrics are asked once more, for the run that it ended: for so long. */
#define SUCCESS_AFTER_US (60 * US_PER_S)
/* The run that a rollback ended just now; 1 with *ret, whose results are the caller's to free; 0 there is none. */
int success_run_left(struct db_conn *c, const struct rollout_state *st, int64_t now_us, struct stage_run *ret);

/* Adds to the run what ev says of its stage, if it stands at its percentage and ev is about it; or of all metrics, if
 * ev is about the run that a rollback ended. Writer thread. */
int success_keep(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct rollout_state *st,
                 const struct evaluation *ev);
/* Pure: what was kept of one criterion. -ENOENT: nothing. */
int success_kept(const char *results, const char *name, struct success_record *ret);

/* Pure: against today's bound, of the worst there was: what did not hold once is missed. Without a number, or one of
 * too few samples, it is unknown, never met. s NULL: never asked. now: the stage judges it itself, and its newest
 * answer counts. */
enum metric_verdict success_judge(const struct criterion *c, const struct success_record *s, bool now);
/* Pure: "met: 0.0002 ratio at worst, at most 0.001"; "missed: 0.38 at worst, at most 0.001, held 99.9% of the time";
 * "unknown: no data; at least 0.8". */
void success_words(struct buf *b, const struct criterion *c, const struct success_record *s, bool now);

#endif
