/*
 * Asking the world about one rollout: criteria of its stage, the watch, baselines, unresolved alerts, the percentage.
 *
 * Engine thread. evaluate_start calls back once, never inside the call, after the slowest answer or its time limit.
 */
#ifndef HANDLERS_PLAN_EVALUATE_H
#define HANDLERS_PLAN_EVALUATE_H

#include "db/db.h"
#include "handlers/gates/evaluation.h"
#include "handlers/steps/percentage.h"

struct evaluating;
/* ev is the callee's to keep: it must evaluation_free it. */
typedef void evaluate_fn(void *arg, struct evaluation *ev);
/* reader and last are used during the call only; takes its own reference of s. now_us: db_now; since_us: when this
 * daemon started, before which a heartbeat that never came is no fault; look: at its flags file, now; last: the
 * evaluation before, by the same config, of which goes on what need not be asked at every pass. */
int evaluate_start(struct loop *l, struct db_conn *reader, struct settings *s, const struct rollout *r,
                   const struct flags_look *look, const struct evaluation *last, int64_t now_us, int64_t since_us,
                   evaluate_fn *fn, void *arg, struct evaluating **ret) MUST_CHECK;
void evaluate_cancel(struct evaluating *e); /* no call back; NULL is fine */

#endif
