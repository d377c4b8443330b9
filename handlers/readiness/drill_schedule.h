/*
 * Drills by themselves (rollouts[].drill): when one is due, whether now is a quiet time, and what came of it. Writer
 * thread, inside a job.
 *
 * A drill is known by the time it was asked for: its alert is sent (drill_sender.h) until its incident is there, across
 * a restart as well, and arrives as one alert however often that was. What ends it is the incident's own end, and that
 * its messages were taken; or that it never came.
 */
#ifndef HANDLERS_READINESS_DRILL_SCHEDULE_H
#define HANDLERS_READINESS_DRILL_SCHEDULE_H

#include "db/db.h"
#include "handlers/settings/settings.h"

/* not_now: why this is no quiet time; NULL: it is. *ret_asked: the drill whose alert is to be sent after the commit,
 * left alone when there is none. 0 or -errno. */
int drill_schedule(struct db_tx *tx, const struct settings *s, const struct rollout *r, const char *not_now,
                   int64_t *ret_asked);
/* "Scheduled drill of 2026-11-24T03:00:00Z": by this summary its incident is known. Owned by the caller; NULL: out of
 * memory. Pure. */
char *drill_summary(int64_t asked_us);

/* How the last ones ended, those of people as well. 0: never. */
struct drill_standing {
	int64_t passed_us, failed_us;
};
void drill_standing_load(struct db_conn *c, const struct rollout *r, struct drill_standing *ret);
/* 1 the last one passed, 0 it did not, -1 there was none. Pure. */
int drill_standing_of(const struct drill_standing *d);

#endif
