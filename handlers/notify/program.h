/*
 * Running a channel's jq program in a child (internal to notify).
 */
#ifndef HANDLERS_NOTIFY_PROGRAM_H
#define HANDLERS_NOTIFY_PROGRAM_H

#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/loop.h"

#define PROGRAM_US         (5 * US_PER_S)
#define PROGRAM_OUTPUT_MAX (256 * 1024)

/* What the child reads: {"program": …, "input": …}. The caller's to free. */
char *program_input(const char *program, struct json_object *input);
/* How to spawn it; exe and in must live until loop_spawn has returned. */
struct child_spec program_spec(const char *exe, const char *in);

#endif
