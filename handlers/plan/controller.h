/*
 * Looks after the rollouts: every evaluation_interval each is evaluated, and what follows is committed.
 *
 * Lives on the engine's loop; its jobs run on the writer.
 */
#ifndef HANDLERS_PLAN_CONTROLLER_H
#define HANDLERS_PLAN_CONTROLLER_H

#include "db/db.h"
#include "handlers/gates/evaluation.h"
#include "handlers/plan/actions.h"
#include "handlers/plan/reconcile.h"
#include "server/core/loop.h"

struct controller;
struct controller_options {
	struct loop *loop;
	struct db *db;
	/* After a commit: a row for the engine, and perhaps something in the outbox. Any thread. */
	void (*on_incident)(void *arg, int64_t id);
	void (*on_outbox)(void *arg);
	void *arg;
	struct reconcile_last last; /* of a pass, on the writer */
};
/* Before the loop runs; the first pass comes as soon as it does. */
int controller_new(const struct controller_options *o, struct controller **ret);
/* After the loop and the writer have stopped: answers what still waits (-ESHUTDOWN). Then free. NULL is fine. */
void controller_stop(struct controller *c);
void controller_free(struct controller *c);

/* The last evaluation of a rollout, a copy for the caller to free; at_us 0 when there is none yet. Any thread. */
int controller_last(struct controller *c, const char *rollout, struct evaluation *ret);

struct plan_answer {
	int result;                     /* of plan_act, or -errno of the way there */
	const struct plan_outcome *out; /* borrowed; out->missing may be kept by json_object_get */
	const char *why;
};
typedef void plan_answer_fn(void *arg, const struct plan_answer *a);
/* Evaluates afresh, then plan_act of a move that is judged. fn is called once, on any thread, after the commit; until
 * then all that rq points to is borrowed. Any thread. -errno: fn is not called; -EAGAIN: too many are waiting. */
int controller_judge(struct controller *c, const struct plan_request *rq, plan_answer_fn *fn, void *arg) MUST_CHECK;

#endif
