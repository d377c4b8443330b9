/*
 * What can be announced: the word that is stored with a message ("rolled_back") and the event classes it goes to. One
 * table. Pure; any thread.
 */
#ifndef HANDLERS_INCIDENT_ANNOUNCEMENTS_H
#define HANDLERS_INCIDENT_ANNOUNCEMENTS_H

#include "db/incident.h"
#include "handlers/settings/events.h"

enum announcement_id {
	ANNOUNCE_NOTHING,
	/* moves of an incident, told as it then stands */
	ANNOUNCE_OPENED,
	ANNOUNCE_PENDING, /* the countdown begins */
	ANNOUNCE_STARTED,
	ANNOUNCE_ROLLED_BACK,
	ANNOUNCE_ROLLED_BACK_LATE,
	ANNOUNCE_FAILED,
	ANNOUNCE_HELD,
	ANNOUNCE_CANCELLED,
	ANNOUNCE_COUNTDOWN_OVER, /* the all-clear of "pending" */
	ANNOUNCE_RESOLVED,
	ANNOUNCE_ENDED_BY_HAND,
	/* no moves, but told like them */
	ANNOUNCE_ACKNOWLEDGED,
	ANNOUNCE_ETA,
	ANNOUNCE_ETA_PASSED,
	ANNOUNCE_ESCALATED, /* what joined it is worse */
	ANNOUNCE_COUNTDOWN,
	ANNOUNCE_LAST_CALL, /* it ends soon */
	ANNOUNCE_EXTENDED,
	ANNOUNCE_INCIDENT_LAST = ANNOUNCE_EXTENDED,
	/* the rest has a text of its own; about an incident: */
	ANNOUNCE_FLAGS_UNKNOWN,
	ANNOUNCE_IN_DOUBT,
	ANNOUNCE_FOLLOWUP_FAILED,
	ANNOUNCE_WAITS_FOR_APPROVAL,
	ANNOUNCE_THERE_UNKNOWN,
	ANNOUNCE_GOES_ON_WAITING,
	ANNOUNCE_CURED,
	ANNOUNCE_NOT_CURED,
	ANNOUNCE_OFFLINE,            /* rolled back without the daemon */
	ANNOUNCE_OFFLINE_UNVERIFIED, /* and never seen there */
	/* about what came in */
	ANNOUNCE_UNCLAIMED,
	ANNOUNCE_REJECTED,
	ANNOUNCE_CUT,
	ANNOUNCE_TOO_MANY,
	ANNOUNCE_DATASOURCE,
	ANNOUNCE_REFUSED,
	/* about a stage */
	ANNOUNCE_APPROVED,
	ANNOUNCE_APPROVAL_VOID,
	ANNOUNCE_CERTIFIED,
	ANNOUNCE_FORCE_WAITS,
	ANNOUNCE_TICKED,
	ANNOUNCE_EVIDENCE,
	ANNOUNCE_DONE,
	ANNOUNCE_STAGE_HELD,
	ANNOUNCE_RESUMED,
	ANNOUNCE_FROZEN,
	ANNOUNCE_STAGE_SET,
	ANNOUNCE_RELEASE_NOTES,
	ANNOUNCE_PLAN_CHANGED,
	ANNOUNCE_OVERDUE,
	ANNOUNCE_MILESTONE,
	/* about what is seen while nothing happens */
	ANNOUNCE_BLIND,
	ANNOUNCE_SEES_AGAIN,
	ANNOUNCE_UNHEARD,
	ANNOUNCE_HEARD,
	ANNOUNCE_ABOVE,
	ANNOUNCE_ABOVE_AFTER_ROLLBACK,
	ANNOUNCE_STILL_ABOVE,
	ANNOUNCE_NOT_ABOVE,
	ANNOUNCE_NOT_ABOVE_AFTER_ROLLBACK,
	ANNOUNCE_CHANGED_OUTSIDE,
	ANNOUNCE_CHANGED_OUTSIDE_ABOVE,
	ANNOUNCE_FLAGS_CHANGED, /* others than the percentage */
	ANNOUNCE_FLAG_SET,
	ANNOUNCE_FLAGS_UNUSABLE,
	ANNOUNCE_FLAGS_USABLE,
	ANNOUNCE_FALLBACK_NOT_READY, /* at 0 %: the old way has all the traffic, and others watch it */
	ANNOUNCE_FALLBACK_NOT_READY_ABOVE,
	ANNOUNCE_FALLBACK_READY,
	ANNOUNCE_FALLBACK_READY_ABOVE,
	ANNOUNCE_SCHEDULED_DRILL_FAILED,
	ANNOUNCE_N
};

struct announcement {
	const char *what;
	unsigned classes; /* of enum event_class */
};

/* A move of an incident of that kind; NULL: it announces nothing. */
const struct announcement *announcement_of(enum incident_kind kind, enum announcement_id id);
/* What has a text of its own. Never NULL. */
const struct announcement *announcement_get(enum announcement_id id);

#endif
