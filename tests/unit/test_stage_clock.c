/* The clean clock and the criteria, with real durations and no waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/gates/stage_clock.h"
#include "server/core/clock.h"

#define S    US_PER_S
#define HOUR (3600 * S)
#define GAP  (60 * S)

static int64_t now = 1760436000 * US_PER_S; /* 2025-10-14T10:00:00Z */
static struct hold_span span;

/* One look after the other, every 15 s for so long. Returns how many spans without a clock ended. */
static int run(struct progress *p, int64_t for_us, const char *why)
{
	int ended = 0;

	for (int64_t until = now + for_us; now < until;) {
		now += 15 * S;
		free(span.why);
		span = (struct hold_span) {0};
		ended += stage_clock_count(p, now, GAP, why, &span);
	}
	return ended;
}

static struct progress fresh(void)
{
	return (struct progress) {.run = 1, .clean_at_us = now};
}

static void done(struct progress *p)
{
	free(p->clean_why);
	free(span.why);
	span = (struct hold_span) {0};
}

static void forty_eight_quiet_hours_are_forty_eight_clean_hours(void **state)
{
	struct progress p = fresh();

	(void)state;
	assert_int_equal(run(&p, 48 * HOUR, ""), 0);
	assert_true(p.clean_us == 48 * HOUR);
	done(&p);
}

static void held_time_does_not_count_and_is_remembered_as_a_span(void **state)
{
	struct progress p = fresh();
	int64_t stopped;

	(void)state;
	run(&p, 41 * HOUR, "");
	stopped = now;
	run(&p, 2 * HOUR, "held by alice");
	assert_string_equal(p.clean_why, "held by alice");
	run(&p, 15 * S, "");
	assert_true(span.since_us == stopped && span.until_us == now);
	assert_string_equal(span.why, "held by alice");
	run(&p, 1 * HOUR, "");
	assert_true(p.clean_us == 42 * HOUR); /* the look that ends a hold starts the clock, it counts nothing */
	assert_null(p.clean_why);
	done(&p);
}

static void a_hold_after_a_failed_criterion_is_a_span_of_its_own(void **state)
{
	struct progress p = fresh();
	int64_t began;

	(void)state;
	run(&p, HOUR, "errors: fails");
	began = now + 15 * S;
	assert_int_equal(run(&p, 15 * S, "held by alice"), 1);
	assert_string_equal(span.why, "errors: fails");
	assert_true(span.until_us == began);
	run(&p, HOUR, "held by alice");
	run(&p, 15 * S, "");
	assert_string_equal(span.why, "held by alice");
	assert_true(span.since_us == began);
	done(&p);
}

static void time_that_nobody_looked_at_is_unknown(void **state)
{
	struct progress p = fresh();

	(void)state;
	run(&p, HOUR, "");
	now += 3 * HOUR; /* the daemon was down, or the clock jumped */
	assert_int_equal(run(&p, 15 * S, ""), 1);
	assert_string_equal(span.why, "rollbackd did not look");
	assert_true(span.until_us - span.since_us == 3 * HOUR + 15 * S);
	assert_true(p.clean_us == HOUR);
	now -= HOUR; /* back again: nothing is taken away */
	run(&p, 15 * S, "");
	assert_true(p.clean_us == HOUR);
	run(&p, HOUR, "");
	assert_true(p.clean_us == 2 * HOUR);
	done(&p);
}

static struct criterion bound = {.name = "error rate delta", .query = "x", .unit = "", .bound = 0.001};

static void why_of(struct stage_clock_view v, char out[400])
{
	stage_clock_why(&v, out, 400);
}

static void each_thing_that_stops_the_clock_is_named(void **state)
{
	struct criterion_result fails = {.state = CRITERION_FAILS, .why = "fails: 0.02, at most 0.001"};
	struct stage_clock_view good = {.entered = true, .percentage_known = true, .percentage_right = true};
	struct stage_clock_view v;
	char why[400];

	(void)state;
	why_of(good, why);
	assert_string_equal(why, "");
	v = good;
	v.entered = false;
	why_of(v, why);
	assert_string_equal(why, "the stage is not at its percentage");
	v = good;
	v.elsewhere = true;
	why_of(v, why);
	assert_string_equal(why, "the stage is of another environment");
	v = good;
	v.held = "alice";
	why_of(v, why);
	assert_string_equal(why, "held by alice");
	v = good;
	v.incident = 7;
	why_of(v, why);
	assert_string_equal(why, "incident 7 is open");
	v = good;
	v.percentage_known = false;
	why_of(v, why);
	assert_non_null(strstr(why, "unknown"));
	v = good;
	v.percentage_right = false;
	why_of(v, why);
	assert_non_null(strstr(why, "not at the stage's percentage"));
	v = good;
	v.blind = "no heartbeat";
	why_of(v, why);
	assert_string_equal(why, "nobody watches: no heartbeat");
	v = good;
	v.criteria = &bound;
	v.results = &fails;
	v.n = 1;
	why_of(v, why);
	assert_string_equal(why, "error rate delta: fails: 0.02, at most 0.001");
	fails.state = CRITERION_NOT_YET; /* warming up does not stop it */
	why_of(v, why);
	assert_string_equal(why, "");
}

/* --- criteria --- */

static struct prom_answer number(double v)
{
	return (struct prom_answer) {.asked = true, .reached = true, .n = 1, .least = v, .most = v};
}

static enum criterion_state judge(const struct criterion *c, struct prom_answer value, struct prom_answer samples)
{
	struct prom_answer nobody = {0};
	struct criterion_result r;

	criterion_judge(c, 48 * HOUR, &value, &samples, &nobody, &r);
	assert_true(r.why[0] != '\0');
	return r.state;
}

static void a_bound_is_met_at_the_bound_itself(void **state)
{
	struct prom_answer none = {0};

	(void)state;
	assert_int_equal(judge(&bound, number(0.001), none), CRITERION_HOLDS);
	assert_int_equal(judge(&bound, number(nextafter(0.001, 1)), none), CRITERION_FAILS);
	struct criterion least = {.name = "cache", .query = "x", .unit = "", .is_min = true, .bound = 0.8};
	assert_int_equal(judge(&least, number(0.8), none), CRITERION_HOLDS);
	assert_int_equal(judge(&least, number(nextafter(0.8, 0)), none), CRITERION_FAILS);
}

static void what_is_too_small_to_be_judged_is_named(void **state)
{
	struct prom_answer value = number(0.0005), none = {0}, small = {.asked = true, .n = 2, .names = "go, lua"};
	struct criterion_result r;

	(void)state;
	criterion_judge(&bound, 48 * HOUR, &value, &none, &small, &r);
	assert_string_equal(r.why, "holds: 0.0005, at most 0.001; too small to be judged: go, lua");
}

static void what_is_not_known_never_passes(void **state)
{
	struct prom_answer none = {.asked = true, .reached = true, .least = NAN, .most = NAN, .why = "no data"};
	struct prom_answer two = {.asked = true, .reached = true, .n = 2, .least = 0, .most = 0.5};
	struct criterion sampled = bound;

	(void)state;
	assert_int_equal(judge(&bound, none, none), CRITERION_UNKNOWN);
	assert_int_equal(judge(&bound, two, none), CRITERION_FAILS); /* the worst instance counts */
	sampled.samples = "n";
	sampled.min_samples = 13700;
	assert_int_equal(judge(&sampled, number(0), number(13699)), CRITERION_UNKNOWN);
	assert_int_equal(judge(&sampled, number(0), number(13700)), CRITERION_HOLDS);
	assert_int_equal(judge(&sampled, number(0), none), CRITERION_UNKNOWN);
}

static void a_span_never_reaches_before_the_stage_nor_into_its_warm_up(void **state)
{
	struct criterion c = {.name = "cache",
	                      .query = "hits",
	                      .unit = "",
	                      .is_min = true,
	                      .bound = 0.8,
	                      .over_us = 48 * HOUR,
	                      .after_us = 900 * S};
	struct buf b = BUF(1000);

	(void)state;
	assert_false(criterion_query(&b, &c, 899 * S));
	assert_false(criterion_query(&b, &c, 900 * S)); /* nothing to look at yet */
	assert_true(criterion_query(&b, &c, 4500 * S));
	assert_string_equal(buf_text(&b), "min_over_time((hits)[3600000ms:12000ms])");
	buf_free(&b);
	assert_true(criterion_query(&b, &c, 100 * HOUR));
	assert_string_equal(buf_text(&b), "min_over_time((hits)[172800000ms:576000ms])");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forty_eight_quiet_hours_are_forty_eight_clean_hours),
		cmocka_unit_test(held_time_does_not_count_and_is_remembered_as_a_span),
		cmocka_unit_test(a_hold_after_a_failed_criterion_is_a_span_of_its_own),
		cmocka_unit_test(time_that_nobody_looked_at_is_unknown),
		cmocka_unit_test(each_thing_that_stops_the_clock_is_named),
		cmocka_unit_test(a_bound_is_met_at_the_bound_itself),
		cmocka_unit_test(what_is_too_small_to_be_judged_is_named),
		cmocka_unit_test(what_is_not_known_never_passes),
		cmocka_unit_test(a_span_never_reaches_before_the_stage_nor_into_its_warm_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
