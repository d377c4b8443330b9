/*
 * When the later stages can be entered at the earliest: the clean time that is left, each stage's duration, freezes,
 * the cooldown and the stage that the last incident sends it back to. A
 * lower bound: as if no clock stood still and everybody approved at once. Pure where no connection is taken; any
 * thread. (elements: W27, 37.)
 */
#ifndef HANDLERS_GATES_FORECAST_H
#define HANDLERS_GATES_FORECAST_H

#include "handlers/gates/gate.h"

#define FORECAST_MAX 32

struct forecast {
	const struct stage *stage;
	int64_t at_us;
};

/* When a stage should have been entered had each before it taken its duration and no more; 0: the plan began after it,
 * or nobody knows when. */
int64_t forecast_planned_us(const struct rollout *r, const struct plan_began *began, int32_t stage);

/* Planned beside actual. 0: nobody knows, or it was not. */
struct stage_dates {
	const struct stage *stage;
	int64_t planned_us, entered_us, earliest_us;
};
/* Of all stages of the plan, in the order of the config; at most max, *ret_n how many. Marks are read through c. */
int stage_dates_load(struct db_conn *c, const struct gate_view *v, struct stage_dates *ret, size_t max, size_t *ret_n);
/* By how much it is, or will be at least, later than planned (below 0: earlier); false: nobody knows. */
bool stage_dates_late(const struct stage_dates *d, int64_t *ret_us);

/* The stages of this environment that come after the current one, in order; at most max, how many. */
size_t forecast_stages(const struct gate_view *v, struct forecast *ret, size_t max);

#endif
