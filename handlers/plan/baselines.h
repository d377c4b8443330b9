/*
 * Numbers of the old way, pinned for when it has no traffic: what was normal before anything moved.
 */
#ifndef HANDLERS_PLAN_BASELINES_H
#define HANDLERS_PLAN_BASELINES_H

#include "handlers/plan/reconcile.h"

/* The moment at which one might be pinned. */
struct baseline_moment {
	int64_t now_us;
	int64_t moved_us;   /* the percentage changed last; 0 never */
	int64_t trouble_us; /* an incident was open last; 0 never */
	int64_t back_us;    /* so far does its query look back */
	int32_t wanted;     /* percentage, in hundredths; -1 unknown */
	bool open;          /* an incident, or a stage is being entered */
	bool pinned;        /* there is one already */
};
/* May it be pinned? Not while an incident is open, not at 100 %, where the old way gets only what it should not; and
 * not so long as the query looks back on a change of the percentage or on an incident, unless there is none yet, which
 * a change alone does not forbid. Pure. */
bool baseline_may_be_pinned(const struct baseline_moment *m);
/* How far the queries of a baseline look back; 0: their text does not tell. Pure. */
int64_t baseline_back_us(const struct baseline_query *q);

/* Pins what the pass has found, where that may be. Writer thread, in its transaction. */
int baselines_pin(const struct reconcile *l);

#endif
