/*
 * The flags of a rollout, typed, for services that poll. Reading thread.
 */
#ifndef HANDLERS_API_FLAGS_H
#define HANDLERS_API_FLAGS_H

#include <stdbool.h>
#include "handlers/api/api.h"
#include "handlers/settings/settings.h"

/* {rollout, generation, percentage, flags: {NAME: value}, sampling: {salt, rule}} with an ETag; 304 to If-None-Match;
 * 503 when the file cannot be read or a value is none of its type: a service then keeps its last good flags. */
void flags_answer(const struct api_read *q, struct http_reply *reply, const struct rollout *r);

/* Whether a value is one of that type of flags.values. Pure. */
bool flags_is_typed(const char *type, const char *value);

#endif
