#include "handlers/rollback/machine.h"

#include "handlers/rollback/options.h"

static const struct edge edges[INC_STATE_N][EV_N] = {
	[INC_PENDING] = {
		[EV_DUE]      = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_TRIGGER]  = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_CALM]     = {INC_CANCELLED, SAY_CANCELLED},
		[EV_CANCEL]   = {INC_CANCELLED, SAY_CANCELLED},
		[EV_RESOLVE]  = {INC_RESOLVED, SAY_RESOLVED},
	},
	[INC_ROLLING_BACK] = {          /* no cancel, no resolve: the act may already have landed */
		[EV_APPLIED]  = {INC_VERIFYING, SAY_NOTHING},
		[EV_TRIGGER]  = {INC_ROLLING_BACK, SAY_STARTED},
	},
	[INC_VERIFYING] = {
		[EV_SEEN]     = {INC_ROLLED_BACK, SAY_ROLLED_BACK},
		[EV_DEADLINE] = {INC_FAILED, SAY_FAILED},
		[EV_ABOVE]    = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_TRIGGER]  = {INC_ROLLING_BACK, SAY_STARTED},
	},
	[INC_ROLLED_BACK] = {
		[EV_TRIGGER]  = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_QUIET]    = {INC_RESOLVED, SAY_RESOLVED},
		[EV_RESOLVE]  = {INC_RESOLVED, SAY_RESOLVED},
	},
	[INC_FAILED] = {                /* not EV_QUIET: the world is not where it should be, a person must look */
		[EV_SEEN]     = {INC_ROLLED_BACK, SAY_ROLLED_BACK_LATE},
		[EV_TRIGGER]  = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_RETRY]    = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_RESOLVE]  = {INC_RESOLVED, SAY_ENDED_BY_HAND},
	},
	[INC_HELD] = {
		[EV_TRIGGER]  = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_DEFER]    = {INC_PENDING, SAY_OPENED},
		[EV_RETRY]    = {INC_ROLLING_BACK, SAY_STARTED},
		[EV_QUIET]    = {INC_RESOLVED, SAY_RESOLVED},
		[EV_CANCEL]   = {INC_CANCELLED, SAY_CANCELLED},
		[EV_RESOLVE]  = {INC_RESOLVED, SAY_RESOLVED},
	},
};

static const struct saying sayings[SAY_N] = {
	[SAY_OPENED]           = {"opened", EVENT_INCIDENT},
	[SAY_STARTED]          = {"rollback_started", EVENT_INCIDENT | EVENT_PAGE},
	[SAY_ROLLED_BACK]      = {"rolled_back", EVENT_INCIDENT | EVENT_PAGE},
	[SAY_ROLLED_BACK_LATE] = {"rolled_back_late", EVENT_INCIDENT | EVENT_PAGE},
	[SAY_FAILED]           = {"failed", EVENT_INCIDENT | EVENT_PAGE},
	[SAY_HELD]             = {"held", EVENT_INCIDENT},
	[SAY_CANCELLED]        = {"cancelled", EVENT_INCIDENT},
	[SAY_RESOLVED]         = {"resolved", EVENT_INCIDENT},
	[SAY_ENDED_BY_HAND]    = {"resolved", EVENT_INCIDENT | EVENT_PAGE},     /* the all-clear of "failed" */
};

static const char *const event_names[EV_N] = {
	[EV_DUE] = "due", [EV_APPLIED] = "applied", [EV_ABOVE] = "above", [EV_SEEN] = "seen", [EV_DEADLINE] = "deadline",
	[EV_TRIGGER] = "trigger", [EV_DEFER] = "defer", [EV_CALM] = "calm", [EV_QUIET] = "quiet", [EV_CANCEL] = "cancel",
	[EV_RETRY] = "retry", [EV_RESOLVE] = "resolve",
};

const struct edge *machine_edge(enum incident_state from, enum incident_event ev)
{
	const struct edge *e = &edges[from][ev];

	return e->to ? e : NULL;
}

const char *machine_event_name(enum incident_event ev)
{
	return event_names[ev];
}

const struct saying *machine_saying(enum say s)
{
	return s == SAY_NOTHING ? NULL : &sayings[s];
}
