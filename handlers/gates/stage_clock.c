#include "handlers/gates/stage_clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"

#define HELD "held by "

/* The first criterion that stops the clock; -1: none. */
static long first_bad(const struct stage_clock_view *v)
{
	assert(v->results || v->n == 0);
	for (size_t i = 0; i < v->n; i++)
		if (v->results[i].state == CRITERION_FAILS || v->results[i].state == CRITERION_UNKNOWN)
			return (long)i;
	return -1;
}

void stage_clock_why(const struct stage_clock_view *v, char *out, size_t size)
{
	assert(v && out && size > 0);
	long bad = first_bad(v);

	out[0] = '\0';
	if (v->elsewhere)
		snprintf(out, size, "the stage is of another environment");
	else if (!v->entered)
		snprintf(out, size, "the stage is not at its percentage");
	else if (v->held)
		snprintf(out, size, HELD "%s", v->held);
	else if (v->incident)
		snprintf(out, size, "incident %lld is open", (long long)v->incident);
	else if (!v->percentage_known)
		snprintf(out, size, "what percentage the service is at is unknown");
	else if (!v->percentage_right)
		snprintf(out, size, "the service is not at the stage's percentage");
	else if (v->blind)
		snprintf(out, size, "nobody watches: %s", v->blind);
	else if (bad >= 0)
		snprintf(out, size, "%s: %s", v->criteria[bad].name, v->results[bad].why);
}

bool stage_clock_is_hold(const char *why)
{
	assert(why);
	return !strncmp(why, HELD, strlen(HELD));
}

static bool stand(struct progress *p, int64_t now_us, const char *why)
{
	if (!p->clean_why || strcmp(p->clean_why, why) != 0) {
		free(p->clean_why);
		p->clean_why = strdup(why);
	}
	if (!p->stopped_at_us)
		p->stopped_at_us = now_us;
	return false;
}

bool stage_clock_count(struct progress *p, int64_t now_us, int64_t gap_us, const char *why, struct hold_span *ret_span)
{
	assert(p && gap_us > 0 && why && ret_span);
	int64_t from = p->clean_at_us, passed = now_us - from;
	bool ran = !p->clean_why && !p->stopped_at_us, lost = passed < 0 || passed > gap_us;

	p->clean_at_us = now_us;
	/* A hold and what stopped the clock before or after it are two spans: only the hold is left out of comparisons.
	 */
	if (why[0] && p->stopped_at_us && p->clean_why &&
	    stage_clock_is_hold(p->clean_why) != stage_clock_is_hold(why)) {
		*ret_span = (struct hold_span) {.since_us = p->stopped_at_us, .until_us = now_us, .why = p->clean_why};
		p->clean_why = NULL;
		p->stopped_at_us = 0;
		stand(p, now_us, why);
		return ret_span->since_us < now_us;
	}
	if (why[0])
		return stand(p, ran && !lost ? from : now_us, why);
	if (ran && !lost) {
		p->clean_us += passed;
		return false;
	}
	*ret_span = (struct hold_span) {.since_us = ran ? from : p->stopped_at_us,
	                                .until_us = now_us,
	                                .why = ran ? strdup("rollbackd did not look") : p->clean_why};
	p->clean_why = NULL;
	p->stopped_at_us = 0;
	return ret_span->since_us < now_us;
}
