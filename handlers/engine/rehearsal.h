/*
 * A drill's steps: could each be done? Looks, and does nothing. Engine thread.
 */
#ifndef HANDLERS_ENGINE_REHEARSAL_H
#define HANDLERS_ENGINE_REHEARSAL_H

#include "db/step.h"
#include "handlers/settings/settings.h"

/* By the same function that does it (flags_file.h). pct: to what it would be lowered. >= 0 it could be done; -errno.
 * text is for people. */
int rehearse_flags(const struct rollout *r, int32_t pct, char *text, size_t size);
/* A command or a request. STEP_DONE: it could be done; STEP_FAILED: it could not. */
enum step_state rehearse_act(const struct step *step, const char *runner, char *text, size_t size);

#endif
