/*
 * Alertmanager's own list of alerts (GET /api/v2/alerts): which of them it holds for unresolved now. Pure, fuzzed with
 * the rest of the wire; any thread.
 */
#ifndef ALERTMANAGER_ALERTS_API_H
#define ALERTMANAGER_ALERTS_API_H

#include <stddef.h>
#include "server/core/buf.h"
#include "server/core/json.h"

/* "<base>/api/v2/alerts?filter=…": all that have these labels (an object of strings), silenced and inhibited ones
 * included, for what is silenced is not over. A label whose name only newer Alertmanagers can quote, or
 * with a character that was replaced, is left out: more alerts match then, not fewer. b's error. */
int alerts_api_url(struct buf *b, const char *base, struct json_object *labels);

/* How many alerts the answer lists; -EBADMSG when it is no such list, -ENOMEM. */
int alerts_api_count(const char *body, size_t len);

/* What keeps an alert of that list from being sent to us, as half a sentence (at most size bytes): a silence, an
 * inhibition, a muted route, the receivers it goes to, or that it is not there. One that is suppressed is told before
 * one that is not. -EBADMSG, -ENOMEM: why is untouched. */
int alerts_api_obstacle(const char *body, size_t len, char *why, size_t size) MUST_CHECK;

#endif
