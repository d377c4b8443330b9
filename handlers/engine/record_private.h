/*
 * What record.c (steps and events) and record_round.c (what a verification round means) share. Writer thread.
 */
#ifndef HANDLERS_ENGINE_RECORD_PRIVATE_H
#define HANDLERS_ENGINE_RECORD_PRIVATE_H

#include "handlers/engine/round.h"
#include "handlers/incident/announcements.h"

struct work { /* what a change looks at: all loaded in this transaction */
	struct db_tx *tx;
	const struct settings *settings;
	const struct change *ch;
	struct incident inc;
	struct step step;
	struct plan *plan;
	int64_t now;
};

/* The incident as the rules of what comes next see it, with its steps as they stand: the caller's to free. */
int record_situation(struct work *w, struct step_list *steps, struct situation *ret);
/* The round that ch is, as it is judged. */
struct finding record_finding(struct work *w);

/* A line on the timeline; a page with the rollout's title; a condition as it stands now; what was written (-1: nothing)
 * and seen
 * (-1: nothing) in the rollout's row. 0 or -errno. */
int record_note(struct work *w, const char *what, const char *text);
int record_page(struct work *w, enum announcement_id id, const char *text);
int record_condition(struct work *w, enum condition_type which, enum condition_status state, const char *text);
int record_percentage(struct work *w, int32_t wanted, int32_t seen);

/* A round has ended. 1 written, 0 it no longer fits, -errno. */
int record_round(struct work *w);

/* The outcome of a step whose incident is over: an act that ended after the open rollback of the same rollout began may
 * have had the last word, so that rollback acts once more. */
int record_late_outcome(struct work *w);
/* Its steps are done, and yet the service was seen above the target: they are done again, once a minute at most. More
 * than 0 % is asked about first: 1, and the round has served. 0; -errno. */
int record_apply_again(struct work *w, bool above); /* above: seen so; else nobody can tell */
/* A round that asks whether anything has to be done. */
int record_asking(struct work *w);
/* Is an act under way that could still change the percentage: one of its own, or of an incident that gave way? */
int record_acts_open(struct work *w, bool *ret);
/* The step of the verification shows the rounds as its attempts. */
int record_verify_step(struct work *w, enum step_state state);
int record_seen(struct work *w, enum incident_event ev);
int record_deadline(struct work *w);

#endif
