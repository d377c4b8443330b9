#include "handlers/incident/episode.h"

#include <assert.h>
#include <stddef.h>

/* What startsAt has to be after. Without an endsAt only another, later startsAt tells of another episode; so it is when
 * the sender's clock was set back while it fired, and it ended before it began. */
static int64_t end_of(const struct episode *e)
{
	return e->ends_at_us > e->starts_at_us ? e->ends_at_us : e->starts_at_us;
}

/* However the clock was set: a time that lies ahead by more than the span has passed as well. */
static bool is_past(int64_t since_us, int64_t span_us, int64_t now_us)
{
	int64_t d = now_us - since_us;

	return d >= span_us || d <= -span_us;
}

static bool keeps_coming(const struct episode *ended, const struct firing_copy *f)
{
	if (is_past(ended->ended_at_us, f->stale_us, f->now_us))
		return true;
	return ended->stale_at_us && ended->stale_times + 1 >= EPISODE_STALE_COPIES &&
	       is_past(ended->stale_at_us, f->stale_us / 4, f->now_us);
}

enum episode_is episode_of_firing(const struct episode *known, const struct firing_copy *f)
{
	assert(f && f->now_us > 0 && f->stale_us >= 0 && f->starts_at_us >= 0);
	if (!known)
		return EPISODE_NEW;
	if (known->firing)
		return f->starts_at_us > known->starts_at_us && f->starts_at_us > known->last_at_us ? EPISODE_NEW
		                                                                                    : EPISODE_COPY;
	if (!f->starts_at_us || f->starts_at_us > end_of(known) || f->called_active || keeps_coming(known, f))
		return EPISODE_NEW;
	return EPISODE_STALE;
}

bool episode_ends(const struct episode *e, const struct episode *last_ended, int64_t starts_at_us, int64_t ends_at_us)
{
	assert(e && e->firing && (!last_ended || !last_ended->firing));
	if (ends_at_us && e->began_us < ends_at_us)
		return true;
	bool same = starts_at_us && (starts_at_us == e->starts_at_us || starts_at_us == e->told_start_us);
	bool of_both = same && last_ended && starts_at_us == last_ended->starts_at_us;

	/* Times that make no sense, since the sender's clock was set back: then the same startsAt says which one is
	 * meant. If the one before has it, too, it is what ended that one, unless it tells of such a clock by itself.
	 */
	if (ends_at_us)
		return same && (!of_both || (ends_at_us < starts_at_us && ends_at_us != last_ended->ends_at_us));
	/* Now; unless it names, by its startsAt, the one before, which has ended already. */
	return !(starts_at_us && last_ended && starts_at_us == last_ended->starts_at_us && starts_at_us < e->began_us);
}

bool episode_ended_already(const struct episode *e, int64_t starts_at_us)
{
	assert(e && !e->firing);
	return starts_at_us <= end_of(e);
}

bool episode_end_is_known(const struct episode *e, int64_t starts_at_us, int64_t ends_at_us)
{
	assert(e && !e->firing);
	return starts_at_us == e->starts_at_us || (ends_at_us && ends_at_us == e->ends_at_us);
}

int64_t episode_told_start(const struct episode *known, const struct episode *last_ended, int64_t starts_at_us)
{
	assert(known && known->firing && starts_at_us >= 0 && (!last_ended || !last_ended->firing));
	if (!starts_at_us || starts_at_us >= known->starts_at_us - EPISODE_REPLICA_US)
		return known->told_start_us;
	bool of_that = last_ended && starts_at_us - last_ended->starts_at_us <= EPISODE_REPLICA_US &&
	               last_ended->starts_at_us - starts_at_us <= EPISODE_REPLICA_US;
	return of_that ? known->told_start_us : starts_at_us;
}

int64_t episode_began(const struct episode *before, int64_t starts_at_us)
{
	int64_t end = before ? end_of(before) : 0;

	return starts_at_us > end ? starts_at_us : end;
}
