#include "handlers/incident/machine.h"

#include <assert.h>

static const struct edge edges[INC_STATE_N][EV_N] =
	{
		[INC_PENDING] =
			{
				[EV_DUE] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_ASK] = {INC_VERIFYING, ANNOUNCE_NOTHING},
				[EV_TRIGGER] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_CALM] = {INC_CANCELLED, ANNOUNCE_COUNTDOWN_OVER},
				[EV_CANCEL] = {INC_CANCELLED, ANNOUNCE_COUNTDOWN_OVER},
				[EV_RESOLVE] = {INC_RESOLVED, ANNOUNCE_ENDED_BY_HAND},
			},
		[INC_ROLLING_BACK] =
			{
				/* no cancel, no resolve: the act may already have landed */
				[EV_APPLIED] = {INC_VERIFYING, ANNOUNCE_NOTHING},
				[EV_ASK] = {INC_VERIFYING, ANNOUNCE_NOTHING}, /* after a restart */
				[EV_SUPERSEDED] = {INC_CANCELLED, ANNOUNCE_CANCELLED},
				[EV_TRIGGER] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
			},
		[INC_VERIFYING] =
			{
				[EV_SEEN] = {INC_ROLLED_BACK, ANNOUNCE_ROLLED_BACK},
				[EV_DEADLINE] = {INC_FAILED, ANNOUNCE_FAILED},
				[EV_ABOVE] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_ASK] = {INC_VERIFYING, ANNOUNCE_NOTHING},
				[EV_CONFIRMED] = {INC_ROLLED_BACK, ANNOUNCE_NOTHING},
				[EV_AGAIN] = {INC_ROLLING_BACK, ANNOUNCE_NOTHING},
				[EV_PASSED] = {INC_RESOLVED, ANNOUNCE_ROLLED_BACK},
				[EV_SUPERSEDED] = {INC_CANCELLED, ANNOUNCE_CANCELLED},
				[EV_TRIGGER] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
			},
		[INC_ROLLED_BACK] =
			{
				[EV_ASK] = {INC_VERIFYING, ANNOUNCE_NOTHING},
				[EV_ENTERED] = {INC_RESOLVED, ANNOUNCE_NOTHING},
				[EV_SUPERSEDED] = {INC_CANCELLED, ANNOUNCE_CANCELLED},
				[EV_TRIGGER] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_QUIET] = {INC_RESOLVED, ANNOUNCE_RESOLVED},
				[EV_RESOLVE] = {INC_RESOLVED, ANNOUNCE_RESOLVED},
			},
		[INC_FAILED] =
			{
				/* not EV_QUIET: the world is not where it should be, a person must look */
				[EV_ASK] = {INC_VERIFYING, ANNOUNCE_NOTHING},
				[EV_SUPERSEDED] = {INC_CANCELLED, ANNOUNCE_CANCELLED},
				[EV_SEEN] = {INC_ROLLED_BACK, ANNOUNCE_ROLLED_BACK_LATE},
				[EV_TRIGGER] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_RETRY] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_RESOLVE] = {INC_RESOLVED, ANNOUNCE_ENDED_BY_HAND},
			},
		[INC_HELD] =
			{
				[EV_ASK] = {INC_VERIFYING, ANNOUNCE_NOTHING},
				[EV_TRIGGER] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_DEFER] = {INC_PENDING, ANNOUNCE_PENDING},
				[EV_RETRY] = {INC_ROLLING_BACK, ANNOUNCE_STARTED},
				[EV_QUIET] = {INC_RESOLVED, ANNOUNCE_RESOLVED},
				[EV_CANCEL] = {INC_CANCELLED, ANNOUNCE_CANCELLED},
				[EV_RESOLVE] = {INC_RESOLVED, ANNOUNCE_RESOLVED},
			},
};

static const char *const event_names[EV_N] = {
	[EV_DUE] = "due",
	[EV_APPLIED] = "applied",
	[EV_ABOVE] = "above",
	[EV_SEEN] = "seen",
	[EV_DEADLINE] = "deadline",
	[EV_ASK] = "ask",
	[EV_AGAIN] = "again",
	[EV_ENTERED] = "entered",
	[EV_PASSED] = "passed",
	[EV_SUPERSEDED] = "superseded",
	[EV_CONFIRMED] = "confirmed",
	[EV_TRIGGER] = "trigger",
	[EV_DEFER] = "defer",
	[EV_CALM] = "calm",
	[EV_QUIET] = "quiet",
	[EV_CANCEL] = "cancel",
	[EV_RETRY] = "retry",
	[EV_RESOLVE] = "resolve",
};

const struct edge *machine_edge(enum incident_state from, enum incident_event ev)
{
	assert(from > 0 && from < INC_STATE_N && ev > 0 && ev < EV_N);
	const struct edge *e = &edges[from][ev];

	return e->to ? e : NULL;
}

const char *machine_event_name(enum incident_event ev)
{
	assert(ev > 0 && ev < EV_N);
	return event_names[ev];
}
