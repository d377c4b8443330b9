/* When a number of the old way may be pinned: it is what was normal before anything moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/plan/baselines.h"
#include "server/core/clock.h"

#define HOUR (3600 * US_PER_S)
#define DAY  (24 * HOUR)
#define NOW  (100 * DAY)

static bool pins(struct baseline_moment m)
{
	m.now_us = NOW;
	m.back_us = DAY;
	return baseline_may_be_pinned(&m);
}

static void what_is_normal_is_pinned_in_quiet_times(void **state)
{
	(void)state;
	assert_true(pins((struct baseline_moment) {.wanted = 1000}));
	assert_true(pins((struct baseline_moment) {.wanted = 1000, .pinned = true, .moved_us = NOW - DAY}));
	assert_true(pins((struct baseline_moment) {.wanted = -1, .pinned = true, .trouble_us = NOW - DAY}));
}

/* As the old way ran dry, its last 634 requests had no error: that was pinned. */
static void a_change_of_the_percentage_freezes_what_is_pinned(void **state)
{
	(void)state;
	assert_false(pins((struct baseline_moment) {.wanted = 5000, .pinned = true, .moved_us = NOW}));
	assert_false(pins((struct baseline_moment) {.wanted = 5000, .pinned = true, .moved_us = NOW - DAY + 1}));
	assert_true(pins((struct baseline_moment) {.wanted = 5000, .moved_us = NOW - 1})); /* better than none */
}

static void at_100_percent_the_old_way_shows_nothing(void **state)
{
	(void)state;
	assert_false(pins((struct baseline_moment) {.wanted = 10000, .pinned = true, .moved_us = NOW - 9 * DAY}));
	assert_false(pins((struct baseline_moment) {.wanted = 10000}));
	assert_true(pins((struct baseline_moment) {.wanted = 9999}));
}

/* In an outage of both 40 % were pinned. */
static void an_incident_freezes_also_what_is_not_pinned_yet(void **state)
{
	(void)state;
	assert_false(pins((struct baseline_moment) {.wanted = 0, .open = true}));
	assert_false(pins((struct baseline_moment) {.wanted = 0, .trouble_us = NOW - 1}));
	assert_false(pins((struct baseline_moment) {.wanted = 0, .pinned = true, .trouble_us = NOW - DAY + 1}));
}

static void it_is_frozen_as_long_as_its_query_looks_back(void **state)
{
	static const struct {
		struct baseline_query q;
		int64_t back_us;
	} rows[] = {
		{{.query = "quantile_over_time(0.5, legacy:error_ratio:rate1h[1d])"}, DAY},
		{{.query = "legacy:p95", .samples = "sum(increase(legacy_requests_total[2h]))"}, 2 * HOUR},
		{{.query = "legacy", .samples = "requests"}, 0},
		{{.query = "max_over_time(avg(x)[1d:1h])"}, DAY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(baseline_back_us(&rows[i].q), rows[i].back_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_normal_is_pinned_in_quiet_times),
		cmocka_unit_test(a_change_of_the_percentage_freezes_what_is_pinned),
		cmocka_unit_test(at_100_percent_the_old_way_shows_nothing),
		cmocka_unit_test(an_incident_freezes_also_what_is_not_pinned_yet),
		cmocka_unit_test(it_is_frozen_as_long_as_its_query_looks_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
