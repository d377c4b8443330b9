/*
 * The shipped jq programs, by channel kind.
 */
#ifndef HANDLERS_NOTIFY_PROGRAMS_H
#define HANDLERS_NOTIFY_PROGRAMS_H

#include "handlers/notify/options.h"

extern const char *const channel_programs[CHANNEL_KIND_N];

#endif
