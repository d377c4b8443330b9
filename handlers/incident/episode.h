/*
 * Which alert is new, which is a copy, which is over. Pure; any thread.
 *
 * An alert is its fingerprint; an episode is one time of its firing. startsAt tells episodes apart only as far as it is
 * right: replicas move it back, Grafana ends an episode with another one, some senders leave it out.
 *
 *   comes     known                                       then
 *   firing    nothing                                     a new episode
 *   firing    one that fires                              a copy, wherever startsAt was moved; but what began after we
 *                                                         last heard of it is another, whose resolved got lost
 *   firing    one that ended before startsAt              a new episode
 *   firing    one that ended, startsAt not after it       stale: a late copy and an alert that lives look alike at
 *                                                         first. New when it keeps coming, or is called active
 *   firing,   one that ended                              a new episode: nothing could tell the two apart
 *   no startsAt
 *   resolved  one that fires and began before endsAt      that one ends
 *   resolved  one that fires and has this startsAt,       that one ends: the sender's clock was set back. But not by
 *             and began after endsAt                      what ended the one before, which may have it, too
 *   resolved  one that ended, startsAt not after it       a copy. Of other times it is a replica's, or that of an
 *                                                         episode after the clock was set back, whose firing is still
 *                                                         to come: limits.stale begins anew
 */
#ifndef HANDLERS_INCIDENT_EPISODE_H
#define HANDLERS_INCIDENT_EPISODE_H

#include "db/alert.h"

struct firing_copy {          /* one delivery that says firing */
	int64_t starts_at_us; /* 0: none, or the zero time of some language */
	int64_t now_us;
	int64_t stale_us;   /* limits.stale */
	bool called_active; /* Prometheus or Alertmanager, asked, say that it is */
};

/* So many copies after the end are no late ones any more, when the first of them is a quarter of limits.stale old: an
 * Alertmanager that lags behind sends one or two. */
#define EPISODE_STALE_COPIES 10

enum episode_is { EPISODE_NEW, EPISODE_COPY, EPISODE_STALE };

/* known: the episode that fires, else the last one that ended; NULL: nothing is known of that fingerprint. */
enum episode_is episode_of_firing(const struct episode *known, const struct firing_copy *f);

/* Does a resolved with these times end e, which fires? last_ended: the last of that fingerprint that ended; NULL: none.
 */
bool episode_ends(const struct episode *e, const struct episode *last_ended, int64_t starts_at_us, int64_t ends_at_us);

/* Is a resolved that ends nothing a copy of the one that ended e? Else it is of an episode that was never heard of. */
bool episode_ended_already(const struct episode *e, int64_t starts_at_us);

/* If so: are its times those of e's end as it is known? A replica moves one of them. */
bool episode_end_is_known(const struct episode *e, int64_t starts_at_us, int64_t ends_at_us);

/* Replicas move a startsAt by moments: by no more than this. */
#define EPISODE_REPLICA_US (INT64_C(300) * 1000000)

/* The other startsAt by which an end of known, which fires, is known, after a copy with this one; 0: none. What is
 * moved back by more than replicas do tells of a clock that was set back while a resolved got lost; unless it is the
 * start of last_ended (NULL: none), of which this is a late copy. It tells no episodes apart: of two senders whose
 * clocks differ, each copy would begin one. */
int64_t episode_told_start(const struct episode *known, const struct episode *last_ended, int64_t starts_at_us);

/* When a new episode began, as far as that is known: not before the end of the one before it (NULL: none). */
int64_t episode_began(const struct episode *before, int64_t starts_at_us);

#endif
