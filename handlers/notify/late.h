/*
 * What becomes of a message that could not be delivered when it was decided. Pure; any thread.
 */
#ifndef HANDLERS_NOTIFY_LATE_H
#define HANDLERS_NOTIFY_LATE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/core/clock.h"
#include "server/core/json.h"

#define LATE_US (60 * US_PER_S) /* what has waited so long is told as late */

enum telling { TELL_AS_IT_IS, TELL_AS_PAST, TELL_NOT };

struct lateness {
	bool page;
	int64_t waited_us;
	bool overtaken, overtaken_by_page; /* the channel took a later message, or page, of the incident */
};

/* Before it is sent. A page that a later page has overtaken would wake somebody for what is over: it is dropped, unless
 * it comes at the same time. */
enum telling late_telling(const struct lateness *l);
/* After it was not taken: whether it is worth another try. */
bool late_is_worth_trying(const struct lateness *l);

/* Adds to the program's input: a line in "text" that says when it was decided, how late that is, and what has become of
 * it since (a word like "rolled back", or NULL: nothing has); the member "late" for programs. */
void late_mark(struct json_object *input, int64_t decided_us, int64_t waited_us, const char *since);

#endif
