/*
 * Is an incident over, why, and what does a person do next? The one answer that status, lists, one incident, chat and
 * the report give.
 *
 * incident_over is pure; incident_facts_load reads through the connection it is given.
 */
#ifndef HANDLERS_INCIDENT_OVER_H
#define HANDLERS_INCIDENT_OVER_H

#include "db/incident.h"
#include "db/rollout.h"
#include "server/core/buf.h"

#define NEXT_MAX 2

/* What beside its row decides whether an incident is over. Zeros: nothing does. */
struct incident_facts {
	int64_t firing;   /* alerts of it that fire; asked for where it says whether it is over: rolled back */
	char failed[200]; /* follow-up steps that were not done: "validate FAILED, purge in doubt"; "" none */
	char waiting[80]; /* the follow-up step that waits for a person now; "" none */
	int32_t above;    /* rolled back, and known to be at more since: hundredths; 0: it is not */
	int64_t now_us;   /* when that was so; 0: nothing is counted down to */
};
int incident_facts_load(struct db_conn *c, const struct incident *inc, struct incident_facts *ret);
/* What the rollout's row says of it. Pure. */
int32_t incident_above(const struct incident *inc, const struct rollout_row *row);

struct incident_over {
	bool over;
	char because[400];        /* a clause: "1 alert still fires" */
	char next[NEXT_MAX][250]; /* commands; which of them is the person's choice */
	size_t n_next;            /* 0: nothing is left for a person, or not yet */
};
void incident_over(const struct incident *inc, const struct incident_facts *facts, struct incident_over *ret);

/* Was it ended by a person while the world was not, or not known to be, where it should be? */
bool incident_ended_unverified(const struct incident *inc);
/* Rolled back, and what it was opened for was still there when it was looked at last: silence does not end it. */
bool incident_symptom_persists(const struct incident *inc);
/* "at 0% and the symptom persists (0.3, at most 0.001): the canary is probably not the cause. Look elsewhere": the one
 * sentence that chat, page, lists and report say of it. */
int incident_symptom_text(struct buf *b, const struct incident *inc);
/* "19 of 20 at 0%; at 25%: pod="web-7"", else what was seen last, else that nobody answers. At least 350 bytes. */
void incident_seen_text(const struct incident *inc, char *out, size_t size);

#endif
