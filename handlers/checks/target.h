/*
 * To what a rollback goes, so that it never raises. Pure.
 */
#ifndef HANDLERS_CHECKS_TARGET_H
#define HANDLERS_CHECKS_TARGET_H

#include <stdint.h>

/* Hundredths of a percent; -1 unknown. file: what the flags target holds; seen: the highest that any check reports. The
 * least of what is known, and 0 when nobody can tell where it is: whatever is above 0 could raise it then. */
int32_t rollback_target(int32_t wanted, int32_t file, int32_t seen);

#endif
