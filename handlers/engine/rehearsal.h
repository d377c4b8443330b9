/*
 * Could each step be done? Asked by a drill, at a start and at a reload. Looks, and does nothing. Any thread.
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
/* All commands of a config, those that ask as well: fn is told of each that could not be run whose it is, and why. */
typedef void rehearsed_fn(const char *whose, const char *command, const char *why);
void rehearse_commands(const struct settings *s, const char *runner, rehearsed_fn *fn);

#endif
