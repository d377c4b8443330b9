/* Which alert is new, which is a copy, which is over: all cells of the table, then what holds in each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "handlers/incident/episode.h"
#include "server/core/clock.h"

#define S     US_PER_S
#define T0    (1700000000 * S) /* it began */
#define END   (T0 + 300 * S)   /* it ended, says the sender */
#define TOLD  (T0 + 330 * S)   /* and we were told then */
#define STALE (60 * S)

static const struct episode fires = {
	.id = 1, .firing = true, .starts_at_us = T0, .began_us = T0, .last_at_us = T0 + 40 * S};
static const struct episode fires_undated = {.id = 1, .firing = true, .last_at_us = T0 + 40 * S};
static const struct episode ended = {
	.id = 1, .starts_at_us = T0, .began_us = T0, .ends_at_us = END, .last_at_us = TOLD, .ended_at_us = TOLD};
static const struct episode ended_unknown_when = {
	.id = 1, .starts_at_us = T0, .began_us = T0, .last_at_us = TOLD, .ended_at_us = TOLD};
static const struct episode ended_before_it_began = {.id = 1,
                                                     .starts_at_us = T0,
                                                     .began_us = T0,
                                                     .ends_at_us = T0 - 3600 * S,
                                                     .last_at_us = TOLD,
                                                     .ended_at_us = TOLD};
static const struct episode ended_undated = {.id = 1, .last_at_us = TOLD, .ended_at_us = TOLD};

static void every_cell_of_firing(void **state)
{
	static const struct {
		const char *what;
		const struct episode *known;
		int64_t starts, now;
		bool active;
		enum episode_is is;
	} cells[] = {
		{"nothing is known", NULL, T0, T0, false, EPISODE_NEW},
		{"nothing is known, no startsAt", NULL, 0, T0, false, EPISODE_NEW},
		{"nothing is known, an old start", NULL, T0 - 90 * 86400 * S, T0, false, EPISODE_NEW},
		{"it fires", &fires, T0, T0 + 50 * S, false, EPISODE_COPY},
		{"it fires; a replica saw it earlier", &fires, T0 - 20 * S, T0 + 50 * S, false, EPISODE_COPY},
		{"it fires; a replica saw it later", &fires, T0 + 20 * S, T0 + 50 * S, false, EPISODE_COPY},
		{"it fires; no startsAt this time", &fires, 0, T0 + 50 * S, false, EPISODE_COPY},
		{"it fires, and is called active", &fires, T0, T0 + 50 * S, true, EPISODE_COPY},
		{"it fired; this began after we last heard of it", &fires, T0 + 41 * S, T0 + 50 * S, false,
	         EPISODE_NEW},
		{"it fires, undated", &fires_undated, 0, T0 + 50 * S, false, EPISODE_COPY},
		{"it fires, undated; this has a start", &fires_undated, T0, T0 + 50 * S, false, EPISODE_COPY},
		{"it ended before this began", &ended, END + 1, TOLD + S, false, EPISODE_NEW},
		{"it ended; the same again", &ended, T0, TOLD + S, false, EPISODE_STALE},
		{"it ended; a replica's start", &ended, T0 - 20 * S, TOLD + S, false, EPISODE_STALE},
		{"it ended; a start in between", &ended, END, TOLD + S, false, EPISODE_STALE},
		{"it ended; the same is called active", &ended, T0, TOLD + S, true, EPISODE_NEW},
		{"it ended; the same just before limits.stale", &ended, T0, TOLD + STALE - 1, false, EPISODE_STALE},
		{"it ended; the same limits.stale later", &ended, T0, TOLD + STALE, false, EPISODE_NEW},
		{"it ended; the clock was set back a little", &ended, T0, TOLD - S, false, EPISODE_STALE},
		{"it ended; the clock was set back far", &ended, T0, TOLD - 3600 * S, false, EPISODE_NEW},
		{"it ended; no startsAt", &ended, 0, TOLD + S, false, EPISODE_NEW},
		{"it ended, nobody said when; the same", &ended_unknown_when, T0, TOLD + S, false, EPISODE_STALE},
		{"it ended, nobody said when; a later start", &ended_unknown_when, T0 + 1, TOLD + S, false,
	         EPISODE_NEW},
		{"it ended, undated; no startsAt", &ended_undated, 0, TOLD + S, false, EPISODE_NEW},
		{"it ended, undated; a start", &ended_undated, T0, TOLD + S, false, EPISODE_NEW},
		{"the clock was set back before it ended; the same", &ended_before_it_began, T0, TOLD + S, false,
	         EPISODE_STALE},
		{"the clock was set back before it ended; a later start", &ended_before_it_began, T0 + 1, TOLD + S,
	         false, EPISODE_NEW},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		struct firing_copy f = {.starts_at_us = cells[i].starts,
		                        .now_us = cells[i].now,
		                        .stale_us = STALE,
		                        .called_active = cells[i].active};

		if (episode_of_firing(cells[i].known, &f) != cells[i].is)
			fail_msg("%s: not %d", cells[i].what, cells[i].is);
	}
}

static void many_copies_over_a_quarter_of_the_time_are_no_late_ones(void **state)
{
	struct episode e = ended;
	struct firing_copy f = {.starts_at_us = T0, .now_us = TOLD + 20 * S, .stale_us = STALE};

	(void)state;
	e.stale_at_us = TOLD + 5 * S;
	e.stale_times = EPISODE_STALE_COPIES - 2;
	assert_int_equal(episode_of_firing(&e, &f), EPISODE_STALE);
	e.stale_times++;
	assert_int_equal(episode_of_firing(&e, &f), EPISODE_NEW);
	f.now_us--; /* all of them in a burst: a queue that was emptied */
	assert_int_equal(episode_of_firing(&e, &f), EPISODE_STALE);
}

static void every_cell_of_resolved(void **state)
{
	const struct episode alive_again = {
		.id = 2, .firing = true, .starts_at_us = T0, .began_us = END, .last_at_us = TOLD + STALE};
	const struct episode next = {.id = 2,
	                             .firing = true,
	                             .starts_at_us = END + 60 * S,
	                             .began_us = END + 60 * S,
	                             .last_at_us = TOLD + 90 * S};
	const struct episode set_back = {.id = 2, /* its start lies before the end of the one before */
	                                 .firing = true,
	                                 .starts_at_us = T0 - 7200 * S,
	                                 .began_us = END,
	                                 .last_at_us = TOLD + STALE};
	const struct {
		const char *what;
		const struct episode *e, *before;
		int64_t starts, ends;
		bool yes;
	} cells[] = {
		{"its own", &fires, NULL, T0, END, true},
		{"Grafana's: the end as the start", &fires, NULL, END, END, true},
		{"a replica's start", &fires, NULL, T0 - 20 * S, END, true},
		{"no endsAt", &fires, NULL, T0, 0, true},
		{"no times", &fires, NULL, 0, 0, true},
		{"an end before it began", &fires, NULL, T0 - 600 * S, T0 - 300 * S, false},
		{"an end at the moment it began", &fires, NULL, T0 - 600 * S, T0, false},
		{"its own start, and an end that makes no sense", &fires, NULL, T0, T0 - 3600 * S, true},
		{"undated, no times", &fires_undated, NULL, 0, 0, true},
		{"undated, an end", &fires_undated, NULL, 0, END, true},
		{"a late copy of the one before", &next, &ended, T0, END, false},
		{"a late copy of the one before, no endsAt", &next, &ended_unknown_when, T0, 0, false},
		{"its own, no endsAt, after another", &next, &ended, END + 60 * S, 0, true},
		{"alive again: the old end once more", &alive_again, &ended, T0, END, false},
		{"alive again: the old end, as another replica dates it", &alive_again, &ended, T0, END - S, false},
		{"alive again: a new end", &alive_again, &ended, T0, END + 600 * S, true},
		{"alive again, and the clock was set back: a new end", &alive_again, &ended, T0, END - 7200 * S, true},
		{"after the clock was set back: its own", &set_back, &ended, T0 - 7200 * S, T0 - 7000 * S, true},
		{"after the clock was set back: the one before", &set_back, &ended, T0, END, false},
		{"after the clock was set back: one long ago", &set_back, &ended, T0 - 9000 * S, T0 - 8000 * S, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (episode_ends(cells[i].e, cells[i].before, cells[i].starts, cells[i].ends) != cells[i].yes)
			fail_msg("%s: not %d", cells[i].what, cells[i].yes);
}

static void a_resolved_that_ends_nothing_is_a_copy_unless_it_tells_of_a_later_episode(void **state)
{
	(void)state;
	assert_true(episode_ended_already(&ended, T0));
	assert_true(episode_ended_already(&ended, T0 - 20 * S));
	assert_true(episode_ended_already(&ended, END)); /* Grafana's */
	assert_true(episode_ended_already(&ended, 0));
	assert_false(episode_ended_already(&ended, END + 1));
	assert_false(episode_ended_already(&ended_unknown_when, T0 + 1));
}

/* What comes of another sender, or of an episode whose firing is still to come, after the clock was set back. */
static void an_end_of_other_times_is_told_anew(void **state)
{
	(void)state;
	assert_false(episode_end_is_known(&ended_before_it_began, T0 - 3000 * S, T0 - 2000 * S));
	assert_false(episode_end_is_known(&ended, T0 - 20 * S, END - S));
	assert_false(episode_end_is_known(&ended, T0 - 20 * S, 0));
	assert_true(episode_end_is_known(&ended, T0, END));
	assert_true(episode_end_is_known(&ended, T0, END - S)); /* as another replica dates it */
	assert_true(episode_end_is_known(&ended, T0 - 20 * S, END));
	assert_true(episode_end_is_known(&ended, END, END)); /* Grafana's */
	assert_true(episode_end_is_known(&ended, T0, 0));
	assert_true(episode_end_is_known(&ended_unknown_when, T0, 0));
	assert_true(episode_end_is_known(&ended_undated, 0, 0));
}

static void a_copy_tells_another_start_when_it_is_earlier_than_a_replicas(void **state)
{
	const struct episode told = {.firing = true, .starts_at_us = T0, .began_us = T0, .told_start_us = T0 - 900 * S};

	(void)state;
	assert_int_equal(episode_told_start(&fires, NULL, T0 + 20 * S), 0);
	assert_int_equal(episode_told_start(&fires, NULL, T0 - EPISODE_REPLICA_US), 0);
	assert_int_equal(episode_told_start(&fires, NULL, T0 - EPISODE_REPLICA_US - 1), T0 - EPISODE_REPLICA_US - 1);
	assert_int_equal(episode_told_start(&fires, NULL, 0), 0);
	assert_int_equal(episode_told_start(&fires_undated, NULL, T0), 0);
	assert_int_equal(episode_told_start(&told, NULL, T0), T0 - 900 * S);
	assert_true(episode_ends(&told, NULL, T0 - 900 * S, T0 - 800 * S));
	assert_false(episode_ends(&told, NULL, T0 - 901 * S, T0 - 800 * S));
}

static void but_not_a_late_copy_of_the_one_before(void **state)
{
	const struct episode next = {.id = 2, .firing = true, .starts_at_us = T0 + 900 * S, .began_us = T0 + 900 * S};

	(void)state;
	assert_int_equal(episode_told_start(&next, &ended, T0), 0);
	assert_int_equal(episode_told_start(&next, &ended, T0 + EPISODE_REPLICA_US), 0);
	assert_int_equal(episode_told_start(&next, &ended, T0 - EPISODE_REPLICA_US), 0);
	assert_int_equal(episode_told_start(&next, &ended, T0 - EPISODE_REPLICA_US - 1), T0 - EPISODE_REPLICA_US - 1);
}

static int64_t drawn(int64_t least, int64_t most)
{
	return least + random() % (most - least + 1);
}

static struct episode any_episode(void)
{
	int64_t starts = random() % 4 ? drawn(T0, T0 + 100) : 0, ends = random() % 3 ? drawn(T0, T0 + 200) : 0;
	bool firing = random() % 2;

	return (struct episode) {.id = 1,
	                         .firing = firing,
	                         .starts_at_us = starts,
	                         .began_us = drawn(starts, T0 + 200),
	                         .ends_at_us = firing ? 0 : ends,
	                         .last_at_us = drawn(T0, T0 + 300),
	                         .ended_at_us = firing ? 0 : drawn(T0, T0 + 300),
	                         .stale_at_us = firing ? 0 : drawn(0, 1) * drawn(T0, T0 + 300),
	                         .stale_times = drawn(0, 20)};
}

/* What nobody may break, whatever the times. */
static void properties_over_drawn_times(void **state)
{
	(void)state;
	srandom(20251014);
	for (int i = 0; i < 200000; i++) {
		struct episode e = any_episode();
		struct firing_copy f = {.starts_at_us = random() % 4 ? drawn(T0, T0 + 300) : 0,
		                        .now_us = drawn(T0, T0 + 400),
		                        .stale_us = drawn(0, 100)};
		enum episode_is is = episode_of_firing(&e, &f);

		/* An alert that fires is passed over for limits.stale at most, and never when it is called active. */
		f.called_active = true;
		if (!e.firing)
			assert_int_equal(episode_of_firing(&e, &f), EPISODE_NEW);
		if (is == EPISODE_STALE)
			assert_true(!e.firing && llabs(f.now_us - e.ended_at_us) < f.stale_us && f.starts_at_us);
		/* Moving startsAt back makes no new episode out of a copy. */
		f.called_active = false;
		f.starts_at_us = f.starts_at_us > 10 ? f.starts_at_us - drawn(0, 10) : 0;
		if (is == EPISODE_COPY)
			assert_int_equal(episode_of_firing(&e, &f), EPISODE_COPY);
		/* What ended once with an end is not ended again by that end. */
		if (!e.firing && e.ends_at_us) {
			struct episode next = {.firing = true,
			                       .starts_at_us = e.starts_at_us,
			                       .began_us = episode_began(&e, e.starts_at_us)};
			bool revived = next.began_us > next.starts_at_us;

			if (revived)
				assert_false(episode_ends(&next, &e, e.starts_at_us, e.ends_at_us));
			assert_true(episode_ends(&next, &e, e.starts_at_us, next.began_us + 1));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_of_firing),
		cmocka_unit_test(many_copies_over_a_quarter_of_the_time_are_no_late_ones),
		cmocka_unit_test(every_cell_of_resolved),
		cmocka_unit_test(a_resolved_that_ends_nothing_is_a_copy_unless_it_tells_of_a_later_episode),
		cmocka_unit_test(an_end_of_other_times_is_told_anew),
		cmocka_unit_test(a_copy_tells_another_start_when_it_is_earlier_than_a_replicas),
		cmocka_unit_test(but_not_a_late_copy_of_the_one_before),
		cmocka_unit_test(properties_over_drawn_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
