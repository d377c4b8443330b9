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

struct advance_answer {
	int result;                  /* of plan_advance, or -errno of the way there */
	int64_t incident;            /* the row of the advance; 0 none */
	struct json_object *missing; /* borrowed; NULL: none */
	const char *why;
};
typedef void advance_fn(void *arg, const struct advance_answer *a);
/* Evaluates afresh, then plan_advance. fn is called once, on any thread, after the commit. Copies rq. Any thread.
 * -errno: fn is not called; -EAGAIN: too many are waiting. */
int controller_advance(struct controller *c, const struct advance_request *rq, advance_fn *fn, void *arg) MUST_CHECK;

#endif
