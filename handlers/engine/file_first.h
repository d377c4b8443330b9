/*
 * Which steps wait until the flags file was lowered (handlers/steps/reads_file.h says why). Any thread.
 */
#ifndef HANDLERS_ENGINE_FILE_FIRST_H
#define HANDLERS_ENGINE_FILE_FIRST_H

#include "handlers/engine/next.h"

/* Would that step make the service read a file that may hold more than is there? Then it does not begin; why (>= 200
 * bytes) says what stands there. Reads the file. */
bool file_comes_first(const struct situation *s, const struct step *step, char *why, size_t why_size);
/* The flags step, when it was done and the file holds more again: a round found it so, or a step waits for it. NULL.
 * Reads the file. */
const struct step *file_to_write_again(const struct situation *s);

/* A step that is to be done late, for more than 0 %: not before a round in which everybody has at least that, since
 * somebody may have lowered it further since it was asked. When that never comes, the verification goes on without it.
 * Pure. */
bool step_waits_for_round(const struct incident *inc, const struct step *step);

/* A step that is to be done and that waits for a flags file which could not be lowered: the verification begins without
 * it. It may have begun meanwhile, if it raises nothing. Pure. */
bool step_waits_for_file(const struct situation *s, const struct step *step);

#endif
