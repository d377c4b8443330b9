/*
 * What the kinds of an incident are: one table. Nobody else asks which kind one is, but for what follows from it. Pure;
 * any thread.
 */
#ifndef HANDLERS_INCIDENT_KINDS_H
#define HANDLERS_INCIDENT_KINDS_H

#include "db/incident.h"
#include "handlers/checks/verify.h"

/* In whose words it is told, announced, and judged over or not. */
enum kind_texts { TEXTS_ROLLBACK, TEXTS_DRILL, TEXTS_STAGE, TEXTS_FLAG, TEXTS_N };

struct kind {
	const char *title;
	enum kind_texts texts;
	bool gives_way; /* to whatever is real: superseded at once, begins no stage anew, counts nowhere */
	bool acts;      /* changes the world; else it is a rehearsal: no step is done, nobody waits for its outcome */
	bool lowers;    /* below its target counts as there, and what that did to the world is judged */
	bool follows;   /* metrics are preserved, and the steps that follow a rollback are done */
	bool enters;    /* a stage: sets its other flags, too */
	bool once;  /* the flags file is written already, the percentage stays: the apply steps are done at once or not
	             * at all, for what is there may have come down since */
	bool brief; /* has served once it was seen; no incident for people, and none of a rollback's budgets */
	bool by_hand; /* a person asks: budgets of its own */
};

const struct kind *kind_get(enum incident_kind kind);
const struct kind *kind_of(const struct incident *inc);
/* By what it is titled, and which budgets it has: a rollback is by hand if a person's word decides it. */
const struct kind *kind_deciding(const struct incident *inc);
/* What its checks are judged by. */
struct wanted incident_wanted(const struct incident *inc);

#endif
