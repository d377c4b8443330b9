/*
 * What the kinds of an incident are: one table. Pure; any thread.
 */
#ifndef HANDLERS_INCIDENT_KINDS_H
#define HANDLERS_INCIDENT_KINDS_H

#include "db/incident.h"
#include "handlers/checks/verify.h"

struct kind {
	bool gives_way; /* to whatever is real: superseded at once, begins no stage anew, counts nowhere */
	bool acts;      /* changes the world; else every step is only rehearsed */
	bool lowers;    /* below its target counts as there, and what that did to the world is judged */
	bool follows;   /* metrics are preserved, and the steps that follow a rollback are done */
	bool sets;      /* sets the other flags of its stage, too */
};

const struct kind *kind_of(const struct incident *inc);
/* What its checks are judged by. */
struct wanted incident_wanted(const struct incident *inc);

#endif
