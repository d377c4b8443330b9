/*
 * What an open incident does next: which of its steps may begin, which is tried again, which other way is tried. By its
 * rows and by what the last round saw: the engine and a rollback without the daemon follow the same rules.
 *
 * Keeps no state, borrows all it is given; any thread. Pure, but that next_may_begin and next_retry may read the flags
 * file: a millisecond.
 */
#ifndef HANDLERS_ENGINE_NEXT_H
#define HANDLERS_ENGINE_NEXT_H

#include "db/incident.h"
#include "db/step.h"
#include "handlers/settings/settings.h"

/* What a round saw. */
struct sighting {
	int32_t there;    /* the lowest percentage, when everybody who was asked has said where it is; else -1 */
	int32_t file;     /* what the flags file holds; -1 unknown, or none */
	int64_t since_us; /* the incident's evidence_since_us then: an act since makes it worth nothing */
};

struct situation {
	const struct incident *inc;
	const struct step_list *steps; /* of inc */
	const struct rollout *rollout; /* of the config inc goes by */
	struct sighting seen;
	int64_t now_us; /* wall */
};

/* May a step of that phase be done in that state. */
bool step_may_run(enum incident_state state, enum step_phase phase);

/* May that step, which is to be done, begin now? */
bool next_may_begin(const struct situation *s, const struct step *step);
/* The failed step whose next attempt is due first, and when (wall time); NULL: none. */
const struct step *next_retry(const struct situation *s, int64_t *ret_due);
/* The other way whose time has come, when nobody acknowledged; NULL: none. One at a time, in their order. */
const struct fallback *next_fallback(const struct situation *s);

/* Is an act under way, or about to begin, that could still change the percentage? */
bool acts_are_open(const struct situation *s);
/* Are there apply steps that the verification waits for? */
bool apply_is_open(const struct situation *s);

#endif
