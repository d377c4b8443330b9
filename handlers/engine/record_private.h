/*
 * What record.c (steps and events) and record_round.c (what a verification round means) share. Writer thread.
 */
#ifndef HANDLERS_ENGINE_RECORD_PRIVATE_H
#define HANDLERS_ENGINE_RECORD_PRIVATE_H

#include "handlers/engine/record.h"

struct work { /* what a change looks at: all loaded in this transaction */
	struct db_tx *tx;
	const struct settings *settings;
	const struct change *ch;
	struct incident inc;
	struct step step;
	struct plan *plan;
	int64_t now;
};

/* A line on the timeline; a page with the rollout's title; a condition as it stands now; what was written (-1: nothing)
 * and seen
 * (-1: nothing) in the rollout's row. 0 or -errno. */
int record_note(struct work *w, const char *what, const char *text);
int record_page(struct work *w, const char *what, const char *text);
int record_condition(struct work *w, enum condition_type which, enum condition_status state, const char *text);
int record_percentage(struct work *w, int32_t wanted, int32_t seen);

/* A round has ended. 1 written, 0 it no longer fits, -errno. */
int record_round(struct work *w);

#endif
