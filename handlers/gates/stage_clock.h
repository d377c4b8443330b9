/*
 * The clean clock of a stage: held or unknown time does not count. Pure; any thread.
 */
#ifndef HANDLERS_GATES_STAGE_CLOCK_H
#define HANDLERS_GATES_STAGE_CLOCK_H

#include "db/progress.h"
#include "handlers/gates/criteria.h"

struct stage_clock_view {
	bool entered;                            /* the stage is at its percentage, verified */
	bool elsewhere;                          /* the stage is of another environment */
	const char *held;                        /* who holds it; NULL nobody */
	int64_t incident;                        /* open incident; 0 none */
	const char *blind;                       /* why nobody watches; NULL: somebody does */
	bool percentage_known, percentage_right; /* what the world was last seen at */
	const struct criterion *criteria;
	const struct criterion_result *results; /* one per criterion */
	size_t n;
};

/* Why the clock stands still, a sentence in out (>= 300); "" : it runs. */
void stage_clock_why(const struct stage_clock_view *v, char *out, size_t size);

/* Whether the clock stood still for this reason (of clean_why) because somebody held it. A comparison leaves that time
 * out, but not the time in which a criterion failed: that is what it is there to see. */
bool stage_clock_is_hold(const char *why);

/* Counts the time since p->clean_at_us, if the clock ran then and runs now and nothing longer than gap_us lies between
 * (the daemon was down, or the wall clock jumped: unknown time). Sets clean_why, clean_at_us, stopped_at_us. A span in
 * which it stood still and that ends now is returned in *ret_span (why borrowed from the caller's p copy until freed):
 * true if there is one; the caller frees ret_span->why. */
bool stage_clock_count(struct progress *p, int64_t now_us, int64_t gap_us, const char *why, struct hold_span *ret_span);

#endif
