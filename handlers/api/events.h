/*
 * The audit trail: GET /api/v1/events, a list or, for who asks for text/event-stream, a stream that goes on (WHATWG
 * HTML, 9.2).
 *
 *   retry: 3000             once, with the id that the stream begins behind
 *   id: 41
 *
 *   id: 42                  an event: data is what the list has as an item, on one line
 *   data: {"id":42,…}
 *
 *   : keep-alive            when nothing happened for a while
 *
 * Events have no "event:" line: onmessage gets all of them, also of kinds that a client never heard of; the kind is
 * "what" in data.
 */
#ifndef HANDLERS_API_EVENTS_H
#define HANDLERS_API_EVENTS_H

#include <stdbool.h>

/* Whether an Accept header (may be NULL) names text/event-stream, and likes JSON no better (RFC 9110, 12.5.1). Pure. */
bool events_wants_stream(const char *accept);

#endif
