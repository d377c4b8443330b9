/*
 * A drill's steps: could each be done? Looks, and does nothing. Engine thread.
 */
#ifndef HANDLERS_ENGINE_REHEARSAL_H
#define HANDLERS_ENGINE_REHEARSAL_H

#include "db/step.h"
#include "handlers/settings/settings.h"

/* By the same functions that do them. pct: to what it would be lowered. STEP_DONE: it could be done; STEP_FAILED: it
 * could not. text is for people. */
enum step_state rehearse_step(const struct plan *plan, const struct step *step, int32_t pct, char *text, size_t size);

#endif
