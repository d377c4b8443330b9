/*
 * Trying again: a step that failed is repeated, ever more rarely, as long as the world is not where it should be. The
 * deadline of the verification decides when people are paged, not when we stop trying. Pure; any thread.
 */
#ifndef HANDLERS_ENGINE_RETRY_H
#define HANDLERS_ENGINE_RETRY_H

#include "db/incident.h"
#include "db/step.h"

/* From the end of an attempt, the n-th, to the next one. */
int64_t retry_pause_us(int32_t attempts);

/* When that step of the incident, one of all, is done again (wall time); 0: it is not. Only what lowers: an advance is
 * given up, for nobody raises by trying again. Not what may not be repeated, nor what a later step of the same name
 * took the place of. */
int64_t retry_due_us(const struct incident *inc, const struct step_list *all, const struct step *step);

/* A flags step was done at last: is that step, which ran before it, to be done again, for what it made the service read
 * was the old file? */
bool retry_follows(const struct step *flags, const struct step *step);

/* Does that error of a flags file pass by itself, as a lock or a full disk does? Then people are not told at once. */
bool retry_may_help(int error);
/* People are told of an error that passes by itself when this many attempts have met one. */
#define RETRY_TELL_AFTER 5

#endif
