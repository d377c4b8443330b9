/* When the wall clock is set, what is waited for on disk keeps its time. */
#include "tests/unit/db_fixture.h"

#include "db/event.h"
#include "db/outbox.h"
#include "db/private.h"
#include "db/progress.h"
#include "db/retention.h"
#include "db/query.h"

#define DAY         (24 * 3600 * US_PER_S)
#define YEAR        (365 * DAY)
#define FINGERPRINT 0x123456789abcdef0 /* of an alert: as a time it would be one of the year 43569 */

static int64_t wait_us;

static int put_rows(struct db_tx *tx, void *arg)
{
	struct message m = {.incident_id = 1,
	                    .channel = (char *)"c",
	                    .event = (char *)"incident",
	                    .what = (char *)"x",
	                    .body = (char *)"{}"};
	struct progress p = {.rollout = (char *)"shop", .run = 1, .frozen_until_us = db_tx_now(tx) + wait_us};
	int64_t now = db_tx_now(tx);

	(void)arg;
	assert_int_equal(outbox_add(tx, &m), 0);
	m.state = MSG_QUEUED;
	m.due_at_us = now + wait_us;
	assert_int_equal(outbox_save(tx, &m), 0);
	assert_int_equal(meta_set(tx, "blind_since:shop", now), 0);
	assert_int_equal(meta_set(tx, "report:shop:daily", now), 0);
	assert_int_equal(meta_set(tx, "entered:long ago", now - YEAR), 0);
	assert_int_equal(meta_set(tx, "a number", 17), 0);
	assert_int_equal(meta_set(tx, "unheard:shop:0", FINGERPRINT), 0);
	assert_int_equal(meta_set(tx, "unheard_since:shop:0", now), 0);
	assert_int_equal(
		event_add(tx, &(struct event) {.rollout = (char *)"shop", .who = (char *)"w", .what = (char *)"x"}), 0);
	return progress_save(tx, &p);
}

static int nothing(struct db_tx *tx, void *arg)
{
	*(int64_t *)arg = db_tx_now(tx);
	return 0;
}

static int64_t mark(struct db_conn *c, const char *key)
{
	int64_t v = 0;

	assert_int_equal(meta_get(c, key, &v), 0);
	return v;
}

/* The two clocks are read one after the other. */
static void near(int64_t a, int64_t b)
{
	assert_in_range(a - b + 100 * US_PER_MS, 0, 200 * US_PER_MS);
}

/* by: how far the clock is set, as far as the database can tell. */
static void set_clock(int64_t by)
{
	struct db *db = fixture_open();
	struct db_conn *c = NULL;
	struct message before = {0}, after = {0};
	struct progress p = {0};
	int64_t now = 0;

	wait_us = 300 * US_PER_S;
	assert_int_equal(db_start(db), 0);
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(in_tx(db, put_rows, NULL), 0);
	assert_int_equal(outbox_load(c, 1, &before), 0);
	int64_t blind = mark(c, "blind_since:shop"), report = mark(c, "report:shop:daily"),
		old = mark(c, "entered:long ago");
	db_stop(db); /* the writer's state is ours for a moment */
	db->stopping = false;
	db->clock.offset_us -= by;
	near(db_now(db), clock_wall_us() - by); /* as what is on disk still counts */
	assert_int_equal(db_start(db), 0);
	assert_int_equal(in_tx(db, nothing, &now), 0);
	near(db_now(db), clock_wall_us());
	assert_int_equal(outbox_load(c, 1, &after), 0);
	near(after.due_at_us, before.due_at_us + by);
	near(after.since_us, before.since_us + by);
	assert_int_equal(after.queued_at_us, before.queued_at_us); /* its name outside */
	assert_int_equal(progress_load(c, "shop", &p), 0);
	near(p.frozen_until_us, before.due_at_us + by);
	near(mark(c, "blind_since:shop"), blind + by);
	assert_int_equal(mark(c, "report:shop:daily"), report); /* a calendar's */
	assert_int_equal(mark(c, "entered:long ago"), old);
	assert_int_equal(mark(c, "a number"), 17);
	assert_int_equal(mark(c, "unheard:shop:0"), FINGERPRINT);
	near(mark(c, "unheard_since:shop:0"), blind + by);
	assert_int_equal(in_tx(db, nothing, &now), 0); /* once */
	message_free(&after);
	assert_int_equal(outbox_load(c, 1, &after), 0);
	near(after.due_at_us, before.due_at_us + by);
	message_free(&before);
	message_free(&after);
	progress_free(&p);
	db_reader_close(c);
	db_close(db);
}

static void what_is_waited_for_moves_with_a_clock_that_is_set_ahead(void **state)
{
	(void)state;
	set_clock(DAY);
}

static void what_is_waited_for_moves_with_a_clock_that_is_set_back(void **state)
{
	(void)state;
	set_clock(-2 * 3600 * US_PER_S);
}

static int future(struct db_tx *tx, void *arg)
{
	(void)arg;
	assert_int_equal(meta_set(tx, "heartbeat_at", db_tx_now(tx) + 3 * DAY), 0);
	assert_int_equal(meta_set(tx, "clock seen", db_tx_now(tx) + 3 * DAY), 0);
	return query_done(query_run(tx, META_SET_TEXT, V("clock offset", 1, "another boot")));
}

static void after_a_reboot_time_has_not_run_backwards(void **state)
{
	struct db_conn *c = NULL;

	(void)state;
	struct db *db = fixture_open();
	assert_int_equal(db_start(db), 0);
	assert_int_equal(in_tx(db, future, NULL), 0);
	db_close(db);
	int64_t before = clock_wall_us();
	db = fixture_open();
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_in_range(mark(c, "heartbeat_at"), before - US_PER_S, clock_wall_us());
	db_reader_close(c);
	db_close(db);
}

static int add_old(struct db_tx *tx, void *arg)
{
	struct event e = {.rollout = (char *)"shop", .who = (char *)"w", .what = (char *)"x", .at_us = 1};

	(void)arg;
	return event_add(tx, &e);
}

static int sweep(struct db_tx *tx, void *arg)
{
	(void)arg;
	return retention_sweep(tx, db_tx_now(tx) - DAY, 100);
}

static void nothing_is_forgotten_for_a_day_after_a_jump_ahead(void **state)
{
	int64_t now = 0;

	(void)state;
	struct db *db = fixture_open();
	assert_int_equal(db_start(db), 0);
	assert_int_equal(in_tx(db, add_old, NULL), 0);
	assert_int_equal(in_tx(db, sweep, NULL), 1);
	assert_int_equal(in_tx(db, add_old, NULL), 0);
	db_stop(db);
	db->stopping = false;
	db->clock.offset_us -= YEAR;
	assert_int_equal(db_start(db), 0);
	assert_int_equal(in_tx(db, nothing, &now), 0);
	assert_int_equal(in_tx(db, sweep, NULL), 0);
	db_close(db);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		T(what_is_waited_for_moves_with_a_clock_that_is_set_ahead),
		T(what_is_waited_for_moves_with_a_clock_that_is_set_back),
		T(after_a_reboot_time_has_not_run_backwards),
		T(nothing_is_forgotten_for_a_day_after_a_jump_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
