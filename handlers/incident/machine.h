/*
 * The life of an incident, as data: states, events, edges. Pure; any thread.
 *
 *   pending ──due──▶ rolling_back ──applied──▶ verifying ──seen──▶ rolled_back ──quiet──▶ resolved
 *      │                 ▲  ▲                    │  ▲ above (it was thought to be there already)
 *      └─calm─▶ cancelled│  └──trigger, retry────┤  │
 *                      held                 deadline▶ failed ──seen (late)──▶ rolled_back
 *
 * A blank cell is a refusal. The caller commits a move together with what it announces, and acts afterwards.
 */
#ifndef HANDLERS_INCIDENT_MACHINE_H
#define HANDLERS_INCIDENT_MACHINE_H

#include "db/incident.h"
#include "handlers/incident/announcements.h"

enum incident_event {
	EV_DUE = 1,    /* its `after` has passed */
	EV_APPLIED,    /* every apply step has ended, well or not */
	EV_ABOVE,      /* thought to be there already, but the world does not say so */
	EV_SEEN,       /* verification passed */
	EV_DEADLINE,   /* verification's time is up */
	EV_ASK,        /* a trigger or a person met it: is the world still where it was seen */
	EV_CONFIRMED,  /* it is, and nothing had to be done */
	EV_TRIGGER,    /* a further trigger asks for more: a lower target, sooner, or the world is above again */
	EV_AGAIN,      /* the world is above while it is verified: once more, within the same time */
	EV_ENTERED,    /* a stage: its row has served */
	EV_PASSED,     /* a drill */
	EV_SUPERSEDED, /* something real took its place */
	EV_DEFER,      /* a held incident is joined by a trigger with `after` */
	EV_CALM,       /* every alert resolved, and it is over */
	EV_QUIET,      /* every alert resolved for limits.quiet, and it is over */
	EV_CANCEL,     /* a person */
	EV_RETRY,      /* a person */
	EV_RESOLVE,    /* a person */
	EV_N
};

struct edge {
	enum incident_state to;
	enum announcement_id announces;
};

/* NULL: that event means nothing in that state. */
const struct edge *machine_edge(enum incident_state from, enum incident_event ev);
const char *machine_event_name(enum incident_event ev);

#endif
